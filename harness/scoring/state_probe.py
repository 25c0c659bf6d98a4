"""Does an entry answer the same question the same way twice?

A few windows are served again after all others were scored, in other batches. An honest predictor forgets between
batches and does not look at its batch neighbours, so nothing changes but what rounding and sampling change, and that
as often for the worse as for the better. One that kept what was revealed to it gets better.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 0.05
MIN_WINDOWS = 8
SAME_NATS = 1e-3
"""Nats per token within which two means are the same: float16 matrix products move a loss by less."""
NEIGHBOUR_NATS = 1e-2
"""Nats per token by which one window's loss may move when its batch neighbours change."""
RECALLED_NATS = 0.25
"""Nats per token that no rounding explains: a single window that gains so much was recalled."""
_STANDARD_ERRORS = 3.0
_LOPSIDED = 5.0


@dataclass(frozen=True, kw_only=True)
class StateProbe:
    """What the second serving showed; nats per token, positive = better the second time.

    Attributes:
        windows: how many were served twice.
        mean_gain: mean over them of first loss - second loss.
        largest_change: of any of them, in size.
        carried_state: windows gained more than the spread of an honest repeat.
        depends_on_neighbours: a window changed more than rounding explains; None where the entry's own tokens are
            fed back, for there rounding may honestly grow.
        failure: code of the error that ended the probe early, with the numbers above all zero; None if it finished.
    """

    windows: int
    mean_gain: float
    largest_change: float
    carried_state: bool
    depends_on_neighbours: bool | None
    failure: str | None = None


def choose_windows(num_windows: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A random 5% of the windows, at least 8, or all if there are fewer; int64, unsorted."""
    size = min(num_windows, max(MIN_WINDOWS, math.ceil(SHARE * num_windows)))
    return rng.choice(num_windows, size=size, replace=False).astype(np.int64)


def compare(
    first_B: NDArray[np.float64], second_B: NDArray[np.float64], *, feeds_back_own_tokens: bool
) -> StateProbe:
    """Compare the losses of the same windows, first and second serving."""
    gains_B = first_B - second_B
    largest = float(np.abs(gains_B).max())
    recalled_some = not feeds_back_own_tokens and _has_a_recalled_window(gains_B)
    return StateProbe(
        windows=len(gains_B),
        mean_gain=float(gains_B.mean()),
        largest_change=largest,
        carried_state=_mean_gain_is_beyond_chance(gains_B) or recalled_some,
        depends_on_neighbours=None if feeds_back_own_tokens else largest > NEIGHBOUR_NATS,
    )


def unfinished(code: str) -> StateProbe:
    """The probe of an entry that failed while it was probed: a fact for the record, not a verdict."""
    return StateProbe(
        windows=0,
        mean_gain=0.0,
        largest_change=0.0,
        carried_state=False,
        depends_on_neighbours=None,
        failure=code,
    )


def _mean_gain_is_beyond_chance(gains_B: NDArray[np.float64]) -> bool:
    standard_error = float(gains_B.std(ddof=1)) / math.sqrt(len(gains_B)) if len(gains_B) > 1 else 0.0
    return bool(gains_B.mean() > max(SAME_NATS, _STANDARD_ERRORS * standard_error))


def _has_a_recalled_window(gains_B: NDArray[np.float64]) -> bool:
    """Some window gained much, and none lost nearly as much: a spread of honest repeats has two sides."""
    return bool(gains_B.max() > max(RECALLED_NATS, -_LOPSIDED * gains_B.min()))
