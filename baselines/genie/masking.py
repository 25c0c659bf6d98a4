"""What a Genie is trained on: windows with corrupted values and masked positions, and the loss over the latter.

Everything is drawn on the windows' device, for a whole batch at once. The recipe is 1X's:

* Factor values are replaced by random ones at a rate drawn for the batch from 0..max_corrupt_rate, so that the model
  learns not to trust what it sees, as it must not when that is its own prediction.
* A batch is masked from frame 1 on; or, with probability `non_mlm_ratio`, from a random frame on that is no prompt
  frame, and values from there on are replaced more and more: that is what a rollout looks like.
* Each frame of each window has a masking probability of its own: the cosine of a random angle in the first quadrant.

Axes: B windows, T frames, H rows, W columns, F the two factors of a token, V values of a factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from config import GenieConfig
from model import factors, joined
from torch import Tensor

LEAST_KEPT = 0.25
"""The lowest share of right values in the first masked frame of a rollout-like batch."""
LEAST_KEPT_PER_FRAME = 0.9
"""By what that share is multiplied, at the lowest, from one frame to the next."""


@dataclass(frozen=True, kw_only=True)
class Puzzle:
    """One batch to learn from.

    Attributes:
        input_BTHW: int64, tokens with corrupted values and, where masked, the mask's id.
        target_BTHW: int64, the tokens as they were.
        masked_BTHW: bool, where the loss is taken; never in frame 0, and somewhere at least once.
        own_from: scalar, the first frame that stands for one of the model's own predictions; T if none does.
    """

    input_BTHW: Tensor
    target_BTHW: Tensor
    masked_BTHW: Tensor
    own_from: Tensor


def puzzle(tokens_BTHW: Tensor, config: GenieConfig, generator: torch.Generator) -> Puzzle:
    """The tokens of a batch, corrupted and masked; `generator` must be one of the tokens' device."""
    draw = Dice(generator)
    frames = tokens_BTHW.shape[1]
    is_rollout = draw() < config.non_mlm_ratio
    first = _first_masked_frame(frames, is_rollout, config, draw)
    wrong_T = _share_of_wrong_values(frames, first, is_rollout, config, draw)
    probability_BT = torch.cos(math.pi / 2 * draw(*tokens_BTHW.shape[:2]))
    is_closed_T = torch.arange(frames, device=first.device) < first
    masked_BTHW = masked(tokens_BTHW.shape, probability_BT.masked_fill(is_closed_T, -torch.inf), draw)

    corrupted_BTHW = corrupted(tokens_BTHW, wrong_T, config, generator)
    return Puzzle(
        input_BTHW=corrupted_BTHW.masked_fill(masked_BTHW, config.mask_id),
        target_BTHW=tokens_BTHW,
        masked_BTHW=masked_BTHW,
        own_from=torch.where(is_rollout, first, frames),
    )


def corrupted(
    tokens_BTHW: Tensor, wrong_T: Tensor, config: GenieConfig, generator: torch.Generator
) -> Tensor:
    """The tokens with factor values replaced by uniform ones, at each frame's rate."""
    right_BTHWF = factors(tokens_BTHW, config)
    random_BTHWF = torch.randint(
        config.factored_vocab_size, right_BTHWF.shape, generator=generator, device=tokens_BTHW.device
    )
    is_wrong_BTHWF = Dice(generator)(*right_BTHWF.shape) < wrong_T[:, None, None, None]
    return joined(torch.where(is_wrong_BTHWF, random_BTHWF, right_BTHWF), config)


def masked(shape: tuple[int, ...], probability_BT: Tensor, draw: Dice) -> Tensor:
    """Which positions are masked, each with its frame's probability: bool [B,T,H,W].

    At least one is, of those whose probability is the highest above the number they drew: a batch without a mask would
    teach nothing.
    """
    margin_BTHW = probability_BT[..., None, None] - draw(*shape)
    return (margin_BTHW > 0) | (margin_BTHW == margin_BTHW.max())


class Dice:
    """Uniform numbers in [0, 1) from one generator."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def __call__(self, *shape: int) -> Tensor:
        """So many."""
        return torch.rand(shape, generator=self.generator, device=self.generator.device)

    def between(self, low: float, high: float, *shape: int) -> Tensor:
        """So many in [low, high)."""
        return low + (high - low) * self(*shape)


def _first_masked_frame(frames: int, is_rollout: Tensor, config: GenieConfig, draw: Dice) -> Tensor:
    """A scalar: 1, or where a rollout-like batch begins to be masked."""
    span = frames - config.num_prompt_frames
    late = config.num_prompt_frames + (draw() * span).long().clamp(max=span - 1)
    return torch.where(is_rollout, late, torch.ones_like(late))


def _share_of_wrong_values(
    frames: int, first: Tensor, is_rollout: Tensor, config: GenieConfig, draw: Dice
) -> Tensor:
    """How likely each frame's factor values are replaced: [T]."""
    everywhere = config.max_corrupt_rate * draw()
    is_later_T = is_rollout & (torch.arange(frames, device=first.device) >= first)
    step_T = torch.where(is_later_T, draw.between(LEAST_KEPT_PER_FRAME, 1, frames), 1.0)
    kept_T = torch.where(is_later_T, draw.between(LEAST_KEPT, 1) * step_T.cumprod(0), 1.0)
    return 1 - (1 - everywhere) * kept_T
