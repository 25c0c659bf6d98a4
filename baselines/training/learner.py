"""What a baseline gives the trainer: a model that turns a batch into a loss, and how to save it.

Axes: B windows of a batch, T frames, H rows, W columns, S raw rows of actions per frame, A action columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from baselines.training.recipe import Recipe
from harness.data.clips import Clip


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Windows of a clip, on the device.

    Attributes:
        tokens_BTHW: int64.
        actions_BTSA: float32, the raw actions that led to each frame, as the grader shows them (block 0 repeats its
            row); A is 0 where the clip has none or the baseline asks for none.
    """

    tokens_BTHW: Tensor
    actions_BTSA: Tensor

    def rows(self, begin: int, end: int) -> Batch:
        """Windows begin..end-1 of the batch."""
        return Batch(tokens_BTHW=self.tokens_BTHW[begin:end], actions_BTSA=self.actions_BTSA[begin:end])


class Exercise(Protocol):
    """A whole optimizer step's batch, drawn and ready to be learned from in parts.

    It is drawn once for all windows, by every process alike, and then cut: so what is learned does not depend on how
    many processes share the batch, nor on how many parts each of them takes.
    """

    def part(self, begin: int, end: int) -> tuple[Tensor, ...]:
        """What the model's `forward` takes for windows begin..end-1."""
        ...


class Learner(Protocol):
    """A baseline in training.

    Attributes:
        model: its `forward(*part)` gives (loss, accuracy), scalars: this part's share of the whole batch's loss in nats
            per token and of its token accuracy, so that parts add up. It draws nothing (no dropout): all randomness is
            the exercise's. It is what is compiled and distributed.
        reads_actions: whether batches need actions.
        heldout_regime: the regime of `heldout_loss`, in the challenge's words.
    """

    model: nn.Module
    reads_actions: bool
    heldout_regime: str

    def parameter_groups(self, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
        """The optimizer's groups, each with its `params`, `lr` and `weight_decay`."""
        ...

    def exercise(self, batch: Batch, generator: torch.Generator) -> Exercise:
        """This step's batch made into something to learn from; all randomness comes from `generator`."""
        ...

    def heldout_loss(self, batch: Batch) -> Tensor:
        """Nats per token of each window [B] in the regime that `heldout_regime` names; no gradients."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model as the entry loads it."""
        ...

    def load(self, folder: Path) -> None:
        """Take the weights that `save` wrote; an error of the operator if they are of another shape."""
        ...


class Baseline(Protocol):
    """The module `learner` of a baseline's folder.

    Attributes:
        CONFIGS: names of its sizes, the smallest first; any other config is a file's path.
        ENTRY_FILES: what runs in the grader's box, besides the manifest and what `Learner.save` writes.
    """

    CONFIGS: tuple[str, ...]
    ENTRY_FILES: tuple[str, ...]

    def recipe(self, config: str) -> Recipe:
        """The recipe that goes with a config."""
        ...

    def origin(self, config: str) -> str:
        """What the weights are before the first step."""
        ...

    def make(self, config: str, device: torch.device, *, clip: Clip) -> Learner:
        """The learner with fresh weights, the training clip in view; torch has been seeded. Raises: UsageError."""
        ...
