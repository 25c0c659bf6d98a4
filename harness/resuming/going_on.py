"""`wmc grade --resume`: what a killed or interrupted harness left is finished, from its journal.

A regime that is finished is not run again: its figures and files are taken as they are. Whatever else the journal names
is looked at anew, and where it is not what it was, nothing is resumed and nothing is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.disk import scratch
from harness.earlier import BUILT, Earlier, give_up
from harness.errors import Blame, ResumeRefused, WmcError
from harness.grading import Ready, answer, prepare, provenance_of
from harness.progress import Progress
from harness.request import GradeRequest
from harness.results.journal import Journal, begin, reopen
from harness.results.journal_lines import History, Resumed
from harness.results.moment import now
from harness.results.record import Record, new_grade_id
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.resuming.as_it_was import changes, check_sandbox, check_there, check_version
from harness.resuming.resumable import Resumable, check_possible
from harness.sandbox.contract import Sandbox
from harness.sandbox.policy import SandboxPolicy
from harness.stages import Stages

OpenSandbox = Callable[[str, SandboxPolicy], Sandbox]
"""Opens the sandbox of this name."""


def resume(found: Resumable, *, store: Store, open_sandbox: OpenSandbox, progress: Progress) -> GradeReport:
    """Finish this grade; its one record is in the store when this returns or raises, unless it cannot be resumed.

    A grade that has its record, of a failure of ours, is left as it is: its finished regimes go into a new one.

    Raises: what keeps it from being resumed, and then the store is as it was; after that as `grade` does.
    """
    check_there(store, found)
    with ExitStack() as stack:
        journal = stack.enter_context(reopen(store, found.grade_id))
        check_possible(store, journal.history)  # once more: now nobody else can finish it
        earlier = Earlier(history=journal.history, store=store, known_as=found.grade_id)
        earlier.check_files()
        sandbox = open_sandbox(found.sandbox, found.policy)
        provenance = provenance_of(found.request, sandbox)
        check_version(earlier, provenance)
        check_sandbox(earlier, provenance)
        for line in changes(earlier, sandbox.details):
            progress.note(line)
        if found.grade_id in store.grade_ids():
            journal = stack.enter_context(_taken_over(journal.history, store))
        return _go_on(found.request, journal, sandbox, store, progress, known_as=found.grade_id)


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
