"""One optimizer step's windows made into something to learn from, and the model that learns from a part of it.

There are two ways to ask. 1X's masks positions in whole windows, so a frame's past is masked as well, and a rollout's
errors can be imitated. `side_by_side` asks what the challenge's loss asks: every frame but the first is guessed from
the true frames before it, all in one pass. It learns from more positions per pass and suits little data.

Axes: B windows, T frames of a window, H rows, W columns, S raw rows of actions, A action columns, R the masked
positions of a part (indices into its positions), D width, F the two factors of a token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from config import GenieConfig
from masking import Dice, corrupted, puzzle
from masking import masked as drawn_masked
from model import Genie, factors
from readout import loss_and_right
from torch import Tensor, nn

WHOLLY_MASKED = 0.75
"""The share of guessed frames without any token; the loss asks for those, later MaskGIT steps for the others."""


@dataclass(frozen=True, kw_only=True)
class GenieExercise:
    """All windows of a step.

    Attributes:
        seen_BTHW: int64, frames that are seen.
        guess_BTHW: int64, frames that are guessed beside them; none if those seen are to be completed themselves.
        target_BTHW, masked_BTHW: what should be there, and where that is asked; of the guesses, or else of those seen.
        actions_BTSA: as far as they are told; A is 0 if none are.
    """

    seen_BTHW: Tensor
    guess_BTHW: Tensor
    target_BTHW: Tensor
    masked_BTHW: Tensor
    actions_BTSA: Tensor

    def part(self, begin: int, end: int) -> tuple[Tensor, ...]:
        """What `Solver` takes for windows begin..end-1; its share is 1 over all that is masked in the step.

        How many rows there are is known when the masks are drawn: on a GPU this is where a step waits for that.
        """
        rows_R = self.masked_BTHW[begin:end].flatten().nonzero()[:, 0]
        return (
            self.seen_BTHW[begin:end],
            self.guess_BTHW[begin:end],
            self.actions_BTSA[begin:end],
            rows_R,
            self.target_BTHW[begin:end].flatten()[rows_R],
            1 / self.masked_BTHW.sum(),
        )


class Solver(nn.Module):
    """Gives a part's share of the loss and of the accuracy; logits are made where something is masked only."""

    def __init__(self, genie: Genie) -> None:
        super().__init__()
        self.genie = genie

    # Only the features are compiled: their shapes stay, those here change from part to part.
    @torch.compiler.disable(recursive=False)  # type: ignore[no-untyped-call,untyped-decorator]
    def forward(
        self,
        seen_BTHW: Tensor,
        guess_BTHW: Tensor,
        actions_BTSA: Tensor,
        rows_R: Tensor,
        target_R: Tensor,
        share: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """(loss, accuracy): sums over the part's masked positions, times `share`."""
        genie = self.genie
        actions = actions_BTSA if genie.config.action_width else None
        if guess_BTHW.shape[1]:
            x_BTND = genie.features_of_guesses(seen_BTHW, guess_BTHW, actions)
        else:
            x_BTND = genie.features(seen_BTHW, actions)
        x_RD = x_BTND.flatten(0, 2)[rows_R] * genie.config.readout_scale
        target_RF = factors(target_R, genie.config)
        nats, right = loss_and_right(x_RD, genie.out_x_proj.weight, genie.out_x_proj.bias, target_RF)
        return nats * share, right * share


def masked(
    tokens_BTHW: Tensor, actions_BTSA: Tensor, config: GenieConfig, generator: torch.Generator
) -> GenieExercise:
    """1X's way. Where frames stand for the model's own predictions no actions are told, as the grader does then."""
    found = puzzle(tokens_BTHW, config, generator)
    time_T = torch.arange(tokens_BTHW.shape[1], device=tokens_BTHW.device)
    is_hidden_T = time_T >= found.own_from
    return GenieExercise(
        seen_BTHW=found.input_BTHW,
        guess_BTHW=tokens_BTHW[:, :0],
        target_BTHW=found.target_BTHW,
        masked_BTHW=found.masked_BTHW,
        actions_BTSA=actions_BTSA.masked_fill(is_hidden_T[:, None, None], 0),
    )


def side_by_side(
    tokens_BTHW: Tensor, actions_BTSA: Tensor, config: GenieConfig, generator: torch.Generator
) -> GenieExercise:
    """Frames 1.., each to be guessed from the true ones before it, corrupted at a rate up to `max_corrupt_rate`.

    In a share `non_mlm_ratio` of the windows no actions are told from a random frame on that is no prompt frame.
    """
    draw = Dice(generator)
    batch, frames = tokens_BTHW.shape[:2]
    wrong_T = (config.max_corrupt_rate * draw()).expand(frames)
    seen_BTHW = corrupted(tokens_BTHW, wrong_T, config, generator)
    asked_BTHW = seen_BTHW[:, 1:]
    probability_BT = torch.cos(math.pi / 2 * draw(batch, frames - 1))
    probability_BT = probability_BT.masked_fill(draw(batch, frames - 1) < WHOLLY_MASKED, 1)
    masked_BTHW = drawn_masked(asked_BTHW.shape, probability_BT, draw)

    late_B = config.num_prompt_frames + draw(batch) * (frames - config.num_prompt_frames)
    told_B = torch.where(draw(batch) < config.non_mlm_ratio, late_B.floor(), frames)
    is_hidden_BT = torch.arange(frames, device=told_B.device) >= told_B[:, None]
    return GenieExercise(
        seen_BTHW=seen_BTHW[:, :-1],
        guess_BTHW=asked_BTHW.masked_fill(masked_BTHW, config.mask_id),
        target_BTHW=tokens_BTHW[:, 1:],
        masked_BTHW=masked_BTHW,
        actions_BTSA=actions_BTSA.masked_fill(is_hidden_BT[..., None, None], 0),
    )
