"""Which windows a step takes, and what it draws: functions of the seed and the step alone.

So nothing about randomness has to be kept in a checkpoint, and a run that is resumed goes on as if it had not stopped.
Axes: W windows of the clip, B windows of a batch.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ORDER, _STEP = range(2)  # what a seed is drawn for


class Order:
    """The endless sequence of epochs over W windows, each in an order of its own, cut into batches."""

    def __init__(self, num_windows: int, *, batch: int, seed: int) -> None:
        self._num_windows = num_windows
        self._batch = batch
        self._seed = seed
        self._last: tuple[int, NDArray[np.int64]] | None = None

    def at(self, step: int) -> NDArray[np.int64]:
        """The windows of this step (0 is the first): places `step * B` to `(step + 1) * B - 1` of the sequence."""
        place_B = np.arange(step * self._batch, (step + 1) * self._batch)
        epoch_B, within_B = np.divmod(place_B, self._num_windows)
        epochs = range(int(epoch_B[0]), int(epoch_B[-1]) + 1)
        return np.concatenate([self._epoch(epoch)[within_B[epoch_B == epoch]] for epoch in epochs])

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        """All windows, in the order of this epoch: [W]."""
        if self._last is None or self._last[0] != epoch:
            dice = np.random.default_rng([self._seed, _ORDER, epoch])
            self._last = epoch, dice.permutation(self._num_windows)
        return self._last[1]


def step_seed(seed: int, step: int) -> int:
    """A seed for what is drawn in this step."""
    (state,) = np.random.SeedSequence([seed, _STEP, step]).generate_state(1, np.uint64)
    return int(state >> np.uint64(1))  # generators take 63 bits everywhere
