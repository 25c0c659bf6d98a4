"""`wmc grade --abandon`: a grade that nobody will finish is closed."""

from __future__ import annotations

from dataclasses import replace

from harness.errors import Blame, UsageError
from harness.results.journal import reopen
from harness.results.journal_lines import GivenUp
from harness.results.moment import now
from harness.results.record import Record
from harness.results.report import Failure, GradeReport
from harness.results.store import Store
from harness.resuming.left import LOST
from harness.resuming.resumable import check_possible


def abandon(store: Store, grade_id: str) -> GradeReport:
    """Close a grade that nobody will finish: its one record says that it was lost, by no fault of the entry.

    One that has its record, as an interrupted one has, keeps it; it is offered to nobody any more who names no grade.

    Raises: UsageError where it has ended for good; ResumeRefused where it is still running; StoreFailed.
    """
    with reopen(store, grade_id) as journal:
        history = journal.history
        if grade_id in store.grade_ids():
            check_possible(store, history)
            report = store.report(grade_id)
            if history.is_given_up or (report.failure and report.failure.code == LOST):
                raise UsageError(
                    f"grade {grade_id} has its record, and was given up already",
                    code="usage.resume",
                    fix="leave it: there is nothing to close",
                )
            journal.write(GivenUp(at=now()))
            return report
        record = Record(
            grade_id=grade_id,
            provenance=replace(history.learned.provenance, resumes=history.resumes),
            entry=history.learned.entry,
            durations_s=dict(history.durations_s),
            failure=Failure(
                code="grade.lost",
                blame=Blame.OPERATOR,
                message=f"the harness was killed {history.stage}, and the grade was given up",
                fix="grade again; nothing is charged to the entry",
            ),
        )
        with record.kept_in(store, journal):
            pass
    return record.report
