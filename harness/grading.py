"""The whole grade: a zip becomes an entry, a built volume, a gated run per regime, scores, and one record.

This is the only module that knows the order of the stages. Each hands a value to the next; nothing flows back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.copying.copy_check import CopyCheck
from harness.disk import scratch
from harness.earlier import BUILT, Earlier
from harness.exam import Exam, Predicted
from harness.intake.archive import Entry
from harness.plain import to_plain
from harness.progress import Progress
from harness.protocol.host import Sink
from harness.protocol.regimes import Regime
from harness.provenance import first_provenance
from harness.request import GradeRequest
from harness.results.journal import begin
from harness.results.journal_lines import Asked, Learned
from harness.results.moment import now
from harness.results.record import Record, new_grade_id
from harness.results.report import GradeReport, Provenance
from harness.results.store import Store
from harness.sandbox.contract import BuiltEntry, Sandbox
from harness.slips import check_paths
from harness.stages import Stages, nobody


def grade(
    request: GradeRequest,
    *,
    sandbox: Sandbox,
    store: Store,
    progress: Progress,
    listening: Callable[[Regime], Sink | None] = nobody,
    grade_id: str | None = None,
) -> GradeReport:
    """Grade one submission; its record, scored or failed, is in the store when this returns or raises.

    `grade_id` names it, for whoever wants to know what becomes of it however this ends.

    `listening` says who hears each scored prediction of a regime beside us, truth and all: nobody who tells an entrant
    of it, unless the data is the entrant's own.

    Raises: an interruption, a bug of ours (both recorded first), NotAdmitted and UsageError, which leave no record, for
    nothing was graded, and StoreFailed when the record cannot be kept. Once there are scores, an interruption costs
    only what comes after them. A process that is killed leaves a journal, from which `harness.resuming` goes on.
    """
    check_paths(
        store, submission=request.submission, data=request.data, train=request.train, panel=request.panel
    )
    record = Record(grade_id=grade_id or new_grade_id(), provenance=provenance_of(request, sandbox))
    with begin(store, asked_for(request, sandbox, record)) as journal:
        stages = Stages(
            request=request,
            sandbox=sandbox,
            store=store,
            progress=progress,
            record=record,
            journal=journal,
            listening=listening,
        )
        with (
            ExitStack() as admission,  # until its record is kept
            record.kept_in(store, journal),
            scratch.folder("grade") as folder,
        ):
            answer(stages, prepare(stages, folder, admission))
    return record.report


@dataclass(frozen=True, kw_only=True)
class Ready:
    """All that is there before the entry is asked anything."""

    exam: Exam
    check: CopyCheck | None
    entry: Entry
    built: BuiltEntry


def prepare(stages: Stages, folder: Path, admission: ExitStack, *, earlier: Earlier | None = None) -> Ready:
    """Everything before the entry's first answer; it is opened below `folder`, and admitted until that ends.

    Raises: NotAdmitted; ResumeRefused where something is not as it was for an earlier process.
    """
    exam = stages.open_data()
    _write_down(stages, "the data was checked", earlier)
    entry = stages.open_submission(folder / "entry")
    stages.regimes(entry.manifest)  # one that it cannot be graded in is told before anything is written down
    admission.enter_context(stages.admitted(entry))
    _write_down(stages, "the submission was opened", earlier)
    check = stages.prepare_copy_check(exam)
    if check:
        _write_down(stages, "the retrieval check was prepared", earlier, check)
    stages.announce(known_as=earlier.known_as if earlier else None)
    built = stages.build(entry, check=lambda: _compare(stages, BUILT, earlier, check))
    _write_down(stages, BUILT, earlier, check)
    return Ready(exam=exam, check=check, entry=entry, built=built)


def answer(stages: Stages, ready: Ready, *, earlier: Earlier | None = None) -> None:
    """Every regime, and what its answers are worth; those that an earlier process finished are not asked again."""
    exam, check, entry, built = ready.exam, ready.check, ready.entry, ready.built
    predicted = []
    for regime in stages.regimes(entry.manifest):
        if earlier and regime in earlier.finished:
            predicted.append(_predicted_before(stages, earlier, regime, check))
        else:
            result = stages.run(regime, exam, built, check)
            stages.keep(result, exam, check)
            predicted.append(result.predicted)
    with stages.record.scored(stages.progress):
        if check:
            gap = stages.measure_train_gap(check, exam, built)
            scan = stages.scan_files(check, entry, built)
            stages.judge(check, predicted, gap, scan)
        stages.look_at_pictures(check, predicted, exam)


def provenance_of(request: GradeRequest, sandbox: Sandbox) -> Provenance:
    """What is known before anything is looked at."""
    return first_provenance(
        sandbox,
        seed=request.seed,
        schedule=request.schedule,
        limits=request.limits,
        max_windows=request.max_windows,
        samples=request.samples,
    )


def asked_for(request: GradeRequest, sandbox: Sandbox, record: Record) -> Asked:
    """The first line of this grade's journal."""
    return Asked(
        grade_id=record.grade_id,
        begun_at=now(),
        request=to_plain(request.anywhere),
        policy=to_plain(sandbox.policy),
        provenance=record.provenance,
    )


def _predicted_before(stages: Stages, earlier: Earlier, regime: Regime, check: CopyCheck | None) -> Predicted:
    """What the entry predicted before the harness was killed; the figures are the journal's own."""
    stages.record.regimes[regime] = earlier.finished[regime].report
    return earlier.predicted(regime, check)


def _write_down(stages: Stages, stage: str, earlier: Earlier | None, check: CopyCheck | None = None) -> None:
    """Into the journal goes what is known by now, if it is what it was before."""
    learned = _compare(stages, stage, earlier, check)
    if not {stage, BUILT} & {*stages.journal.history.stages}:  # after the build nothing more is learned
        stages.journal.write(learned)


def _compare(stages: Stages, stage: str, earlier: Earlier | None, check: CopyCheck | None) -> Learned:
    """What is known by now. Raises: ResumeRefused where it is not what it was before."""
    record = stages.record
    learned = Learned(
        stage=stage,
        provenance=record.provenance,
        entry=record.entry,
        durations_s=dict(record.durations_s),
        probes=check.digests if check else None,
    )
    if earlier:
        earlier.compare(learned)
    return learned
