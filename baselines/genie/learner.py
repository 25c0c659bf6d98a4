"""Genie as the trainer sees it: named sizes with their recipes, windows to learn from, and its held-out loss.

Axes: B windows, T frames, H rows, W columns, S raw rows of actions, A action columns, F the two factors of a token.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import checkpoint
import initial
import mup_rules
import numpy as np
import torch
from config import CheckpointError, GenieConfig
from exercise import GenieExercise, Solver
from model import Genie, factors
from rollout import first_logits
from sizes import SIZES, Size, size_of
from torch import Tensor
from torch.nn import functional

from baselines.training.learner import Batch
from baselines.training.loglinear import learn
from baselines.training.recipe import Recipe
from harness.data.clips import Clip
from harness.errors import CheckpointInvalid
from harness.protocol.regimes import Regime

CONFIGS = tuple(SIZES)
ENTRY_FILES = (
    "actions.py",
    "build.sh",
    "cache.py",
    "checkpoint.py",
    "config.py",
    "evaluate.py",
    "layers.py",
    "maskgit.py",
    "model.py",
    "predictor.py",
    "requirements.txt",
    "rollout.py",
)
"""What runs in the grader's box, beside the manifest and a checkpoint's two files."""

WINDOWS_AT_ONCE = 4
"""Of the held-out evaluation: the logits of a window take 15 MiB."""
MOST_ACTION_ROWS = 100_000
"""From which their statistics are taken, spread over the clip."""


def recipe(config: str) -> Recipe:
    """The recipe that belongs to a named size; the published one for a file. Raises: UsageError."""
    return size_of(config).recipe


def origin(config: str) -> str:
    """What the weights are before the first step."""
    return "from counts" if size_of(config).from_counts else "from noise"


def make(config: str, device: torch.device, *, clip: Clip) -> GenieLearner:
    """A learner with fresh weights on the device. `config` is a named size or a config.json. Raises: UsageError."""
    size = size_of(config)
    shape = size.shape_for(clip)
    genie = _from_counts(shape, clip) if size.from_counts else Genie(shape)
    if genie.action_embed is not None:
        frames_X = np.arange(0, clip.num_frames, -(-clip.num_frames // MOST_ACTION_ROWS))
        genie.action_embed.measure(torch.from_numpy(clip.actions_at(frames_X)))
    return GenieLearner(genie.to(device), size)


class GenieLearner:
    """A Genie in training, held out in the challenge's own metric."""

    heldout_regime = Regime.TEMPORALLY_TEACHER_FORCED.in_words

    def __init__(self, genie: Genie, size: Size) -> None:
        self._genie = genie
        self._ask = size.ask
        self.model = Solver(genie)
        self.reads_actions = genie.config.action_width > 0

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """One group of the optimizer for each rate and decay, as muP has them."""
        return mup_rules.parameter_groups(self._genie, learning_rate, weight_decay)

    def exercise(self, batch: Batch, generator: torch.Generator) -> GenieExercise:
        """The whole batch corrupted and masked."""
        return self._ask(batch.tokens_BTHW, batch.actions_BTSA, self._genie.config, generator)

    @torch.no_grad()
    def heldout_loss(self, batch: Batch) -> Tensor:
        """Nats per token of each window [B], mean over frames 1.., each fully masked and given the true ones before."""
        edges = range(0, len(batch.tokens_BTHW), WINDOWS_AT_ONCE)
        return torch.cat([self._loss_of(batch.rows(begin, begin + WINDOWS_AT_ONCE)) for begin in edges])

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors, in 1X's layout."""
        checkpoint.save(self._genie, folder)

    def load(self, folder: Path) -> None:
        """Take the weights that `save` wrote. Raises: CheckpointInvalid, if there are none that fit."""
        try:
            state = checkpoint.load(folder).state_dict()
            checkpoint.check_fit(state, self._genie.state_dict(), folder / checkpoint.WEIGHTS_NAME)
        except CheckpointError as error:
            raise CheckpointInvalid(error.message, fix=error.fix) from error
        self._genie.load_state_dict(state)

    def _loss_of(self, batch: Batch) -> Tensor:
        logits_BTHWFV = first_logits(
            self._genie, batch.tokens_BTHW, actions_BTSA=batch.actions_BTSA if self.reads_actions else None
        )
        target_BTHWF = factors(batch.tokens_BTHW[:, 1:], self._genie.config)
        nats_X = functional.cross_entropy(
            logits_BTHWFV.flatten(0, -2), target_BTHWF.flatten(), reduction="none"
        )
        return nats_X.view(target_BTHWF.shape).sum(-1).flatten(1).double().mean(1)


def _from_counts(shape: GenieConfig, clip: Clip) -> Genie:
    """Made from the clip's counts; from noise if it is too short to count."""
    learned = learn(clip, initial.contexts(shape))
    return Genie(shape) if learned is None else initial.from_counts(shape, learned)
