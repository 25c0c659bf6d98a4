"""MaskGIT: a masked frame is filled in a few steps, each of which settles some positions for good.

Axes: X anything (windows, frames), H rows, W columns, N = H*W positions, F the two factors of a token, V values of a
factor, K steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from config import GenieConfig
from model import joined
from torch import Tensor


def num_masked(step: int, steps: int, positions: int) -> int:
    """How many positions stay masked after step 0..steps-1: none after the last."""
    if step == steps - 1:
        return 0
    return math.ceil(math.cos(math.pi / 2 * (step + 1) / steps) * positions)


def fill(
    logits_of: Callable[[Tensor], Tensor],
    config: GenieConfig,
    shape: tuple[int, ...],
    *,
    steps: int,
    noise_KXN: Tensor | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> tuple[Tensor, Tensor]:
    """Tokens [X,H,W] of frames that start fully masked, and the logits [X,H,W,F,V] of the first step.

    Args:
        logits_of: the model's logits [X,H,W,F,V] of partly masked frames [X,H,W].
        config: what is masked and how many positions there are.
        shape: X.
        steps: K; each calls `logits_of` once.
        noise_KXN: the positions with the most noise are settled first; broadcasts over X. None: the most confident.
        temperature: divides the logits before a value is drawn; at 0 the likeliest is taken.
        generator: draws the values.
        device: where the frames live.
    """
    if steps < 1:
        raise ValueError(f"{steps} MaskGIT steps; at least one is needed")
    side = config.side
    frame_XN = torch.full((*shape, config.S), config.mask_id, dtype=torch.int64, device=device)
    first = logits = logits_of(frame_XN.view(*shape, side, side))
    for step in range(steps):
        if step:
            logits = logits_of(frame_XN.view(*shape, side, side))
        drawn_XN, confidence_XN = _draw(logits.flatten(-4, -3), config, temperature, generator)
        is_masked_XN = frame_XN == config.mask_id
        filled_XN = torch.where(is_masked_XN, drawn_XN, frame_XN)
        rank_XN = confidence_XN if noise_KXN is None else noise_KXN[step].expand_as(confidence_XN)
        rank_XN = rank_XN.masked_fill(~is_masked_XN, torch.inf)  # what is settled stays
        again_XR = rank_XN.argsort(-1)[..., : num_masked(step, steps, config.S)]
        frame_XN = filled_XN.scatter(-1, again_XR, config.mask_id)
    return frame_XN.view(*shape, side, side), first


def _draw(
    logits_XNFV: Tensor, config: GenieConfig, temperature: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """A token for every position [X,N], and how likely it was [X,N]."""
    probability = logits_XNFV.softmax(-1)
    if temperature > 0:
        tempered = (logits_XNFV / temperature).softmax(-1)
        value_XNF = torch.multinomial(tempered.flatten(0, -2), 1, generator=generator).view(
            tempered.shape[:-1]
        )
    else:
        value_XNF = logits_XNFV.argmax(-1)
    confidence_XN = probability.gather(-1, value_XNF[..., None])[..., 0].prod(-1)
    return joined(value_XNF, config), confidence_XN
