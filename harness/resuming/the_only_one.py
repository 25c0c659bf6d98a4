"""Which grade is meant where none is named: the only one of the store that can go on."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UsageError, WmcError
from harness.results.journal import OURS, journal_path, read_history, still_running
from harness.results.next_commands import abandon_command, resume_command
from harness.results.store import Store
from harness.results.unfinished import Unfinished, unfinished_grades
from harness.resuming.left import LOST, every_record, successors

_INTERRUPTED = "grade.interrupted"


def the_only_one(store: Store) -> str:
    """The id of the grade that can go on.

    Raises: UsageError where there are several, or none; ResumeRefused where the only one is running.
    """
    begun = unfinished_grades(store)
    stopped = {each.grade_id: each.in_words for each in begun if not each.is_running}
    found = {**stopped, **dict(_recorded(store, begun))}
    if len(found) == 1:
        return next(iter(found))
    if found:
        names = "".join(f"\n  {words}" for words in found.values())
        raise UsageError(
            f"several grades of {store.folder} can go on:{names}",
            code="usage.resume",
            fix=f"name one of them; `{abandon_command(store, 'GRADE')}` closes one that nobody will finish",
            command=resume_command(store, max(found)),
        )
    if begun:
        raise still_running(journal_path(store, begun[0].grade_id), begun[0].grade_id)
    raise UsageError(
        f"{store.folder} has no grade that was begun and not finished, or interrupted",
        code="usage.resume",
        fix="name another --store, or the GRADE; `wmc grade ZIP --data DIR` begins one",
    )


def _recorded(store: Store, begun: tuple[Unfinished, ...]) -> Iterator[tuple[str, str]]:
    """Grades that have their record and can go on from more than their beginning, or were interrupted; in words."""
    after = successors(store, begun)
    for report in every_record(store):
        failure = report.failure
        if failure is None or failure.blame not in OURS or failure.code == LOST or report.grade_id in after:
            continue
        try:
            history = read_history(store, report.grade_id)
        except WmcError:  # of before there were journals, or of the open protocol
            continue
        if not history.is_given_up and (history.finished or failure.code == _INTERRUPTED):
            yield report.grade_id, f"{report.grade_id} ({failure.code} {history.stage})"
