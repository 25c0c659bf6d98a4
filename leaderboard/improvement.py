"""Whether one grade is better than another by more than what its entrant's many tries make of noise."""

from __future__ import annotations

import hashlib
from statistics import NormalDist

import numpy as np

from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport
from harness.scoring.bootstrap import CONFIDENCE, paired_low
from harness.scoring.perceptual import Metric
from leaderboard.figures import COARSE
from leaderboard.measured import measured
from leaderboard.tracks import IMAGINED, RANKED_BY

ERROR = 0.05
"""The chance that any of an entrant's tries on one data set is announced for nothing, however many there are."""


def improves_loss(best: GradeReport, new: GradeReport, comparison: int) -> bool:
    """Whether the loss of `new` beats the announced one by a visible step, and by more than noise.

    Window by window where both records have them; else `new` has to beat the interval of the announced loss, widened.
    `comparison` counts the entrant's tries from 1 on: their chances of an improvement by luck,
    `ERROR` / (n (n + 1)) for the n-th, add up to less than `ERROR` however many there are.
    """
    one, other = best.regimes[RANKED_BY], new.regimes[RANKED_BY]
    if one is None or other is None or one.loss - other.loss < COARSE.step:
        return False
    old_B, new_B = np.array(one.loss_by_window), np.array(other.loss_by_window)
    if not len(old_B) or len(old_B) != len(new_B):
        return other.loss < _low_end(one.loss, one.loss_ci[0], comparison)
    return paired_low(old_B, new_B, _rng(one, other), chance=_chance(comparison)) > 0


def improves_lpips(best: GradeReport, new: GradeReport, comparison: int) -> bool:
    """The same of LPIPS, of which no record has single windows: `new` has to beat the announced interval, which gets
    wider with every try."""
    one, other = (
        measured(best.regimes[IMAGINED], Metric.LPIPS),
        measured(new.regimes[IMAGINED], Metric.LPIPS),
    )
    if one is None or other is None:
        return False
    return one.mean - other.mean >= COARSE.lpips_step and other.mean < _low_end(
        one.mean, one.ci[0], comparison
    )


def _chance(comparison: int) -> float:
    return ERROR / (comparison * (comparison + 1))


def _low_end(mean: float, low: float, comparison: int) -> float:
    """The lower end of a 95% interval, moved out as far as a normal one would be for this try's chance."""
    normal = NormalDist()
    return mean - (mean - low) * normal.inv_cdf(_chance(comparison)) / normal.inv_cdf((1 - CONFIDENCE) / 2)


def _rng(*results: RegimeReport) -> np.random.Generator:
    """The same draws for the same two grades, whoever publishes them and when."""
    text = "".join(result.tokens_sha256 for result in results)
    return np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))
