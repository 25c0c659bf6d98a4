"""Genie evaluated the straightforward way: every frame and MaskGIT step is a forward pass over the whole window.

What the cached ways are compared with, for their numbers in tests/unit/baselines and for their speed in bench_genie.py.
It uses nothing of baselines/genie/rollout.py but the model and the filling of one frame, both handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


def predict_frame(
    model: Any, fill: Callable[..., tuple[Tensor, Tensor]], tokens_BTHW: Tensor, t: int, **how: Any
) -> tuple[Tensor, Tensor]:
    """Tokens [B,H,W] and first logits [B,H,W,F,V] of frame t, from the frames before it; later ones are masked."""
    window_BTHW = tokens_BTHW.clone()
    window_BTHW[:, t:] = model.config.mask_id

    def logits_of(guess_BHW: Tensor) -> Tensor:
        window_BTHW[:, t] = guess_BHW
        return model(window_BTHW)[:, t]

    return fill(logits_of, model.config, (len(tokens_BTHW),), **how)


def teacher_forced(
    model: Any,
    fill: Callable[..., tuple[Tensor, Tensor]],
    tokens_BTHW: Tensor,
    *,
    steps: int,
    noise_TKN: Tensor | None = None,
    frames: Iterable[int] = range(1, 16),
    **how: Any,
) -> tuple[Tensor, Tensor]:
    """Tokens [B,T,H,W] and first logits [B,T,H,W,F,V] of these frames, given the true ones before each."""
    found = [
        predict_frame(
            model,
            fill,
            tokens_BTHW,
            t,
            steps=steps,
            noise_KXN=None if noise_TKN is None else noise_TKN[t],
            **how,
        )
        for t in frames
    ]
    tokens, logits = zip(*found, strict=True)
    return torch.stack(tokens, 1), torch.stack(logits, 1)


def autoregressive(
    model: Any,
    fill: Callable[..., tuple[Tensor, Tensor]],
    prompt_BTHW: Tensor,
    *,
    steps: int,
    noise_TKN: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Tokens [B,T,H,W] and first logits of the frames after the prompt, each given the predictions before it."""
    batch, prompt = prompt_BTHW.shape[:2]
    frames = model.config.T
    window_BTHW = torch.zeros((batch, frames, *prompt_BTHW.shape[2:]), dtype=torch.int64)
    window_BTHW[:, :prompt] = prompt_BTHW
    logits = []
    for t in range(prompt, frames):
        noise_KN = None if noise_TKN is None else noise_TKN[t]
        window_BTHW[:, t], first = predict_frame(model, fill, window_BTHW, t, steps=steps, noise_KXN=noise_KN)
        logits.append(first)
    return window_BTHW[:, prompt:], torch.stack(logits, 1)
