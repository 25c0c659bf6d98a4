"""Who counts the bits in which frames differ: numpy everywhere, numba where it is installed, torch on a GPU.

Every engine gives the same numbers. Axes: Q query frames, N frames of a split, W words of a packed frame, M hits.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.engine_torch import TorchEngine
from harness.retrieval.shortlist import Closest, closest
from harness.workers import cores

DRIVER = Path("/dev/nvidiactl")
"""There where a GPU can be used."""


class Engine(Protocol):
    """Counts differing bits of many pairs at once; several threads call it."""

    @property
    def name(self) -> str:
        """What a record calls it."""
        ...

    @property
    def threads(self) -> int:
        """How many tiles it is given side by side."""
        ...

    @property
    def tile_frames(self) -> int:
        """How many frames of a split suit its caches."""
        ...

    @property
    def tile_queries(self) -> int:
        """How many queries do."""
        ...

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        """Differing bits of every pair: uint16 `[Q, N]`, in any order in memory."""
        ...

    def closest(
        self,
        queries_QW: NDArray[np.uint64],
        frames_NW: NDArray[np.uint64],
        bound_Q: NDArray[np.int32],
        k: int,
    ) -> Closest:
        """What is below its query's bound, or each query's k nearest of it; equals in the frames' order."""
        ...


def closest_of_distances(
    engine: Engine,
    queries_QW: NDArray[np.uint64],
    frames_NW: NDArray[np.uint64],
    bound_Q: NDArray[np.int32],
    k: int,
) -> Closest:
    """`Engine.closest` of an engine that has the distances in the processor's own memory."""
    return closest(engine.distances(queries_QW, frames_NW).T, bound_Q, k)


@dataclass(frozen=True, kw_only=True)
class NumpyEngine:
    """A query at a time against frames that stay in the cache."""

    name: str = "numpy"
    threads: int = field(default_factory=cores)
    tile_frames: int = 2048
    tile_queries: int = 480

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        """Differing bits of every pair: uint16 `[Q, N]`."""
        distance_QN = np.empty((len(queries_QW), len(frames_NW)), np.uint16)
        for query_W, distance_N in zip(queries_QW, distance_QN, strict=True):
            np.bitwise_count(frames_NW ^ query_W).sum(1, dtype=np.uint16, out=distance_N)
        return distance_QN

    closest = closest_of_distances


@dataclass(frozen=True, kw_only=True)
class NumbaEngine:
    """One compiled loop over pairs; a processor's vector popcount is used where it has one."""

    name: str = "numba"
    threads: int = field(default_factory=cores)
    tile_frames: int = 2048
    tile_queries: int = 480

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        """Differing bits of every pair: uint16 `[Q, N]`, laid out frame after frame."""
        distance_NQ = np.empty((len(frames_NW), len(queries_QW)), np.uint16)
        _compiled()(queries_QW, frames_NW, distance_NQ)
        return distance_NQ.T

    closest = closest_of_distances


def best_engine(device: str | None = None) -> Engine:
    """torch for a CUDA device, else numba, else numpy; None is a GPU where torch finds one, else the CPU."""
    device = device or ("cuda" if _has_gpu() else "cpu")
    if device.startswith("cuda"):
        return TorchEngine(device=device)
    try:
        importlib.import_module("numba")
    except ImportError:
        return NumpyEngine()
    return NumbaEngine()


def _has_gpu() -> bool:
    """torch takes seconds to import: it is asked only where a driver is."""
    if not DRIVER.exists():
        return False
    try:
        torch: Any = importlib.import_module("torch")
    except ImportError:
        return False
    return bool(torch.cuda.is_available())


@functools.cache
def _compiled() -> Callable[[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint16]], None]:
    """A loop that counts into its last argument, uint16 `[N, Q]`, without holding Python's lock."""
    numba: Any = importlib.import_module("numba")
    extending: Any = importlib.import_module("numba.extending")

    def popcount(_context: Any, _word: Any) -> Any:
        signature = numba.types.uint64(numba.types.uint64)
        return signature, lambda _target, builder, _signature, values: builder.ctpop(values[0])

    ones = extending.intrinsic(popcount)

    def count(
        queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64], distance_NQ: NDArray[np.uint16]
    ) -> None:
        frames, width = frames_NW.shape
        fours = frames - frames % 4  # four frames share each load of a query's word
        for n in range(0, fours, 4):
            for q in range(len(queries_QW)):
                a, b, c, d = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
                for w in range(width):
                    word = queries_QW[q, w]
                    a += ones(word ^ frames_NW[n, w])
                    b += ones(word ^ frames_NW[n + 1, w])
                    c += ones(word ^ frames_NW[n + 2, w])
                    d += ones(word ^ frames_NW[n + 3, w])
                distance_NQ[n, q], distance_NQ[n + 1, q] = a, b
                distance_NQ[n + 2, q], distance_NQ[n + 3, q] = c, d
        for n in range(fours, frames):
            for q in range(len(queries_QW)):
                a = np.uint64(0)
                for w in range(width):
                    a += ones(queries_QW[q, w] ^ frames_NW[n, w])
                distance_NQ[n, q] = a

    compiled: Callable[..., None] = numba.njit(nogil=True)(count)
    return compiled
