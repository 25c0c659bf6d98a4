"""A regime's figures once more, from the nats and tokens that its grade kept; nothing is run.

Axes: B graded windows, T predicted frames of a window, H and W tokens.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import clip_sha256
from harness.data.truth import ClipTruth
from harness.data.windows import Schedule
from harness.errors import StoreFailed, UsageError
from harness.exam import Exam, interval_rng, set_exam
from harness.protocol.regimes import Regime
from harness.results.artifacts import Artifact, read_artifact
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport, Rescored
from harness.scoring.sheet import ScoreSheet
from harness.spec import CHALLENGE

LARGEST_KEPT = float(np.finfo(np.float32).max)
"""Nats of a token that are kept exactly as this number may have been more."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one draw of a regime left behind, whole.

    Attributes:
        nats_BTHW: float32, finite and at least 0.
        tokens_BTHW: uint32, as predicted.
        starts_B: int64, the windows' first raw frames.
    """

    nats_BTHW: NDArray[np.float32]
    tokens_BTHW: NDArray[np.uint32]
    starts_B: NDArray[np.int64]

    @property
    def cut_off(self) -> int:
        """Tokens whose loss was too large to be kept."""
        return int(np.count_nonzero(self.nats_BTHW >= LARGEST_KEPT))


def kept_answers(result: RegimeReport, regime: Regime, store: Path) -> tuple[Answers, ...]:
    """The answers of every draw, the first one first.

    Raises: StoreFailed where a file is lost, damaged or partial.
    """
    named = [(result.tokens_file, result.tokens_sha256)]
    if result.samples:
        named = list(zip(result.samples.tokens_files, result.samples.tokens_sha256, strict=True))
    if len(named) != (result.samples.draws if result.samples else 1):
        raise _partial(result.tokens_file, f"{len(named)} of the draws that its record counts")
    return tuple(
        _read(Artifact(file=file, sha256=sha256), store, windows=result.windows, frames=len(regime.targets()))
        for file, sha256 in named
    )


def kept_open_answers(result: Rescored, regime: Regime, store: Path) -> Answers:
    """What an open grade kept of the logits that its entry saved, scored as `regime`.

    Raises: StoreFailed where the file is lost, damaged or partial.
    """
    artifact = Artifact(file=result.tokens_file, sha256=result.tokens_sha256)
    return _read(artifact, store, windows=result.windows, frames=len(regime.targets()))


def exam_of(report: GradeReport, data: Path) -> Exam:
    """The questions of this grade.

    Raises: UsageError where `data` is not the clip it was graded on; DataInvalid.
    """
    asked = report.provenance
    exam = set_exam(
        data, Schedule(asked.schedule), asked.seed, max_windows=asked.max_windows, samples=asked.samples
    )
    if clip_sha256(exam.clip) != asked.data_sha256:
        raise UsageError(
            f"{data} is not the data of {report.grade_id}, which is {asked.data_name} ({asked.data_sha256})",
            code="usage.other_data",
            fix="name the clip that it was graded on in --data, or leave --data out",
        )
    return exam


def rescored(
    result: RegimeReport, regime: Regime, answers: Sequence[Answers], *, seed: int, truth: ClipTruth | None
) -> RegimeReport:
    """The same record with all figures of its answers computed again: losses, and accuracies where truth is given.

    Raises: StoreFailed where the answers are to other windows than `truth` has.
    """
    sheets = [_sheet(each, regime, truth) for each in answers]
    scores = sheets[0].total(interval_rng(seed, regime))
    samples = result.samples
    if samples:
        accuracies = [float(sheet.correct_BTHW.mean()) for sheet in sheets]
        samples = replace(
            samples,
            loss_mean=float(np.mean([sheet.nats_BTHW.mean() for sheet in sheets])),
            token_accuracy_mean=float(np.mean(accuracies)) if truth else samples.token_accuracy_mean,
        )
    return replace(
        result,
        loss=scores.loss,
        loss_ci=scores.loss_ci,
        loss_by_frame=scores.loss_by_frame,
        loss_by_window=tuple(sheets[0].window_losses_B.tolist()),
        token_accuracy=scores.token_accuracy if truth else result.token_accuracy,
        samples=samples,
    )


def rescored_open(
    result: Rescored, regime: Regime, answers: Answers, *, seed: int, truth: ClipTruth | None
) -> Rescored:
    """The same of an open grade. Raises: StoreFailed where the answers are to other windows than `truth` has."""
    scores = _sheet(answers, regime, truth).total(interval_rng(seed, regime))
    return replace(
        result,
        loss=scores.loss,
        loss_ci=scores.loss_ci,
        loss_by_frame=scores.loss_by_frame,
        token_accuracy=scores.token_accuracy if truth else result.token_accuracy,
    )


def _sheet(answers: Answers, regime: Regime, truth: ClipTruth | None) -> ScoreSheet:
    """The sheet as it was when all was recorded, but for what float32 took away; nothing is right without truth."""
    sheet = ScoreSheet(num_windows=len(answers.starts_B), targets=regime.targets())
    sheet.nats_BTHW = answers.nats_BTHW.astype(np.float64)
    sheet.tokens_BTHW = answers.tokens_BTHW
    if truth:
        if not np.array_equal(answers.starts_B, truth.starts):
            raise StoreFailed(
                "the kept answers are to other windows than this version of wmc asks of this data",
                code="store.other_windows",
                fix="use the version of wmc that the record names, or leave --data out",
            )
        windows_B = np.arange(len(truth.starts))
        true_BTHW = np.stack([truth.tokens_at(windows_B, t) for t in regime.targets()], axis=1)
        sheet.correct_BTHW = answers.tokens_BTHW == true_BTHW
    return sheet


def _read(artifact: Artifact, store: Path, *, windows: int, frames: int) -> Answers:
    content = read_artifact(store, artifact)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            nats_BTHW, tokens_BTHW, starts_B = kept["nats"], kept["tokens"], kept["starts"]
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise _partial(artifact.file, f"no answers: {error}") from error
    shape = (windows, frames, CHALLENGE.height, CHALLENGE.width)
    if nats_BTHW.shape != shape or tokens_BTHW.shape != shape or starts_B.shape != shape[:1]:
        raise _partial(artifact.file, f"{nats_BTHW.shape} losses where its record counts {shape}")
    if nats_BTHW.dtype != np.float32 or tokens_BTHW.dtype != np.uint32 or starts_B.dtype != np.int64:
        raise _partial(artifact.file, f"{nats_BTHW.dtype}, {tokens_BTHW.dtype} and {starts_B.dtype}")
    if unscored := int(np.count_nonzero(~(np.isfinite(nats_BTHW) & (nats_BTHW >= 0)))):
        raise _partial(artifact.file, f"{unscored} tokens without a loss")
    return Answers(nats_BTHW=nats_BTHW, tokens_BTHW=tokens_BTHW, starts_B=starts_B)


def _partial(file: str, holds: str) -> StoreFailed:
    return StoreFailed(
        f"{file} holds {holds}: no figure is taken from a part",
        code="store.partial",
        fix="restore the store from a copy, or grade the entry again",
    )
