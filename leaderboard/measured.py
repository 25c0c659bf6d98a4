"""One metric of one regime's pictures as the page shows it: the mean, and for several draws the best of them too."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.regime_report import RegimeReport
from harness.scoring.perceptual import Metric
from harness.scoring.perceptual_scores import SampledScore


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric's mean over windows, frames and draws.

    Attributes:
        mean, ci, by_frame: of all draws together where there were several, else of the one.
        draws: how many there were.
        best_of_k, best_of_k_ci, best_of_k_by_frame: of the best draw of each window; None where there was one draw.
    """

    mean: float
    ci: tuple[float, float]
    by_frame: tuple[float, ...]
    draws: int = 1
    best_of_k: float | None = None
    best_of_k_ci: tuple[float, float] | None = None
    best_of_k_by_frame: tuple[float, ...] | None = None


def measured(result: RegimeReport | None, metric: Metric) -> Measured | None:
    """What is known of `metric`; None where it was not measured."""
    if result is None:
        return None
    sampled: SampledScore | None = getattr(result.samples, metric.value, None)
    if result.samples and sampled:
        return Measured(
            mean=sampled.mean,
            ci=sampled.mean_ci,
            by_frame=sampled.mean_by_frame,
            draws=result.samples.draws,
            best_of_k=sampled.best_of_k,
            best_of_k_ci=sampled.best_of_k_ci,
            best_of_k_by_frame=sampled.best_of_k_by_frame,
        )
    mean: float | None = getattr(result, metric.value)
    ci: tuple[float, float] | None = getattr(result, f"{metric.value}_ci")
    by_frame: tuple[float, ...] | None = getattr(result, f"{metric.value}_by_frame")
    if mean is None or ci is None or by_frame is None:
        return None
    return Measured(mean=mean, ci=ci, by_frame=by_frame)


def has_pictures(result: RegimeReport | None) -> bool:
    """Whether any metric of its pictures was measured."""
    return any(measured(result, metric) for metric in Metric)
