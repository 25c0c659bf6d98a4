"""`wmc verify GRADE`: every figure of a record that what was kept can give again, and why not of the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.copying.copy_check import open_copy_check
from harness.disk import scratch
from harness.disk.digests import file_sha256
from harness.errors import StoreFailed
from harness.exam import SCORING_VERSION, Exam
from harness.progress import Progress
from harness.protocol.regimes import Regime
from harness.recomputing.rejudging import judged_again
from harness.recomputing.rescoring import (
    Answers,
    exam_of,
    kept_answers,
    kept_open_answers,
    rescored,
    rescored_open,
)
from harness.results.artifacts import artifacts_of, read_artifact
from harness.results.audit import check_records
from harness.results.checks import Check, Outcome, compared, different, unchecked
from harness.results.record import Record
from harness.results.regime_report import RegimeReport
from harness.results.report import SCORED_AS, GradeReport, OpenRun, Rescored
from harness.results.signing import wrong_signature
from harness.results.store import Store
from harness.retrieval.panel import read_panel
from harness.retrieval.report import COPIES_IN, RetrievalReport
from harness.retrieval.verdict import Findings, judge

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

NATS_TOLERANCE = 2.0**-23
"""Kept nats are float32, off by at most one part in 2^24; sums of them and quantiles of such sums are no further off,
for they are never negative. Twice that leaves room for the order in which float64 adds."""

RETRIEVAL_TOLERANCE = 1e-6
"""The host's own references are float32, and another machine's logarithm may differ in the last of its 24 bits."""

_MEASURED = ("delta", "delta_ci", "delta_by_window", "path_share", "near_duplicates", "sources", "thresholds",
             "references")  # fmt: skip
_JUDGED = ("verdict", "windows_flagged", "windows_p")


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a verifier has besides the store; without a part, what depends on it is not checked.

    Attributes:
        data: the folder of the graded clip.
        train: the folder of the training clip.
        panel: the file of the panel that judged, None for the store's own.
        key: of whoever signs records.
    """

    data: Path | None = None
    train: Path | None = None
    panel: Path | None = None
    key: Ed25519PublicKey | None = None


def verify_grade(store: Store, grade_id: str, means: Means, *, progress: Progress) -> list[Check]:
    """Every check of one record, its place in the chain included; nothing is written.

    Raises: StoreFailed where there is no such grade; UsageError where `means` are of another one.
    """
    report = store.report(grade_id)
    exam = exam_of(report, means.data) if means.data else None
    checks = check_records(store)
    checks += _signature(store, grade_id, means)
    with progress.step("checking files"):
        checks += _files(store, report)
    if report.failure:
        return [*checks, unchecked("figures", f"there are none: the grade failed ({report.failure.code})")]
    for regime, result in report.regimes.items():
        if result:
            with progress.step(f"{regime.in_words}: scoring again"):
                checks += _regime(store, report, regime, result, exam)
    if report.open_run:
        checks += _open_run(store, report, report.open_run, exam)
    if report.retrieval:
        checks += _retrieval(store, report, report.retrieval, means, exam, progress)
    return checks


def _signature(store: Store, grade_id: str, means: Means) -> Iterator[Check]:
    if means.key:
        wrong = wrong_signature(store, grade_id, store.row(grade_id).sha256, means.key)
        outcome = Outcome.DIFFERENT if wrong else Outcome.SAME
        yield Check(what="signature", outcome=outcome, detail=wrong or "of this record and those before it")


def _files(store: Store, report: GradeReport) -> Iterator[Check]:
    named, lost = artifacts_of(report), 0
    for artifact in named:
        try:
            read_artifact(store.folder, artifact)
        except StoreFailed as error:
            lost += 1
            yield different("files", error.message)
    if not lost:
        yield Check(what="files", outcome=Outcome.SAME, detail=f"{len(named)}")


def _regime(
    store: Store, report: GradeReport, regime: Regime, result: RegimeReport, exam: Exam | None
) -> Iterator[Check]:
    """The figures of one regime."""
    name = regime.in_words
    try:
        answers = kept_answers(result, regime, store.folder)
        truth = exam.truth if exam else None
        again = rescored(result, regime, answers, seed=report.provenance.seed, truth=truth)
    except StoreFailed as error:
        yield different(name, error.message)
        return
    yield compared(f"{name}: first frame", result.first_frame, regime.first_target())
    cut_off = sum(each.cut_off for each in answers)
    yield from _losses(name, report, result, again, cut_off=cut_off)
    if result.samples and again.samples and not cut_off:
        one, other = result.samples.loss_mean, again.samples.loss_mean
        yield compared(f"{name}: loss over draws", one, other, tolerance=NATS_TOLERANCE)
    if exam:
        yield from _accuracies(name, result, again)
    else:
        yield unchecked(f"{name}: accuracy", "needs the graded clip: --data")
    yield unchecked(f"{name}: state probe, timing", "a second serving and a clock leave nothing behind")
    if result.psnr is not None or result.lpips is not None or result.ssim is not None:
        yield unchecked(f"{name}: pictures", "kept ones have their digests; their metrics need the codec")


def _open_run(store: Store, report: GradeReport, found: OpenRun, exam: Exam | None) -> Iterator[Check]:
    """What a program of the open protocol said, and the figures of the logits that it saved."""
    name = "open protocol"
    yield unchecked(
        f"{name}: self-reported figures", "the entry printed them: nothing can compute them again"
    )
    result = found.rescored
    if result is None:
        return
    truth = exam.truth if exam else None
    try:
        answers = kept_open_answers(result, SCORED_AS, store.folder)
        again = rescored_open(result, SCORED_AS, answers, seed=report.provenance.seed, truth=truth)
    except StoreFailed as error:
        yield different(name, error.message)
        return
    yield from _losses(name, report, result, again, cut_off=answers.cut_off)
    if exam:
        yield compared(f"{name}: accuracy", result.token_accuracy, again.token_accuracy, tolerance=1e-12)
    else:
        yield unchecked(f"{name}: accuracy", "needs the graded clip: --data")


def _losses(
    name: str,
    report: GradeReport,
    result: RegimeReport | Rescored,
    again: RegimeReport | Rescored,
    *,
    cut_off: int,
) -> Iterator[Check]:
    if cut_off:
        yield unchecked(f"{name}: losses", f"{cut_off} tokens cost more nats than float32 holds")
        return
    yield compared(f"{name}: loss", result.loss, again.loss, tolerance=NATS_TOLERANCE)
    if report.provenance.scoring_version == SCORING_VERSION:
        yield compared(f"{name}: interval", result.loss_ci, again.loss_ci, tolerance=NATS_TOLERANCE)
    else:
        scoring = report.provenance.scoring_version
        yield unchecked(
            f"{name}: interval", f"drawn by scoring {scoring}, this is {SCORING_VERSION}: wmc regrade"
        )
    yield compared(
        f"{name}: loss by frame", result.loss_by_frame, again.loss_by_frame, tolerance=NATS_TOLERANCE
    )
    if isinstance(result, RegimeReport) and isinstance(again, RegimeReport) and result.loss_by_window:
        kept, found = result.loss_by_window, again.loss_by_window
        yield compared(f"{name}: loss by window", kept, found, tolerance=NATS_TOLERANCE)


def _accuracies(name: str, result: RegimeReport, again: RegimeReport) -> Iterator[Check]:
    """Means of zeros and ones, in which only the order of adding could differ."""
    yield compared(f"{name}: accuracy", result.token_accuracy, again.token_accuracy, tolerance=1e-12)
    if result.samples and again.samples:
        one, other = result.samples.token_accuracy_mean, again.samples.token_accuracy_mean
        yield compared(f"{name}: accuracy over draws", one, other, tolerance=1e-12)


def _retrieval(
    store: Store,
    report: GradeReport,
    kept: RetrievalReport,
    means: Means,
    exam: Exam | None,
    progress: Progress,
) -> Iterator[Check]:
    """The retrieval check: its verdict from its figures, and its figures from the evidence."""
    name = "retrieval check"
    if kept.delta is None or kept.delta_ci is None:
        yield unchecked(name, kept.missing or "it has no statistics")
        return
    judgement = judge(_findings(kept, kept.delta, kept.delta_ci), kept.thresholds)
    for field in _JUDGED:
        yield compared(f"{name}: {field}", getattr(kept, field), getattr(judgement, field), tolerance=1e-9)
    yield unchecked(f"{name}: train gap, files", "need the entry itself")
    if means.train is None or exam is None:
        yield unchecked(f"{name}: figures", "need both clips: --data and --train")
        return
    try:
        again = _judged_again(store, report, kept, means.train, means.panel, exam, progress)
    except StoreFailed as error:
        yield different(f"{name}: figures", error.message)
        return
    if isinstance(again, str):
        yield unchecked(f"{name}: figures", again)
        return
    for field in _MEASURED:
        one, other = getattr(kept, field), getattr(again, field)
        yield compared(f"{name}: {field}", one, other, tolerance=RETRIEVAL_TOLERANCE)


def _judged_again(
    store: Store,
    report: GradeReport,
    kept: RetrievalReport,
    train: Path,
    panel: Path | None,
    exam: Exam,
    progress: Progress,
) -> RetrievalReport | str:
    """The report again, or why that cannot be. What other grades keep for themselves is found anew, not trusted."""
    result = report.regimes[COPIES_IN]
    if result is None:
        return "the regime that it listens in on was not graded"
    panel_file = panel or store.panel_file
    if kept.panel_sha256 and _sha256_of(panel_file) != kept.panel_sha256:
        return f"{panel_file} is not the panel that judged (sha256 {kept.panel_sha256}): name it with --panel"
    with scratch.folder("verify") as folder:
        check = open_copy_check(
            train,
            exam,
            data_sha256=str(report.provenance.data_sha256),
            panel=None,
            store=Store(folder),
            progress=progress,
        )
        check = replace(
            check, store=_Unwritten(store.folder), panel=read_panel(panel_file) if kept.panel_sha256 else None
        )
        answers: Answers = kept_answers(result, COPIES_IN, store.folder)[0]
        record = Record(provenance=report.provenance, grade_id=report.grade_id)
        return judged_again(kept, answers, check, record, store=store)


class _Unwritten(Store):
    """A store that is read and in which nothing is kept."""

    def save_artifact(self, grade_id: str, name: str, content: bytes) -> tuple[str, str]:
        """Where it would be, and its digest."""
        return f"grades/{grade_id}/{name}", hashlib.sha256(content).hexdigest()


def _sha256_of(path: Path) -> str | None:
    try:
        return file_sha256(path)
    except OSError:
        return None


def _findings(kept: RetrievalReport, delta: float, delta_ci: tuple[float, float]) -> Findings:
    return Findings(
        delta=delta,
        delta_ci=delta_ci,
        delta_by_window=kept.delta_by_window,
        train_gap=kept.train_gap,
        gap_failure=kept.gap_failure,
        near_duplicates=kept.near_duplicates,
        entry_scan=kept.entry_scan,
    )
