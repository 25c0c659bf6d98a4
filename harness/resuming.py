"""`wmc grade --resume`: what a killed or interrupted harness left is finished, from its journal.

A regime that is finished is not run again: its figures and files are taken as they are. Whatever else the journal names
is looked at anew, and where it is not what it was, nothing is resumed and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness import scratch
from harness.earlier import BUILT, Earlier
from harness.errors import Blame, ResumeRefused, UsageError, WmcError
from harness.grading import Ready, answer, prepare, provenance_of
from harness.plain import from_plain
from harness.progress import Progress
from harness.request import GradeRequest
from harness.results.journal import OURS, Journal, begin, read_history, reopen
from harness.results.journal_lines import History, Resumed
from harness.results.moment import now
from harness.results.record import Record, new_grade_id
from harness.results.report import Failure, GradeReport
from harness.results.store import Store
from harness.results.unfinished import unfinished_grades
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
    """This grade; where none is named the only one whose harness was killed.

    Raises: UsageError where it can only be graded again, or where it must be named; ResumeRefused; StoreFailed.
    """
    grade_id = grade_id or _the_only_one(store)
    history = read_history(store, grade_id)
    _check_possible(store, history)
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
            fix="resume it with the wmc that began it, or close it (`wmc grade --abandon`) and grade again",
        ) from error


def resume(found: Resumable, *, store: Store, open_sandbox: OpenSandbox, progress: Progress) -> GradeReport:
    """Finish this grade; its one record is in the store when this returns or raises, unless it cannot be resumed.

    A grade that has its record, of a failure of ours, is left as it is: its finished regimes go into a new one.

    Raises: what keeps it from being resumed, and then the store is as it was; after that as `grade` does.
    """
    with ExitStack() as stack:
        journal = stack.enter_context(reopen(store, found.grade_id))
        _check_possible(store, journal.history)  # once more: now nobody else can finish it
        earlier = Earlier(history=journal.history)
        earlier.check_files(store)
        sandbox = open_sandbox(found.sandbox, found.policy)
        earlier.check_version(provenance_of(found.request, sandbox))
        for line in earlier.changes(sandbox.details):
            progress.note(line)
        if is_recorded := found.grade_id in store.grade_ids():
            journal = stack.enter_context(_taken_over(journal.history, store))
        return _go_on(found.request, journal, sandbox, store, progress, is_new=is_recorded)


def abandon(store: Store, grade_id: str) -> GradeReport:
    """Close a grade that nobody will finish: its one record says that it was lost, by no fault of the entry.

    Raises: UsageError where it has a record; ResumeRefused where it is still running; StoreFailed.
    """
    with reopen(store, grade_id) as journal:
        if grade_id in store.grade_ids():
            raise UsageError(
                f"grade {grade_id} has its record already",
                code="usage.resume",
                fix="leave it: there is nothing to close",
            )
        history = journal.history
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
        journal.write(history.learned)
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
    is_new: bool,
) -> GradeReport:
    history = journal.history
    provenance = replace(
        provenance_of(request, sandbox),
        resumed_from=history.asked.provenance.resumed_from,
        resumes=history.resumes + 1,
    )
    record = Record(grade_id=history.grade_id, provenance=provenance, durations_s=dict(history.durations_s))
    stages = Stages(
        request=request,
        sandbox=sandbox,
        store=store,
        progress=progress,
        record=record,
        journal=journal,
    )
    earlier = Earlier(history=history)
    with ExitStack() as admission, scratch.folder("grade") as folder:
        try:
            ready = _prepared(stages, folder, admission, earlier)
        except BaseException:
            if is_new:
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
                fix="bring back what build.sh needs, or close it (`wmc grade --abandon`) and grade again",
            ) from error
        return error
    journal.write(Resumed(at=now(), sandbox_details=stages.sandbox.details))
    return ready


def _the_only_one(store: Store) -> str:
    found = unfinished_grades(store)
    stopped = [each for each in found if not each.is_running]
    if len(stopped) == 1:
        return stopped[0].grade_id
    if stopped:
        names = "".join(f"\n  {each.in_words}" for each in stopped)
        raise UsageError(
            f"several grades were begun and not finished:{names}",
            code="usage.resume",
            fix="name one of them: `wmc grade --resume GRADE`",
        )
    running = "".join(f"\n  {each.in_words}" for each in found)
    ours = [report.grade_id for report in _every_record(store) if _can_be_taken_over(store, report)]
    raise UsageError(
        f"{store.folder} has no grade that was begun and not finished{running and ':'}{running}",
        code="usage.resume",
        fix=f"name one that failed by no fault of its entry: {', '.join(ours)}"
        if ours
        else "grade again: `wmc grade ZIP --data DIR`",
    )


def _check_possible(store: Store, history: History) -> None:
    """Raises: UsageError where the record of this grade is there to stay, or where nothing was finished."""
    grade_id = history.grade_id
    if grade_id not in store.grade_ids():
        return
    report = store.report(grade_id)
    if report.failure is None:
        raise _nothing_to_resume(f"grade {grade_id} has its record: it is graded")
    if report.failure.blame not in OURS:
        raise _nothing_to_resume(f"grade {grade_id} has its record: it failed ({report.failure.code})")
    if not history.finished:
        raise _nothing_to_resume(f"grade {grade_id} was stopped before a regime was finished")
    if (successor := _successor(store, grade_id)) is not None:
        raise UsageError(
            f"grade {grade_id} was resumed as {successor}",
            code="usage.resume",
            fix=f"if that one is not graded either, resume it: `wmc grade --resume {successor}`",
        )


def _nothing_to_resume(message: str) -> UsageError:
    return UsageError(message, code="usage.resume", fix="grade again: `wmc grade ZIP --data DIR`")


def _can_be_taken_over(store: Store, report: GradeReport) -> bool:
    try:
        _check_possible(store, read_history(store, report.grade_id))
    except WmcError:
        return False
    return True


def _successor(store: Store, grade_id: str) -> str | None:
    """The grade that took over what this one finished; a grade has one at most."""
    for report in _every_record(store):
        if report.provenance.resumed_from == grade_id:
            return report.grade_id
    for each in unfinished_grades(store):
        if each.history and each.history.asked.provenance.resumed_from == grade_id:
            return each.grade_id
    return None


def _every_record(store: Store) -> list[GradeReport]:
    return store.reports() if store.grade_ids() else []
