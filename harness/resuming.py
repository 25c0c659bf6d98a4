"""`wmc grade --resume`: what a killed or interrupted harness left is finished, from its journal.

A regime that is finished is not run again: its figures and files are taken as they are. Whatever else the journal names
is looked at anew, and where it is not what it was, nothing is resumed and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.disk import scratch
from harness.earlier import BUILT, Earlier, give_up
from harness.errors import Blame, ResumeRefused, UsageError, WmcError
from harness.grading import Ready, answer, prepare, provenance_of
from harness.plain import from_plain
from harness.progress import Progress
from harness.request import GradeRequest
from harness.results.journal import Journal, begin, read_history, reopen
from harness.results.journal_lines import GivenUp, History, Resumed
from harness.results.moment import now
from harness.results.next_commands import resume_command
from harness.results.record import Record, new_grade_id
from harness.results.report import Failure, GradeReport
from harness.results.store import Store
from harness.resumable import LOST, check_idle, check_possible, the_only_one
from harness.sandbox.contract import Sandbox
from harness.sandbox.policy import SandboxPolicy
from harness.stages import Stages

OpenSandbox = Callable[[str, SandboxPolicy], Sandbox]
"""Opens the sandbox of this name."""


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


def resume(found: Resumable, *, store: Store, open_sandbox: OpenSandbox, progress: Progress) -> GradeReport:
    """Finish this grade; its one record is in the store when this returns or raises, unless it cannot be resumed.

    A grade that has its record, of a failure of ours, is left as it is: its finished regimes go into a new one.

    Raises: what keeps it from being resumed, and then the store is as it was; after that as `grade` does.
    """
    _check_there(store, found)
    with ExitStack() as stack:
        journal = stack.enter_context(reopen(store, found.grade_id))
        check_possible(store, journal.history)  # once more: now nobody else can finish it
        earlier = Earlier(history=journal.history, store=store, known_as=found.grade_id)
        earlier.check_files()
        sandbox = open_sandbox(found.sandbox, found.policy)
        provenance = provenance_of(found.request, sandbox)
        earlier.check_version(provenance)
        earlier.check_sandbox(provenance)
        for line in earlier.changes(sandbox.details):
            progress.note(line)
        if found.grade_id in store.grade_ids():
            journal = stack.enter_context(_taken_over(journal.history, store))
        return _go_on(found.request, journal, sandbox, store, progress, known_as=found.grade_id)


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


def _check_there(store: Store, found: Resumable) -> None:
    """Raises: ResumeRefused where what it began with does not lie there any more."""
    request = found.request
    places = (
        ("zip", request.submission, ("ZIP",)),
        ("graded clip", request.data, ("--data", "DIR")),
        ("training clip", request.train, ("--train", "DIR")),
    )
    for what, path, words in places:
        if path and not path.exists():
            raise ResumeRefused(
                f"the {what} of grade {found.grade_id} is not at {path} any more",
                code="resume.moved",
                fix="put it back there, or say where it is, as below; or " + give_up(store, found.grade_id),
                command=resume_command(store, found.grade_id, *words),
            )


@contextmanager
def _taken_over(history: History, store: Store) -> Iterator[Journal]:
    """The journal of a new grade that begins with what this one finished."""
    asked = replace(
        history.asked,
        grade_id=new_grade_id(),
        begun_at=now(),
        provenance=replace(history.asked.provenance, resumed_from=history.grade_id, resumes=history.resumes),
    )
    with begin(store, asked) as journal:
        for stage in history.stages:
            journal.write(replace(history.learned, stage=stage))
        for finished in history.finished.values():
            journal.write(finished)
        yield journal


def _go_on(
    request: GradeRequest,
    journal: Journal,
    sandbox: Sandbox,
    store: Store,
    progress: Progress,
    *,
    known_as: str,
) -> GradeReport:
    history = journal.history
    provenance = replace(
        provenance_of(request, sandbox),
        resumed_from=history.asked.provenance.resumed_from,
        resumes=history.resumes + 1,
    )
    earlier = Earlier(history=history, store=store, known_as=known_as)
    record = Record(
        grade_id=history.grade_id,
        provenance=provenance,
        durations_s=dict(history.durations_s),
        sandboxes_before=earlier.sandboxes,
    )
    record.ran_in(sandbox.details)
    stages = Stages(
        request=request,
        sandbox=sandbox,
        store=store,
        progress=progress,
        record=record,
        journal=journal,
    )
    with ExitStack() as admission, scratch.folder("grade") as folder:
        try:
            ready = _prepared(stages, folder, admission, earlier)
        except BaseException:
            if known_as != history.grade_id:
                journal.withdraw()
            raise
        with record.kept_in(store, journal):
            if isinstance(ready, WmcError):
                raise ready
            answer(stages, ready, earlier=earlier)
    return record.report


def _prepared(stages: Stages, folder: Path, admission: ExitStack, earlier: Earlier) -> Ready | WmcError:
    """Everything before the next answer, or the entry's own error that ends its grade.

    Raises: ResumeRefused where something is not as it was; everything that is not the entry's.
    """
    journal = stages.journal
    try:
        ready = prepare(stages, folder, admission, earlier=earlier)
    except WmcError as error:
        if error.blame is not Blame.ENTRY:
            raise
        if BUILT in journal.history.stages:
            raise ResumeRefused(
                f"the entry was built before, and now it cannot be: {error.message}",
                code="resume.other_build",
                fix=f"bring back what build.sh needs, or {give_up(stages.store, earlier.known_as)}",
            ) from error
        return error
    journal.write(Resumed(at=now(), sandbox_details=stages.sandbox.details))
    return ready
