"""The training moments nearest to what a window's frames showed, streamed over the training split.

Frames of one moment are near-copies of each other, so a segment is cut into stretches of one stride, called moments,
and of each only its nearest frame counts. Frames without a successor belong to none. Distances are made once and serve
every list.

Axes: B graded windows, F observed frames of a window, Q = B*F of them (row b*F + f), N frames of a tile, M moments,
S training segments. Inside a tile columns are ordered f first: column f*B + b.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.windows import Segments, find_segments
from harness.progress import Advance
from harness.retrieval.engines import Engine
from harness.retrieval.hamming import in_order, spans
from harness.retrieval.packing import words
from harness.retrieval.shortlist import NOTHING, Hits, Shortlist, closest

RECENT = 4
"""How many observed frames the second list looks back."""


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Stretches of at most one stride, in order, none across a segment's border: int64 `[M]`.

    Attributes:
        firsts, lasts: their first and last frames.
        segments: the index of the segment of each.
    """

    firsts: NDArray[np.int64]
    lasts: NDArray[np.int64]
    segments: NDArray[np.int64]


def moments_of(segments: Segments, stride: int) -> Moments:
    """The moments of all frames that have a successor a stride later in their segment."""
    usable_S = np.maximum(segments.ends - segments.begins - stride, 0)
    moments_S = -(-usable_S // stride)
    segment_M = np.repeat(np.arange(len(moments_S)), moments_S)
    before_S = np.cumsum(moments_S) - moments_S
    first_M = segments.begins[segment_M] + (np.arange(len(segment_M)) - before_S[segment_M]) * stride
    end_M = np.minimum(first_M + stride, (segments.begins + usable_S)[segment_M])
    return Moments(firsts=first_M, lasts=end_M - 1, segments=segment_M)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search collects: moments near the last frame, near the last four, and each segment's nearest."""

    last: Shortlist
    recent: Shortlist
    segment: Shortlist

    @property
    def lists(self) -> tuple[Shortlist, ...]:
        """All three."""
        return self.last, self.recent, self.segment


def search_moments(
    queries_BFW: NDArray[np.uint64],
    train: Clip,
    *,
    stride: int,
    per_list: int,
    best_of: int,
    engine: Engine,
    advance: Advance,
) -> Found:
    """The `per_list` nearest moments of each observed frame by both distances, and one of `best_of` segments.

    The distance to the last four is summed over frame f and a training frame, f - 1 and the one a stride earlier, and
    so on for the min(4, f + 1) frames observed; training frames too early in their segment for it are on no such
    list. Each moment is given as its nearest frame. `advance` is told frames of the training split.
    """
    segments = find_segments(train.segment_ids_N)
    queries = queries_BFW.shape[0] * queries_BFW.shape[1]
    found = Found(
        last=Shortlist(queries, per_list),
        recent=Shortlist(queries, per_list),
        segment=Shortlist(queries, best_of, group_of=segments.holding),
    )
    search = _Search(
        queries_BFW=queries_BFW,
        train=train,
        segments=segments,
        moments=moments_of(segments, stride),
        stride=stride,
        engine=engine,
        found=found,
    )
    searched = 0
    for end, blocks in in_order(search.tile, search.tiles(), engine.threads):
        for block in blocks:
            for shortlist, hits in zip(found.lists, block, strict=True):
                shortlist.add(hits)
        advance(end - searched)
        searched = end
    for shortlist in found.lists:
        shortlist.settle()
    advance(train.num_frames - searched)
    return found


@dataclass(frozen=True, kw_only=True)
class _Tile:
    """Distances of some columns to the frames of some moments; places count from the tile's first frame.

    Attributes:
        distance_NQ: uint16.
        first_M, last_M: places.
        begin: the first frame.
    """

    distance_NQ: NDArray[np.uint16]
    first_M: NDArray[np.int64]
    last_M: NDArray[np.int64]
    begin: int

    def best(self, stride: int) -> NDArray[np.uint16]:
        """The least distance of each moment: uint16 `[M, Q]`."""
        best_MQ = self.distance_NQ[self.first_M]
        for later in range(1, stride):
            np.minimum(best_MQ, self.distance_NQ[np.minimum(self.first_M + later, self.last_M)], out=best_MQ)
        return best_MQ

    def hits(self, moment: NDArray[np.int64], column: NDArray[np.int64], rows_Q: NDArray[np.int64]) -> Hits:
        """The nearest frame, the first of equals, of these moments for these columns."""
        length = int((self.last_M - self.first_M).max(initial=0)) + 1
        place = np.minimum(self.first_M[moment, None] + np.arange(length), self.last_M[moment, None])
        nearest = place[np.arange(len(place)), self.distance_NQ[place, column[:, None]].argmin(1)]
        return Hits(
            queries=rows_Q[column],
            distances=self.distance_NQ[nearest, column],
            frames=nearest + self.begin,
        )


@dataclass(frozen=True, kw_only=True)
class _Search:
    """What every tile needs; a tile reads the bounds of `found` and changes nothing."""

    queries_BFW: NDArray[np.uint64]
    train: Clip
    segments: Segments
    moments: Moments
    stride: int
    engine: Engine
    found: Found

    def tiles(self) -> list[range]:
        """The moments in pieces that lie within a tile's frames: short segments may keep two of them far apart."""
        tile_M = self.moments.firsts // max(self.stride, self.engine.tile_frames)
        edges = [*np.unique(tile_M, return_index=True)[1].tolist(), len(tile_M)]
        return [range(begin, end) for begin, end in pairwise(edges)]

    def tile(self, moments: range) -> tuple[int, list[tuple[Hits, ...]]]:
        """Where these moments end, and their hits of every block of windows."""
        begin = int(self.moments.firsts[moments.start])
        end = int(self.moments.lasts[moments.stop - 1]) + 1
        early = min(begin, (RECENT - 1) * self.stride)
        frames_NW = words(self.train.tokens_NHW[begin - early : end])
        windows, observed = self.queries_BFW.shape[:2]
        blocks = spans(windows, max(1, self.engine.tile_queries // observed))
        return end, [self._block(moments, block, frames_NW, early) for block in blocks]

    def _block(
        self, moments: range, windows: range, frames_NW: NDArray[np.uint64], early: int
    ) -> tuple[Hits, ...]:
        """The hits of some windows among some moments, for each list; `early` frames come before the moments."""
        here = slice(moments.start, moments.stop)
        begin = int(self.moments.firsts[moments.start])
        queries_FBW = self.queries_BFW[windows.start : windows.stop].swapaxes(0, 1)
        observed, count, width = queries_FBW.shape
        rows_Q = (np.arange(windows.start, windows.stop) * observed + np.arange(observed)[:, None]).ravel()
        distance_NQ = np.ascontiguousarray(self.engine.distances(queries_FBW.reshape(-1, width), frames_NW).T)
        age_N = self._ages(begin, len(frames_NW) - early)
        recent_NFB = recent_distances(distance_NQ.reshape(-1, observed, count), age_N, early, self.stride)
        places = {
            "first_M": self.moments.firsts[here] - begin,
            "last_M": self.moments.lasts[here] - begin,
        }
        last = _Tile(distance_NQ=distance_NQ[early:], begin=begin, **places)
        recent = _Tile(distance_NQ=recent_NFB.reshape(len(age_N), -1), begin=begin, **places)
        last_MQ, recent_MQ = last.best(self.stride), recent.best(self.stride)
        segment_M = self.moments.segments[here]
        return (
            last.hits(*_near(last_MQ, self.found.last, rows_Q), rows_Q),
            recent.hits(*_near(recent_MQ, self.found.recent, rows_Q), rows_Q),
            last.hits(*_near_by_segment(last_MQ, segment_M, self.found.segment, rows_Q), rows_Q),
        )

    def _ages(self, begin: int, frames: int) -> NDArray[np.int64]:
        """How many frames of its segment come before each: int64 `[N]`."""
        frame_N = np.arange(begin, begin + frames)
        return frame_N - self.segments.begins[self.segments.holding(frame_N)]


def _near(
    best_MQ: NDArray[np.uint16], shortlist: Shortlist, rows_Q: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Moments and columns that belong on the shortlist."""
    return closest(best_MQ, shortlist.bound_Q[rows_Q], shortlist.k)[:2]


def _near_by_segment(
    best_MQ: NDArray[np.uint16],
    segment_M: NDArray[np.int64],
    shortlist: Shortlist,
    rows_Q: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same of each segment's nearest moment alone; distance and moment share a number, the least tells both."""
    key_MQ = best_MQ.astype(np.int64) << 32 | np.arange(len(best_MQ))[:, None]
    key_SQ = np.minimum.reduceat(key_MQ, np.flatnonzero(np.diff(segment_M, prepend=-1)), axis=0)
    segment, column = _near((key_SQ >> 32).astype(np.uint16), shortlist, rows_Q)
    return key_SQ[segment, column] & 0xFFFFFFFF, column


def recent_distances(
    distance_NFB: NDArray[np.uint16], age_N: NDArray[np.int64], early: int, stride: int
) -> NDArray[np.uint16]:
    """Distances summed over the last frames: uint16 `[N, F, B]`, for all but the `early` first frames.

    `age_N` is how many frames of its segment come before each; too few for all of f's frames make NOTHING.
    """
    frames, observed = len(age_N), distance_NFB.shape[1]
    sum_NFB = distance_NFB[early:].copy()
    for back in range(1, min(RECENT, observed)):
        first = min(max(0, back * stride - early), frames)
        source_NFB = distance_NFB[max(0, early - back * stride) :][: frames - first]
        sum_NFB[first:, back:] += source_NFB[:, : observed - back]
    for back in range(1, min(RECENT, observed)):
        sum_NFB[age_N < back * stride, back:] = NOTHING
    return sum_NFB
