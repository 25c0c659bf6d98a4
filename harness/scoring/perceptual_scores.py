"""What a regime's pictures are worth: one metric's means over windows and frames, and over several draws.

Axes: K draws, B windows, T predicted frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.scoring.bootstrap import mean_interval


@dataclass(frozen=True, kw_only=True)
class Score:
    """One metric of one draw.

    Attributes:
        mean: over windows and frames.
        ci: its 95% bootstrap interval, clustered by window.
        by_frame: means over windows, per predicted frame in order.
    """

    mean: float
    ci: tuple[float, float]
    by_frame: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class SampledScore:
    """One metric of several draws; `*_ci` and `*_by_frame` as in `Score`.

    Attributes:
        mean: over draws, windows and frames.
        best_of_k: of each window the draw whose mean over frames is best; then the mean over windows. It flatters
            an entry the more, the more draws there are, and is compared only at the same number of them.
    """

    mean: float
    mean_ci: tuple[float, float]
    mean_by_frame: tuple[float, ...]
    best_of_k: float
    best_of_k_ci: tuple[float, float]
    best_of_k_by_frame: tuple[float, ...]


def score(values_BT: NDArray[np.float64], seed: tuple[int, ...]) -> Score:
    """The score of one draw; the same seed resamples the same windows for every metric."""
    values_B = values_BT.mean(axis=1)
    return Score(
        mean=float(values_B.mean()),
        ci=mean_interval(values_B, np.random.default_rng(seed)),
        by_frame=tuple(values_BT.mean(axis=0).tolist()),
    )


def sampled_score(
    values_KBT: NDArray[np.float64], seed: tuple[int, ...], *, higher_is_better: bool
) -> SampledScore:
    """The mean over draws, and the best of them window by window."""
    means_KB = values_KBT.mean(axis=2)
    best_B = means_KB.argmax(axis=0) if higher_is_better else means_KB.argmin(axis=0)
    mean = score(values_KBT.mean(axis=0), seed)
    best = score(values_KBT[best_B, np.arange(len(best_B))], seed)
    return SampledScore(
        mean=mean.mean,
        mean_ci=mean.ci,
        mean_by_frame=mean.by_frame,
        best_of_k=best.mean,
        best_of_k_ci=best.ci,
        best_of_k_by_frame=best.by_frame,
    )
