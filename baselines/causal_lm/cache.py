"""What the model remembers of the steps it has run: keys and values, in buffers made once.

Axes: L layers, B windows, K continuations, S steps of a pass, P steps that can be seen, E width of a head.
"""

from __future__ import annotations

import torch
from config import CausalConfig
from layers import Past
from torch import Tensor


class KeyValueCache:
    """Keys and values of the first `length` steps of B windows, with room for K continuations of one frame.

    Continuations stand side by side after what they continue, one step of each in turn; a mask keeps them apart.
    """

    def __init__(
        self, config: CausalConfig, *, batch: int, continuations: int, device: torch.device | str = "cpu"
    ) -> None:
        self.capacity = _capacity(config, continuations)
        shape = (batch, config.num_heads, self.capacity, config.head_width)
        self._keys_L = [torch.empty(shape, device=device) for _ in range(config.num_layers)]
        self._values_L = [torch.empty_like(keys) for keys in self._keys_L]
        self._apart_KP: Tensor | None = None
        self.batch = batch
        self.length = 0

    def rewind(self, length: int) -> None:
        """Forget what lies after the first `length` steps, continuations too; the buffers stay."""
        self.length = min(self.length, length)
        self._apart_KP = None

    def fork(self, continuations: int) -> None:
        """From here on, passes are over one step of each continuation."""
        step_P = torch.arange(self.capacity, device=self._keys_L[0].device)
        which_K1 = torch.arange(continuations, device=step_P.device)[:, None]
        own_KP = (step_P - self.length) % continuations == which_K1
        self._apart_KP = own_KP | (step_P < self.length)

    def pasts(self, steps: int) -> list[Past]:
        """One Past per layer for a pass over the next `steps` steps, or one step of each continuation."""
        end = self.length + steps
        if end > self.capacity:
            raise ValueError(f"the cache has room for {self.capacity} steps, not {end}")
        if self._apart_KP is not None:
            visible_SP: Tensor | None = self._apart_KP[:, :end]
        elif steps > 1:
            step_P = torch.arange(end, device=self._keys_L[0].device)
            visible_SP = step_P <= step_P[self.length :, None]
        else:
            visible_SP = None
        return [
            Past(keys=keys, values=values, length=self.length, visible_SP=visible_SP)
            for keys, values in zip(self._keys_L, self._values_L, strict=True)
        ]


def bytes_per_window(config: CausalConfig, continuations: int) -> int:
    """Memory that one window takes in a cache, in float32."""
    return 2 * config.num_layers * _capacity(config, continuations) * config.d_model * 4


def _capacity(config: CausalConfig, continuations: int) -> int:
    return config.window_tokens + (continuations - 1) * config.frame_tokens
