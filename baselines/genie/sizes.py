"""The named sizes: a shape, where training starts from, how it asks, and its recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import exercise
import torch
from config import CheckpointError, GenieConfig, check_challenge, read_config
from torch import Tensor

from baselines.training.configs import config_file
from baselines.training.recipe import Precision, Recipe, Starts
from harness.data.clips import Clip
from harness.errors import UsageError

Ask = Callable[[Tensor, Tensor, GenieConfig, torch.Generator], exercise.GenieExercise]


@dataclass(frozen=True, kw_only=True)
class Size:
    """One way to train a Genie.

    Attributes:
        shape: the model's.
        recipe: goes with it.
        ask: makes windows and actions into an exercise.
        from_counts: whether it starts from the training clip's counts instead of from noise.
        reads_actions: whether it is told the clip's actions, however many columns they have.
    """

    shape: GenieConfig
    recipe: Recipe
    ask: Ask = exercise.masked
    from_counts: bool = False
    reads_actions: bool = False

    def shape_for(self, clip: Clip) -> GenieConfig:
        """The shape, told this clip's actions if it is to be told any. Raises: UsageError, if it cannot be."""
        columns = sum(clip.action_widths.values())
        if not self.reads_actions:
            return self.shape
        if not columns or self.shape.action_width not in {0, columns}:
            raise UsageError(
                f"the Genie is to be told {self.shape.action_width or 'the'} columns of actions; "
                f"{clip.folder} has {columns}",
                fix="take a config without action_width, or a clip with such actions",
                code="usage.config",
            )
        return replace(self.shape, action_width=columns)


PUBLISHED = Recipe(steps=60_000)
"""1X's settings are the fields' defaults. How long they trained they do not say; this is some six passes over v1.1."""
_SMALL_DATA = Recipe(
    steps=600,
    batch=2,
    learning_rate=2e-3,
    warmup_steps=20,
    weight_decay=0.05,
    starts=Starts.ALL,
    precision=Precision.BFLOAT16,
)
_TINY = Size(
    shape=GenieConfig(num_layers=4, num_heads=4, d_model=128, max_corrupt_rate=0.0),
    recipe=_SMALL_DATA,
    ask=exercise.side_by_side,
    from_counts=True,
)
SIZES = {
    "tiny": _TINY,
    "tiny-actions": replace(_TINY, reads_actions=True),
    "35m": Size(shape=GenieConfig(num_layers=32, num_heads=8, d_model=256, use_mup=True), recipe=PUBLISHED),
    "138m": Size(shape=GenieConfig(num_layers=32, num_heads=8, d_model=512, use_mup=True), recipe=PUBLISHED),
}


def size_of(config: str) -> Size:
    """The size of this name, or of the config.json there, from noise with 1X's way of asking. Raises: UsageError."""
    if config in SIZES:
        return SIZES[config]
    path = config_file(config, SIZES, of="Genie")
    try:
        shape = read_config(path)
        check_challenge(shape)
    except CheckpointError as error:
        raise UsageError(error.message, fix=error.fix, code="usage.config") from error
    if shape.attn_drop or shape.mlp_drop:
        raise UsageError(
            f"{path} asks for dropout, which would be drawn by each process and part of a step for itself",
            fix="set attn_drop and mlp_drop to 0: the numbers are to be the same however the work is shared",
            code="usage.config",
        )
    return Size(shape=shape, recipe=PUBLISHED, reads_actions=shape.action_width > 0)
