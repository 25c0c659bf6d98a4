"""The nearest frames of a split, by brute force and exactly, in memory that does not grow with the split.

Distance is the number of differing bits, of 4,608 in the challenge's frames. Equals are in the order of their frames,
so that every engine, number of threads and way to cut a split gives the same answer.

Axes: Q query frames, N frames of a split, W words of a packed frame, K nearest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.progress import Advance, unheard
from harness.retrieval.engines import Engine, best_engine
from harness.retrieval.packing import words
from harness.retrieval.shortlist import FAR, Hits, Shortlist

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest frames of each query, ascending by (distance, index).

    Attributes:
        distances_QK: differing bits, int32; FAR where there are fewer than K frames.
        indices_QK: frames, int64; -1 there.
    """

    distances_QK: NDArray[np.int32]
    indices_QK: NDArray[np.int64]

    def moved(self, begin: int) -> Neighbours:
        """The same of a shard that begins at frame `begin` of its split."""
        found_QK = self.indices_QK >= 0
        return Neighbours(
            distances_QK=self.distances_QK, indices_QK=np.where(found_QK, self.indices_QK + begin, -1)
        )


def nearest(
    queries_QHW: NDArray[np.uint32],
    database_NHW: NDArray[np.uint32],
    k: int,
    *,
    engine: Engine | None = None,
    allowed_N: NDArray[np.bool_] | None = None,
    advance: Advance = unheard,
) -> Neighbours:
    """The k nearest of the frames that are allowed; `advance` is told how many frames were searched.

    `database_NHW` may be a memory map of any size: a few thousand frames of it are looked at together.
    """
    engine = engine or best_engine()
    queries_QW = words(queries_QHW)
    shortlist = Shortlist(len(queries_QW), k)
    blocks = spans(len(queries_QW), engine.tile_queries)

    def search(tile: range) -> tuple[int, list[Hits]]:
        frames = np.arange(tile.start, tile.stop)
        if allowed_N is not None:
            frames = frames[allowed_N[tile.start : tile.stop]]
        frames_NW = words(database_NHW[tile.start : tile.stop][frames - tile.start])
        bound_Q = shortlist.bound_Q
        found = []
        for block in blocks if len(frames) else []:
            here = slice(block.start, block.stop)
            row, query, distance = engine.closest(queries_QW[here], frames_NW, bound_Q[here], k)
            found.append(Hits(queries=query + block.start, distances=distance, frames=frames[row]))
        return len(tile), found

    for searched, found in in_order(search, spans(len(database_NHW), engine.tile_frames), engine.threads):
        for hits in found:
            shortlist.add(hits)
        advance(searched)
    shortlist.settle()
    return Neighbours(distances_QK=shortlist.distances_QK, indices_QK=shortlist.frames_QK)


def merge(left: Neighbours, right: Neighbours, k: int) -> Neighbours:
    """The k nearest of both; whatever the order in which shards are merged, the answer is that of one search."""
    distance_QM = np.concatenate([left.distances_QK, right.distances_QK], axis=1)
    index_QM = np.concatenate([left.indices_QK, right.indices_QK], axis=1)
    missing = k - distance_QM.shape[1]
    if missing > 0:
        distance_QM = np.pad(distance_QM, ((0, 0), (0, missing)), constant_values=FAR)
        index_QM = np.pad(index_QM, ((0, 0), (0, missing)), constant_values=-1)
    order_QK = np.lexsort((index_QM, distance_QM), axis=1)[:, :k]
    return Neighbours(
        distances_QK=np.take_along_axis(distance_QM, order_QK, axis=1),
        indices_QK=np.take_along_axis(index_QM, order_QK, axis=1),
    )


def spans(count: int, size: int) -> list[range]:
    """0..count-1 in pieces of `size`."""
    return [range(begin, min(begin + size, count)) for begin in range(0, count, size)]


def in_order(work: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """The results of `work` in the order of `items`, `threads` at once and never many more ahead than that."""
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[Result]] = deque()
        try:
            for item in items:
                ahead.append(pool.submit(work, item))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
