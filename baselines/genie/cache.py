"""What a Genie remembers of the clean frames it has seen.

Spatial attention stays inside a frame and temporal attention looks back only, so a clean frame's keys and values never
change: they are computed once, whatever is predicted after it.

Axes: L layers, B windows, K frames, M = positions * heads, E width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from config import GenieConfig
from layers import Past
from torch import Tensor

CPU_BATCH = 4  # a CPU is busy with less than that; more only takes memory
CPU_BYTES = 2 << 30
GPU_BATCH = 64
GPU_SHARE = 0.5  # of its free memory


class TemporalCache:
    """Keys and values of the first `length` frames of B windows, in buffers with room for more."""

    def __init__(
        self,
        config: GenieConfig,
        *,
        batch: int,
        capacity: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        shape = (batch, capacity, config.S * config.num_heads, config.head_width)
        self._keys_LBKME = [torch.empty(shape, device=device, dtype=dtype) for _ in range(config.num_layers)]
        self._values_LBKME = [torch.empty_like(keys) for keys in self._keys_LBKME]
        self.batch = batch
        self.capacity = capacity
        self.length = 0

    def clear(self) -> None:
        """Forget everything; the buffers stay."""
        self.length = 0

    def pasts(self, times: Sequence[int], num_clean: int) -> list[Past]:
        """One Past per layer for a pass over frames at these times, the first `num_clean` of which are clean."""
        if self.length + len(times) > self.capacity:
            raise ValueError(f"the cache has room for {self.capacity} frames, not {self.length + len(times)}")
        visible_TK = visible(self.length, torch.tensor(times), num_clean)
        mask_TK = None if visible_TK.all() else visible_TK.to(self._keys_LBKME[0].device)
        return [
            Past(keys_BKME=keys, values_BKME=values, length=self.length, visible_TK=mask_TK)
            for keys, values in zip(self._keys_LBKME, self._values_LBKME, strict=True)
        ]


def visible(length: int, time_T: Tensor, num_clean: int) -> Tensor:
    """Which of the `length` remembered and the T new frames each new frame sees: bool [T, length + T].

    One rule for every form of inference: a frame sees itself, and the clean frames before it. So any number of masked
    frames can stand side by side in one pass without knowing of each other.
    """
    time_K = torch.cat([torch.arange(length, device=time_T.device), time_T])
    place_K = torch.arange(len(time_K), device=time_T.device)
    is_clean_K = place_K < length + num_clean
    itself_TK = place_K == place_K[length:, None]
    return itself_TK | (is_clean_K & (time_K < time_T[:, None]))


def windows_that_fit(
    config: GenieConfig, *, capacity: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> int:
    """For how many windows at once a cache of that many frames each has room; at least one."""
    needed = 2 * config.num_layers * capacity * config.S * config.d_model * dtype.itemsize
    if device.type != "cuda":
        return max(1, min(CPU_BATCH, CPU_BYTES // needed))
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return max(1, min(GPU_BATCH, int(free_bytes * GPU_SHARE / needed)))
