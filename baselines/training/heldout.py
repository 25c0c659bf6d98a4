"""How good a learner is on windows it never learns from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.training.batches import Windows
from baselines.training.distributed import Team
from baselines.training.learner import Learner
from harness.progress import Progress, Silent

LARGEST_BATCH = 16
_SILENT = Silent()


def mean_heldout_loss(
    learner: Learner,
    windows: Windows,
    chosen_B: NDArray[np.int64],
    team: Team,
    at_once: int,
    progress: Progress = _SILENT,
) -> float:
    """Nats per token, mean over the chosen windows."""
    return float(heldout_losses(learner, windows, chosen_B, team, at_once, progress).mean())


def heldout_losses(
    learner: Learner,
    windows: Windows,
    chosen_B: NDArray[np.int64],
    team: Team,
    at_once: int,
    progress: Progress = _SILENT,
) -> NDArray[np.float64]:
    """Nats per token of the chosen windows: float64 [B], the same at every process, for they share the work.

    `at_once` windows are tried at a time, at most LARGEST_BATCH.
    """
    losses_B = torch.zeros(len(chosen_B), dtype=torch.float64, device=team.device)
    own = range(team.rank, len(chosen_B), team.size)
    size = min(at_once, LARGEST_BATCH)
    learner.model.eval()
    with progress.step("Holding out", total=len(own)) as advance, torch.no_grad():
        for begin in range(0, len(own), size):
            places = list(own[begin : begin + size])
            batch = windows.read(chosen_B[places]).to(team.device)
            losses_B[places] = learner.heldout_loss(batch).to(losses_B)
            advance(len(places))
    return team.total(losses_B).cpu().numpy()
