"""What a grade that stopped has left in its store, and which grade went on with it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.journal import journal_path, read_history
from harness.results.journal_lines import History
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.results.unfinished import Unfinished, unfinished_grades

LOST = "grade.lost"
"""The code of a grade that was given up."""


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
    after = successors(store)
    while grade_id in after:
        grade_id = after[grade_id]
    report = store.report(grade_id) if grade_id in store.grade_ids() else None
    history = read_history(store, grade_id) if journal_path(store, grade_id).exists() else None
    return Left(grade_id=grade_id, report=report, history=history) if report or history else None


def successors(store: Store, begun: tuple[Unfinished, ...] | None = None) -> dict[str, str]:
    """The grade that took over what each of these finished; a grade has one at most."""
    found = {report.provenance.resumed_from: report.grade_id for report in every_record(store)}
    for each in unfinished_grades(store) if begun is None else begun:
        if each.history:
            found.setdefault(each.history.asked.provenance.resumed_from, each.grade_id)
    return {before: after for before, after in found.items() if before}


def every_record(store: Store) -> list[GradeReport]:
    """Oldest first; none where there is no store yet."""
    return store.reports() if store.grade_ids() else []
