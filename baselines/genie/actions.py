"""What a Genie makes of the robot's actions, if it is given any.

When a frame is shown, so are the raw actions that led to it. A frame to be predicted has shown none of its own yet, so
every frame is told the block that was shown with the frame before: that is known when it is predicted and when it is
observed alike, and what is remembered of it stays right. A block of zeros stands for "not known": it is what the
grader shows once an entry goes on with its own predictions, and what frame 0 has before it.

Axes: B windows, T frames, S raw rows of a block, A action columns, D width.
"""

from __future__ import annotations

import torch
from config import GenieConfig
from torch import Tensor, nn

RAW_ROWS = 15
"""S: 30 Hz over the half second between two frames."""
FARTHEST = 5.0
"""Standard deviations from the mean; what lies beyond is moved there."""
LEAST_SPREAD = 1e-3
"""Of a column; less is noise and not blown up."""


class ActionEmbedding(nn.Module):
    """A linear map of blocks whose columns are brought to mean 0 and deviation 1. It begins at zero: blind."""

    mean_A: Tensor
    std_A: Tensor

    def __init__(self, config: GenieConfig) -> None:
        super().__init__()
        self.proj = nn.Linear(RAW_ROWS * config.action_width, config.d_model, bias=False)
        self.register_buffer("mean_A", torch.zeros(config.action_width))
        self.register_buffer("std_A", torch.ones(config.action_width))

    def measure(self, rows_XA: Tensor) -> None:
        """Take the columns' statistics from raw rows."""
        self.mean_A.copy_(rows_XA.double().mean(0))
        self.std_A.copy_(rows_XA.double().std(0, correction=0).clamp(min=LEAST_SPREAD))

    def forward(self, blocks_BTSA: Tensor) -> Tensor:
        """[B,T,D]; zero where a block is not known."""
        is_known_BT1 = (blocks_BTSA != 0).flatten(2).any(-1, keepdim=True)
        normed_BTSA = ((blocks_BTSA - self.mean_A) / self.std_A).clamp(-FARTHEST, FARTHEST)
        embedded_BTD: Tensor = self.proj(normed_BTSA.flatten(2))
        return embedded_BTD * is_known_BT1


def shown_before(actions_BTSA: Tensor) -> Tensor:
    """For each frame the block that was shown with the frame before: [B,T,S,A]."""
    return torch.cat([torch.zeros_like(actions_BTSA[:, :1]), actions_BTSA[:, :-1]], 1)
