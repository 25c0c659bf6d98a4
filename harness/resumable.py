"""Which grades can go on: killed ones, and those whose record says that they stopped by no fault of the entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.disk.line_file import is_locked
from harness.errors import UsageError, WmcError
from harness.results.journal import OURS, journal_path, read_history, still_running
from harness.results.journal_lines import History
from harness.results.next_commands import resume_command
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.results.unfinished import Unfinished, unfinished_grades

INTERRUPTED, LOST = "grade.interrupted", "grade.lost"


@dataclass(frozen=True, kw_only=True)
class Left:
    """What a grade that stopped has left in its store.

    Attributes:
        report: its record; None where it has none yet.
        history: what its journal says; None where it has none: then nothing goes on from it.
    """

    grade_id: str
    report: GradeReport | None
    history: History | None


def what_is_left(store: Store, grade_id: str) -> Left | None:
    """Of this grade, or of the one that went on with it last; None where nothing of it is in the store.

    Raises: StoreFailed.
    """
    after = _successors(store)
    while grade_id in after:
        grade_id = after[grade_id]
    report = store.report(grade_id) if grade_id in store.grade_ids() else None
    history = read_history(store, grade_id) if journal_path(store, grade_id).exists() else None
    return Left(grade_id=grade_id, report=report, history=history) if report or history else None


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
            fix="name one of them; `wmc grade --abandon GRADE` closes one that nobody will finish",
            command=resume_command(store, max(found)),
        )
    if begun:
        raise still_running(journal_path(store, begun[0].grade_id), begun[0].grade_id)
    raise UsageError(
        f"{store.folder} has no grade that was begun and not finished, or interrupted",
        code="usage.resume",
        fix="name another --store, or the GRADE; `wmc grade ZIP --data DIR` begins one",
    )


def check_idle(store: Store, grade_id: str) -> None:
    """Raises: ResumeRefused where somebody works on this grade."""
    path = journal_path(store, grade_id)
    if path.exists() and is_locked(path):
        raise still_running(path, grade_id)


def check_possible(store: Store, history: History) -> None:
    """Whether this grade can go on, or be given up.

    Raises: UsageError where its record is there to stay; ResumeRefused where somebody goes on with it.
    """
    grade_id = history.grade_id
    if grade_id not in store.grade_ids():
        return
    report = store.report(grade_id)
    if report.failure is None:
        raise _has_ended(f"grade {grade_id} has its record: it is graded")
    if report.failure.blame not in OURS:
        raise _has_ended(f"grade {grade_id} has its record: it failed ({report.failure.code})")
    after = _successors(store)
    if grade_id in after:
        while grade_id in after:
            grade_id = after[grade_id]
        check_idle(store, grade_id)
        raise UsageError(
            f"grade {history.grade_id} was resumed as {grade_id}",
            code="usage.resume",
            fix="name that one, if it is not graded either",
            command=resume_command(store, grade_id),
        )


def _recorded(store: Store, begun: tuple[Unfinished, ...]) -> Iterator[tuple[str, str]]:
    """Grades that have their record and can go on from more than their beginning, or were interrupted; in words."""
    after = _successors(store, begun)
    for report in _every_record(store):
        failure = report.failure
        if failure is None or failure.blame not in OURS or failure.code == LOST or report.grade_id in after:
            continue
        try:
            history = read_history(store, report.grade_id)
        except WmcError:  # of before there were journals, or of the open protocol
            continue
        if not history.is_given_up and (history.finished or failure.code == INTERRUPTED):
            yield report.grade_id, f"{report.grade_id} ({failure.code} {history.stage})"


def _has_ended(message: str) -> UsageError:
    return UsageError(
        message,
        code="usage.resume",
        fix="leave it; `wmc grade ZIP --data DIR` grades the same entry once more",
    )


def _successors(store: Store, begun: tuple[Unfinished, ...] | None = None) -> dict[str, str]:
    """The grade that took over what each of these finished; a grade has one at most."""
    found = {report.provenance.resumed_from: report.grade_id for report in _every_record(store)}
    for each in unfinished_grades(store) if begun is None else begun:
        if each.history:
            found.setdefault(each.history.asked.provenance.resumed_from, each.grade_id)
    return {before: after for before, after in found.items() if before}


def _every_record(store: Store) -> list[GradeReport]:
    return store.reports() if store.grade_ids() else []
