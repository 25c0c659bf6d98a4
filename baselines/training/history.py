"""What the steps since the last line of metrics gave; it stays on the device until somebody looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from baselines.training.distributed import Team
from baselines.training.failures import check_finite

NAMES = ("loss", "accuracy", "gradient_norm")
"""Of a step: shares of the first two that add up over the processes, and the third, which all have alike."""


class History:
    """Rows of `NAMES`, one per step, since the last line of metrics."""

    def __init__(self, team: Team, unlogged: Iterable[Sequence[float]] = ()) -> None:
        self._team = team
        self._settled = [list(row) for row in unlogged]
        self._fresh: list[Tensor] = []

    def add(self, row: Tensor) -> None:
        """One more step: [3] on the device."""
        self._fresh.append(row)

    def settle(self, step: int) -> None:
        """Wait for all steps up to this one (1 is the first). Raises: TrainingFailed, if one was not finite."""
        if not self._fresh:
            return
        rows = torch.stack(self._fresh)
        rows[:, 2] /= self._team.size
        first = step - len(self._fresh) + 1
        self._fresh.clear()
        for number, row in enumerate(self._team.total(rows).tolist(), first):
            check_finite([name.replace("_", " ") for name in NAMES], row, number)
            self._settled.append(row)

    @property
    def unlogged(self) -> list[list[float]]:
        """The settled rows; a checkpoint keeps them, so that the next line is the same after a resumption."""
        return self._settled

    def take_means(self) -> dict[str, float]:
        """The settled rows' means, by their names; the rows are gone afterwards."""
        columns = list(zip(*self._settled, strict=True))
        self._settled = []
        return {name: sum(column) / len(column) for name, column in zip(NAMES, columns, strict=True)}
