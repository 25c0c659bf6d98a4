"""Frame after frame, or whole windows at once, with each clean frame computed once.

The straightforward way runs all frames of a window for every frame and MaskGIT step: 16 * 15 * K frame passes. One
by one with a cache it is 15 * (1 + K); side by side 15 * (1 + K) as well, but in K passes over the weights.

Axes: B windows, T frames, H rows, W columns, N = H*W positions, F the two factors of a token, V values of a factor,
K MaskGIT steps, S raw rows of a block of actions, A action columns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from actions import RAW_ROWS, shown_before
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
        # For each frame shown, and the next one, what was shown before it.
        self._blocks_BSA: list[Tensor] = []
        self.clear()

    def clear(self) -> None:
        """Begin new windows."""
        self._cache.clear()
        self._shown_BHW.clear()
        shape = (self.batch, RAW_ROWS, self._model.config.action_width)
        self._blocks_BSA = [torch.zeros(shape, device=self._device)]

    @property
    def batch(self) -> int:
        """B."""
        return self._cache.batch

    def show(self, frame_BHW: Tensor, actions_BSA: Tensor | None = None) -> None:
        """The next clean frame, int64, and the actions that led to it, float32; without, they are not known."""
        self._shown_BHW.append(frame_BHW.to(self._device))
        known_BSA = torch.zeros_like(self._blocks_BSA[0]) if actions_BSA is None else actions_BSA
        self._blocks_BSA.append(known_BSA.to(self._device))

    def predict(self) -> tuple[Tensor, Tensor]:
        """Tokens [B,H,W] of the frame after those shown, and the logits [B,H,W,F,V] of its first step."""
        time = self._cache.length + len(self._shown_BHW)
        noise_TKN = self._sampling.noise_TKN

        def logits_of(guess_B1HW: Tensor) -> Tensor:
            clean_BTHW = torch.stack(self._shown_BHW, 1) if self._shown_BHW else None
            blocks_BTSA = torch.stack(self._blocks_BSA, 1) if self._model.config.action_width else None
            self._shown_BHW.clear()
            del self._blocks_BSA[:-1]
            return self._model.guess(
                guess_B1HW, [time], self._cache, clean_BTHW=clean_BTHW, blocks_BTSA=blocks_BTSA
            )

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
    model: Genie,
    tokens_BTHW: Tensor,
    *,
    sampling: Sampling,
    actions_BTSA: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """Tokens [B,T-1,H,W] of frames 1.. given all true ones before each, and the first steps' logits [B,T-1,H,W,F,V].

    The guesses of all frames stand side by side in every pass.
    """
    batch, frames = tokens_BTHW.shape[:2]
    device = model.pos_embed_TSC.device
    noise_TKN = sampling.noise_TKN
    return fill(
        _side_by_side(model, tokens_BTHW.to(device), actions_BTSA, dtype),
        model.config,
        (batch, frames - 1),
        steps=sampling.steps,
        noise_KXN=None if noise_TKN is None else noise_TKN[1:frames].transpose(0, 1).to(device),
        temperature=sampling.temperature,
        generator=sampling.generator,
        device=device,
    )


def first_logits(model: Genie, tokens_BTHW: Tensor, *, actions_BTSA: Tensor | None = None) -> Tensor:
    """Logits [B,T-1,H,W,F,V] of frames 1.., fully masked, given all true ones before each."""
    masked_BTHW = torch.full_like(tokens_BTHW[:, 1:], model.config.mask_id)
    return _side_by_side(model, tokens_BTHW, actions_BTSA, torch.float32)(masked_BTHW)


def _side_by_side(
    model: Genie, tokens_BTHW: Tensor, actions_BTSA: Tensor | None, dtype: torch.dtype
) -> Callable[[Tensor], Tensor]:
    """Logits of guesses of frames 1.., each given the true frames before it; the first call takes those in too."""
    batch, frames = tokens_BTHW.shape[:2]
    cache = TemporalCache(
        model.config, batch=batch, capacity=2 * (frames - 1), device=tokens_BTHW.device, dtype=dtype
    )

    before_BTSA = None if actions_BTSA is None else shown_before(actions_BTSA.to(tokens_BTHW.device))

    def logits_of(guess_BTHW: Tensor) -> Tensor:
        is_first = cache.length == 0
        blocks_BTSA = None if before_BTSA is None else before_BTSA[:, 1:]
        if is_first and before_BTSA is not None:
            blocks_BTSA = torch.cat([before_BTSA[:, :-1], before_BTSA[:, 1:]], 1)
        return model.guess(
            guess_BTHW,
            range(1, frames),
            cache,
            clean_BTHW=tokens_BTHW[:, :-1] if is_first else None,
            blocks_BTSA=blocks_BTSA,
        )

    return logits_of
