"""What an entry's tokens look like: decoded by the clip's codec, and compared with the decoded truth.

All of it comes after the guest is gone: it is on nobody's clock, and what is missing here costs no grade.

Axes: K draws, B windows, T predicted frames, H and W tokens, Y and X pixels, C colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.codec.choose import open_codec
from harness.codec.codec import Codec
from harness.errors import WmcError
from harness.exam import Exam, Predicted
from harness.progress import Progress
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.decoded import decoded_frames
from harness.results.regime_report import RegimeReport
from harness.scoring.perceptual import CANNOT_LOOK, Metric, Metrics, open_metrics, why
from harness.scoring.perceptual_scores import SampledScore, Score, sampled_score, score

SWITCHED_OFF = "pictures were not asked for (--no-pictures)"

_WINDOWS_AT_ONCE = 4  # 60 frames and their truth: 24 MiB


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What one regime's pictures are worth.

    Attributes:
        scores: of the first draw.
        sampled: of all draws; empty where there is one.
        missing: one sentence for each metric that was not measured.
    """

    scores: Mapping[Metric, Score] = field(default_factory=dict)
    sampled: Mapping[Metric, SampledScore] = field(default_factory=dict)
    missing: Mapping[Metric, str] = field(default_factory=dict)


NOT_LOOKED_AT = Pictures(missing=dict.fromkeys(Metric, "pictures were interrupted"))
"""What stands in a record until its pictures were looked at."""


def with_pictures(report: RegimeReport, pictures: Pictures) -> RegimeReport:
    """The same record, with what its pictures are worth and why a metric is missing."""
    measured: dict[str, Any] = {}
    for metric, worth in pictures.scores.items():
        name = metric.value
        measured |= {name: worth.mean, f"{name}_ci": worth.ci, f"{name}_by_frame": worth.by_frame}
    sampled: dict[str, Any] = {metric.value: worth for metric, worth in pictures.sampled.items()}
    return replace(
        report,
        missing_metrics={metric.value: reason for metric, reason in pictures.missing.items()},
        samples=report.samples and replace(report.samples, **sampled),
        **measured,
    )


@dataclass(frozen=True, kw_only=True)
class Blind:
    """Sees nothing, and says why; `error` is what it would have seen with, if that can be mended."""

    reason: str
    error: WmcError | None = None
    facts: Mapping[str, str | None] = field(default_factory=dict)
    codec: None = None

    @property
    def missing(self) -> Mapping[Metric, str]:
        """Every metric."""
        return dict.fromkeys(Metric, self.reason)

    def look(self, predicted: Predicted, exam: Exam, progress: Progress) -> Pictures:  # noqa: ARG002 - at nothing
        """No figure, for this reason."""
        return Pictures(missing=self.missing)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Decodes and compares; `decoded` is the folder where decoded truth is kept."""

    codec: Codec
    metrics: Metrics
    decoded: Path

    @property
    def missing(self) -> Mapping[Metric, str]:
        """Each metric that this machine cannot measure, with the reason."""
        return self.metrics.missing

    @property
    def facts(self) -> Mapping[str, str | None]:
        """What the provenance of a grade says of its pictures."""
        return {
            "codec": self.codec.name,
            "codec_sha256": self.codec.digest,
            "lpips_sha256": self.metrics.lpips_sha256,
        }

    def look(self, predicted: Predicted, exam: Exam, progress: Progress) -> Pictures:
        """The regime's pictures, measured as far as this machine can; nothing here ends a grade that has scores."""
        try:
            values = self._measured(predicted, exam, progress)
        except CANNOT_LOOK as error:
            return Blind(reason=f"decoding or comparing stopped: {why(error)}").look(
                predicted, exam, progress
            )
        missing = dict(self.missing)
        for metric, values_KBT in list(values.items()):
            if wrong := int(np.count_nonzero(~np.isfinite(values_KBT))):
                missing[metric] = f"it is not a finite number for {wrong} of {values_KBT.size} frames"
                del values[metric]
        seed = (exam.seed, DISCLOSURE_ORDER.index(predicted.regime), 1)
        return Pictures(
            scores={metric: score(values_KBT[0], seed) for metric, values_KBT in values.items()},
            sampled={
                metric: sampled_score(values_KBT, seed, higher_is_better=metric.higher_is_better)
                for metric, values_KBT in values.items()
                if len(values_KBT) > 1
            },
            missing=missing,
        )

    def _measured(
        self, predicted: Predicted, exam: Exam, progress: Progress
    ) -> dict[Metric, NDArray[np.float64]]:
        """Every metric of every frame of every draw, `[K,B,T]`; of windows in their own order, not as served."""
        if not self.metrics.compare:
            return {}
        targets = predicted.regime.targets()
        true_BTYXC = self._decoded_truth(exam, progress)[:, -len(targets) :]
        shape = (len(predicted.draws), exam.num_windows, len(targets))
        values = {metric: np.empty(shape) for metric in self.metrics.compare}
        with progress.step(
            f"{predicted.regime.in_words}: looking, frames", total=int(np.prod(shape))
        ) as advance:
            for begin in range(0, exam.num_windows, _WINDOWS_AT_ONCE):
                windows = slice(begin, begin + _WINDOWS_AT_ONCE)
                true_NYXC = np.concatenate(true_BTYXC[windows])
                for draw, tokens_BTHW in enumerate(predicted.draws):
                    images_NYXC = self.codec.decode(np.concatenate(tokens_BTHW[windows]))
                    for metric, compare in self.metrics.compare.items():
                        measured_N = compare(images_NYXC, true_NYXC)
                        values[metric][draw, windows] = measured_N.reshape(-1, len(targets))
                    advance(len(images_NYXC))
        return values

    def _decoded_truth(self, exam: Exam, progress: Progress) -> NDArray[np.uint8]:
        """Every frame that any regime predicts, uint8 `[B,T,Y,X,C]`, mapped from its file."""
        windows_B = np.arange(exam.num_windows)
        targets = Regime.TEMPORALLY_TEACHER_FORCED.targets()
        tokens_BTHW = np.stack([exam.truth.tokens_at(windows_B, t) for t in targets], axis=1)
        images_NYXC = decoded_frames(self.decoded, self.codec, np.concatenate(tokens_BTHW), progress)
        return images_NYXC.reshape(*tokens_BTHW.shape[:2], *images_NYXC.shape[1:])


def open_viewer(
    clip_folder: Path, *, codec: str | None, lpips_weights: Path, decoded: Path, device: str | None = None
) -> Viewer | Blind:
    """Who looks at this clip's tokens, with its own codec or the one at the path `codec`.

    On the GPU where there is one, unless `device` says otherwise.
    """
    try:
        found = open_codec(clip_folder, codec, device=device)
        return Viewer(codec=found, metrics=open_metrics(lpips_weights, device=device), decoded=decoded)
    except WmcError as error:
        return Blind(reason=why(error), error=error)
    except CANNOT_LOOK as error:
        return Blind(reason=f"the codec cannot be opened: {why(error)}")
