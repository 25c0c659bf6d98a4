"""Which grades can go on: killed ones, and those whose record says that they stopped by no fault of the entry."""

from __future__ import annotations

from dataclasses import dataclass

from harness.disk.line_file import is_locked
from harness.earlier import give_up
from harness.errors import ResumeRefused, UsageError
from harness.plain import from_plain
from harness.request import GradeRequest
from harness.results.journal import OURS, journal_path, read_history, still_running
from harness.results.journal_lines import History
from harness.results.next_commands import resume_command
from harness.results.store import Store
from harness.resuming.left import successors
from harness.resuming.the_only_one import the_only_one
from harness.sandbox.policy import SandboxPolicy


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """A grade that can go on, and what was asked for."""

    history: History
    request: GradeRequest
    policy: SandboxPolicy

    @property
    def grade_id(self) -> str:
        """Of the grade that stopped."""
        return self.history.grade_id

    @property
    def sandbox(self) -> str:
        """The name of its sandbox."""
        return self.history.asked.provenance.sandbox


def find_resumable(store: Store, grade_id: str | None) -> Resumable:
    """This grade; where none is named the only one that was killed, interrupted, or stopped by no fault of its entry.

    Raises: UsageError where it can only be graded again, or where it must be named; ResumeRefused, also where it is
    still running; StoreFailed.
    """
    grade_id = grade_id or the_only_one(store)
    history = read_history(store, grade_id)
    check_idle(store, grade_id)
    check_possible(store, history)
    try:
        return Resumable(
            history=history,
            request=from_plain(GradeRequest, history.asked.request),
            policy=from_plain(SandboxPolicy, history.asked.policy),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResumeRefused(
            f"the journal of {grade_id} asks for a grade that this wmc does not know: {error!r}",
            code="resume.other_version",
            fix=f"resume it with the wmc that began it, or {give_up(store, grade_id)}",
        ) from error


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
    after = successors(store)
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


def _has_ended(message: str) -> UsageError:
    return UsageError(
        message,
        code="usage.resume",
        fix="leave it; `wmc grade ZIP --data DIR` grades the same entry once more",
    )
