"""The nearest frames of every query so far, while a long search streams by.

Axes: Q query frames, K kept, M hits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FAR = int(np.iinfo(np.int32).max)
"""The distance where there is no frame."""

NOTHING = int(np.iinfo(np.uint16).max)
"""In a tile of distances: no such pair."""


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Pairs that may belong on a shortlist, `[M]` each; equals of one query in the order of their frames."""

    queries: NDArray[np.int64]
    distances: NDArray[np.uint16]
    frames: NDArray[np.int64]


Closest: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint16]]
"""Row and column of a tile and the distance there: `[M]` each."""


def closest(distance_NQ: NDArray[np.uint16], bound_Q: NDArray[np.int32], k: int) -> Closest:
    """What is below its query's bound, or each query's k smallest of it; equals in the order of their rows.

    Only the few cells below the bounds are looked at; where they are many, each query's k smallest are sorted out. A
    distance of NOTHING is never below a bound.
    """
    below_NQ = distance_NQ < np.minimum(bound_Q, NOTHING).astype(np.uint16)
    if np.count_nonzero(below_NQ) > k * len(bound_Q):
        order_KQ = np.argsort(distance_NQ, axis=0, kind="stable")[:k]
        place_M, query_M = np.nonzero(np.take_along_axis(below_NQ, order_KQ, axis=0))
        row_M = order_KQ[place_M, query_M]
    else:
        # np.nonzero takes ten times as long
        row_M, query_M = np.divmod(np.flatnonzero(below_NQ), len(bound_Q))
    return row_M, query_M, distance_NQ[row_M, query_M]


class Shortlist:
    """The k nearest frames of each query among those added, ascending by (distance, frame).

    Hits are collected and sorted many at once. `bound_Q` (int32) is what a distance must be below to matter; it only
    falls, so an old one is safe to use.
    """

    def __init__(
        self,
        queries: int,
        k: int,
        *,
        group_of: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None,
    ) -> None:
        """Of several frames with one `group_of`, a query keeps the nearest only."""
        self.k = k
        self.bound_Q = np.full(queries, FAR, np.int32)
        self.distances_QK = np.full((queries, k), FAR, np.int32)
        self.frames_QK = np.full((queries, k), -1, np.int64)
        self._group_of = group_of
        self._waiting: list[Hits] = []
        self._num_waiting = 0

    def add(self, hits: Hits) -> None:
        """Take hits whose frames come after all that were added before."""
        self._waiting.append(hits)
        self._num_waiting += len(hits.frames)
        if self._num_waiting >= self.frames_QK.size:
            self.settle()

    def settle(self) -> None:
        """Sort what was added; the arrays hold it from now on."""
        old_Q, old_K = np.nonzero(self.frames_QK >= 0)
        query = np.concatenate([old_Q, *(hits.queries for hits in self._waiting)])
        distance = np.concatenate(
            [self.distances_QK[old_Q, old_K], *(hits.distances for hits in self._waiting)]
        )
        frame = np.concatenate([self.frames_QK[old_Q, old_K], *(hits.frames for hits in self._waiting)])
        self._waiting, self._num_waiting = [], 0
        order = np.lexsort((distance, query))  # stable: equals stay in the order of their frames
        query, distance, frame = query[order], distance[order], frame[order]
        if self._group_of is not None:
            first = _first_of_group(query, self._group_of(frame))
            query, distance, frame = query[first], distance[first], frame[first]
        rank = np.arange(len(query)) - np.searchsorted(query, np.arange(len(self.bound_Q)))[query]
        kept = rank < self.k
        self.distances_QK[query[kept], rank[kept]] = distance[kept]
        self.frames_QK[query[kept], rank[kept]] = frame[kept]
        self.bound_Q = self.distances_QK[:, -1].copy()


def _first_of_group(query: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places, ascending, at which a pair of query and group stands for the first time."""
    pair = query * (int(group.max(initial=0)) + 1) + group
    return np.sort(np.unique(pair, return_index=True)[1])
