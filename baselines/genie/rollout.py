"""Frame after frame, or whole windows at once, with each clean frame computed once.

The straightforward way runs all frames of a window for every frame and MaskGIT step: 16 * 15 * K frame passes. One
by one with a cache it is 15 * (1 + K); side by side 15 * (1 + K) as well, but in K passes over the weights.

Axes: B windows, T frames, H rows, W columns, N = H*W positions, F the two factors of a token, V values of a factor,
K MaskGIT steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from cache import TemporalCache
from config import GenieConfig
from maskgit import fill
from model import Genie
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How frames are filled.

    Attributes:
        noise_TKN: per frame, step and position: those with the most are settled first. It is the same for all
            windows, so that a window's prediction does not depend on its batch. None: the most confident first.
        steps: K.
        temperature: 0 takes the likeliest value; the draws of more depend on the batch.
        generator: for a temperature above 0.
    """

    steps: int = 2
    noise_TKN: Tensor | None = None
    temperature: float = 0.0
    generator: torch.Generator | None = None


def order_noise(config: GenieConfig, steps: int, *, seed: int) -> Tensor:
    """Noise [T,K,N] for a random order, the same for the same seed."""
    return torch.rand(config.T, steps, config.S, generator=torch.Generator().manual_seed(seed))


class Rollout:
    """Windows shown frame by frame. What is shown is kept until it matters: then one pass takes it with the guess."""

    def __init__(
        self, model: Genie, *, batch: int, sampling: Sampling, dtype: torch.dtype = torch.float32
    ) -> None:
        self._model = model
        self._sampling = sampling
        self._device = model.pos_embed_TSC.device
        self._cache = TemporalCache(
            model.config, batch=batch, capacity=model.config.T, device=self._device, dtype=dtype
        )
        self._shown_BHW: list[Tensor] = []

    def clear(self) -> None:
        """Begin new windows."""
        self._cache.clear()
        self._shown_BHW.clear()

    @property
    def batch(self) -> int:
        """B."""
        return self._cache.batch

    def show(self, frame_BHW: Tensor) -> None:
        """The next clean frame, int64."""
        self._shown_BHW.append(frame_BHW.to(self._device))

    def predict(self) -> tuple[Tensor, Tensor]:
        """Tokens [B,H,W] of the frame after those shown, and the logits [B,H,W,F,V] of its first step."""
        time = self._cache.length + len(self._shown_BHW)
        noise_TKN = self._sampling.noise_TKN

        def logits_of(guess_B1HW: Tensor) -> Tensor:
            clean_BTHW = torch.stack(self._shown_BHW, 1) if self._shown_BHW else None
            self._shown_BHW.clear()
            return self._model.guess(guess_B1HW, [time], self._cache, clean_BTHW=clean_BTHW)

        tokens_B1HW, logits_B1HWFV = fill(
            logits_of,
            self._model.config,
            (self.batch, 1),
            steps=self._sampling.steps,
            noise_KXN=None if noise_TKN is None else noise_TKN[time].to(self._device),
            temperature=self._sampling.temperature,
            generator=self._sampling.generator,
            device=self._device,
        )
        return tokens_B1HW[:, 0], logits_B1HWFV[:, 0]


def teacher_forced(
    model: Genie, tokens_BTHW: Tensor, *, sampling: Sampling, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """Tokens [B,T-1,H,W] of frames 1.. given all true ones before each, and the first steps' logits [B,T-1,H,W,F,V].

    The guesses of all frames stand side by side in every pass.
    """
    batch, frames = tokens_BTHW.shape[:2]
    device = model.pos_embed_TSC.device
    cache = TemporalCache(model.config, batch=batch, capacity=2 * (frames - 1), device=device, dtype=dtype)

    def logits_of(guess_BTHW: Tensor) -> Tensor:
        clean_BTHW = None if cache.length else tokens_BTHW[:, :-1].to(device)
        return model.guess(guess_BTHW, range(1, frames), cache, clean_BTHW=clean_BTHW)

    noise_TKN = sampling.noise_TKN
    return fill(
        logits_of,
        model.config,
        (batch, frames - 1),
        steps=sampling.steps,
        noise_KXN=None if noise_TKN is None else noise_TKN[1:frames].transpose(0, 1).to(device),
        temperature=sampling.temperature,
        generator=sampling.generator,
        device=device,
    )
