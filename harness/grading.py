"""The whole grade: a zip becomes an entry, a built volume, a gated run per regime, scores, and one record.

This is the only module that knows the order of the stages. Each hands a value to the next; nothing flows back.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from harness.data.clips import clip_sha256
from harness.data.windows import Schedule
from harness.errors import GuestFailed, UsageError
from harness.exam import Exam, Result, examine, set_exam
from harness.intake.archive import open_archive
from harness.intake.manifest import EntryManifest
from harness.progress import Progress
from harness.protocol.conversation import GATE_VERSION, Conversation, Limits
from harness.protocol.gate import open_gate
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.record import Record
from harness.results.report import EntryFacts, GradeReport, Provenance, RegimeReport
from harness.results.store import Store
from harness.results.version import git_commit, harness_version
from harness.sandbox.contract import BuiltEntry, Guest, Sandbox
from harness.spec import CHALLENGE

_END_PATIENCE_S = 2.0  # a closed socket is seen before the process behind it is gone
_POLL_S = 0.05


@dataclass(frozen=True, kw_only=True)
class GradeRequest:
    """What to grade, on what, and how.

    Attributes:
        submission: the zip.
        data: the held-out clip's folder.
        regimes: empty for every regime the entry can be graded in.
        seed: orders the windows, draws warm-up, probe and bootstrap.
        max_windows: grade only the first so many, for a quick check; None for all.
    """

    submission: Path
    data: Path
    regimes: tuple[Regime, ...] = ()
    schedule: Schedule = Schedule.DISJOINT
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    max_windows: int | None = None


def grade(request: GradeRequest, *, sandbox: Sandbox, store: Store, progress: Progress) -> GradeReport:
    """Grade one submission; its record, scored or failed, is in the store when this returns or raises.

    Raises: an interruption, a bug of ours (both recorded first), and StoreFailed when the record cannot be kept.
    """
    record = Record(provenance=_provenance(request, sandbox))
    logs = store.grade_folder(record.grade_id)
    with record.kept_in(store), tempfile.TemporaryDirectory(prefix="wmc-") as scratch:
        with progress.step(f"checking {request.data}"), record.timed("data"):
            exam = set_exam(request.data, request.schedule, request.seed, max_windows=request.max_windows)
            record.learn(data_name=request.data.resolve().name, data_sha256=clip_sha256(exam.clip))
            record.learn(order_leaks=exam.order_leaks)
        with progress.step(f"opening {request.submission}"), record.timed("intake"):
            entry = open_archive(request.submission, Path(scratch) / "entry")
            record.learn(submission_sha256=entry.sha256)
            record.entry = _facts(entry.manifest)
            regimes = _regimes(request, entry.manifest)
        with record.timed("build"):
            built = sandbox.build(
                entry.folder,
                entry_sha256=entry.sha256,
                grade_id=record.grade_id,
                log=logs / "build.log",
                progress=progress,
            )
            record.learn(
                entry_tree_sha256=built.tree_sha256,
                entry_bytes=built.size_bytes,
                entry_files=built.num_files,
                build_s=built.build_seconds,
                base_image=built.base_image,
            )
        for regime in regimes:
            with record.timed(regime.value):
                result = _run(
                    regime,
                    exam,
                    built,
                    request.limits,
                    sandbox,
                    record.grade_id,
                    logs / f"{regime.value}.log",
                    progress,
                )
                _note_causal_mismatch(result, entry.manifest, progress)
                record.regimes[regime] = _keep(result, exam, store, record.grade_id)
                record.learn(sandbox_details=sandbox.details)
    return record.report


def _provenance(request: GradeRequest, sandbox: Sandbox) -> Provenance:
    return Provenance(
        harness_version=harness_version(),
        git_commit=git_commit(),
        spec_version=CHALLENGE.version,
        gate_version=GATE_VERSION,
        seed=request.seed,
        schedule=request.schedule.value,
        sandbox=sandbox.name,
        sandbox_details=sandbox.details,
        limits=asdict(request.limits),
        max_windows=request.max_windows,
    )


def _facts(manifest: EntryManifest) -> EntryFacts:
    """What the record repeats of a manifest; the e-mail address stays in the zip."""
    return EntryFacts(
        user_name=manifest.user_name,
        entry_name=manifest.entry_name,
        description=manifest.description,
        training_flops=manifest.training_flops,
        external_data=manifest.external_data,
        claimed_val_loss=manifest.claimed_val_loss,
        causal=manifest.causal,
        email_sha256=hashlib.sha256(manifest.email.lower().encode()).hexdigest(),
    )


def _regimes(request: GradeRequest, manifest: EntryManifest) -> list[Regime]:
    """The asked-for regimes, least disclosing first."""
    possible = [
        regime for regime in DISCLOSURE_ORDER if manifest.causal or regime is not Regime.FULLY_TEACHER_FORCED
    ]
    if impossible := set(request.regimes) - set(possible):
        raise UsageError(
            f"the entry cannot be graded {impossible.pop().value}: its wmc.toml does not declare causal = true",
            code="usage.not_causal",
            fix="leave that --regime out, or grade an entry that predicts token by token",
        )
    return [regime for regime in possible if not request.regimes or regime in request.regimes]


def _run(
    regime: Regime,
    exam: Exam,
    built: BuiltEntry,
    limits: Limits,
    sandbox: Sandbox,
    grade_id: str,
    log: Path,
    progress: Progress,
) -> Result:
    """One regime in a sandbox of its own."""
    ready_by = time.monotonic() + limits.start_s
    try:
        with (
            open_gate(exam.gate_metadata(regime)) as gate,
            sandbox.run(built, grade_id=grade_id, gate=gate.folder, log=log) as guest,
        ):
            try:
                with gate.accept(ready_by=ready_by, how_it_ended=guest.how_it_ended) as channel:
                    conversation = Conversation(channel=channel, regime=regime, limits=limits)
                    return examine(conversation, exam, ready_by=ready_by, progress=progress)
            except GuestFailed as error:
                raise _with_its_end(error, guest, regime) from error
    except GuestFailed as error:
        if error.guest_words:
            with log.open("a", encoding="utf-8") as file:
                file.write(f"\n[wmc] the entry reported: {error.guest_words}\n")
        raise


def _note_causal_mismatch(result: Result, manifest: EntryManifest, progress: Progress) -> None:
    if result.terms.causal and not manifest.causal:
        progress.note("the predictor says causal = True, wmc.toml does not: it is not graded token by token")


def _with_its_end(error: GuestFailed, guest: Guest, regime: Regime) -> GuestFailed:
    """The same error, once the guest has had time to print why; a gate that was closed also says how it ended."""
    if error.code not in {"guest.closed", "guest.exception"}:
        return error
    patience_ends = time.monotonic() + _END_PATIENCE_S
    while (ended := guest.how_it_ended()) is None and time.monotonic() < patience_ends:
        time.sleep(_POLL_S)
    if ended is None or error.code == "guest.exception":
        return error
    return GuestFailed(f"evaluate.py {ended} during {regime.value}", code=error.code, fix=error.fix)


def _keep(result: Result, exam: Exam, store: Store, grade_id: str) -> RegimeReport:
    """The regime's numbers, its tokens and nats kept beside them."""
    tokens_file, tokens_sha256 = store.save_tokens(
        grade_id,
        result.regime.value,
        nats_BTHW=result.sheet.nats_BTHW,
        tokens_BTHW=result.sheet.tokens_BTHW,
        starts_B=exam.truth.starts,
    )
    median_s, p95_s = np.quantile(result.timing.replies_s, [0.5, 0.95]).tolist()
    return RegimeReport(
        loss=result.scores.loss,
        loss_ci=result.scores.loss_ci,
        token_accuracy=result.scores.token_accuracy,
        loss_by_frame=result.scores.loss_by_frame,
        first_frame=result.regime.first_target(),
        windows=result.scores.windows,
        seconds_per_frame=result.timing.seconds_per_frame,
        reply_s_median=median_s,
        reply_s_p95=p95_s,
        batch=result.batch,
        logits_dtype=result.terms.logits_dtype,
        state_probe=result.state_probe,
        tokens_file=tokens_file,
        tokens_sha256=tokens_sha256,
    )
