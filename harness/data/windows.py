"""Which windows of a clip are graded, and in which order they may be shown.

A window is `spec.window` frames, `spec.stride` raw frames apart, inside one segment; it is named by its first raw
frame, its start. Starts are int64 `[B]`, increasing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from harness.spec import CHALLENGE, ChallengeSpec


class Schedule(str, Enum):
    """Which windows are graded."""

    DISJOINT = "disjoint"
    """Per segment, windows whose raw spans do not touch, earliest first."""
    UPSTREAM = "upstream"
    """1X's own list; windows of segments longer than one window interleave and leak."""


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Where each segment of a clip begins and ends: int64 `[S]`, `ends` exclusive."""

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def holding(self, frames: NDArray[np.int64]) -> NDArray[np.int64]:
        """The index of the segment that holds each raw frame, same shape."""
        return np.searchsorted(self.begins, frames, side="right") - 1


def find_segments(segment_ids_N: NDArray[np.int32]) -> Segments:
    """The runs of equal ids in a non-decreasing `[N]`."""
    edges = np.flatnonzero(segment_ids_N[1:] != segment_ids_N[:-1]).astype(np.int64) + 1
    return Segments(
        begins=np.concatenate([[0], edges]),
        ends=np.concatenate([edges, [len(segment_ids_N)]]),
    )


def window_starts(
    segments: Segments, schedule: Schedule, spec: ChallengeSpec = CHALLENGE
) -> NDArray[np.int64]:
    """The starts of the graded windows, increasing.

    `UPSTREAM` equals 1X's loader with `filter_interrupts` and `filter_overlaps`: a start is kept unless the start
    1 to T-1 strides before it was kept. Within a segment this keeps the first `stride` starts of every
    `stride * window`; a window never reaches the next segment's starts, so segments do not interact.
    """
    if schedule is Schedule.DISJOINT:
        period, kept = spec.raw_span, 1
    else:
        period, kept = spec.stride * spec.window, spec.stride
    valid_S = np.maximum(segments.ends - segments.begins - spec.raw_span + 1, 0)
    periods_S = -(-valid_S // period)
    offsets = np.arange(kept)
    blocks = _ragged_arange(periods_S) * period + np.repeat(segments.begins, periods_S)
    limits = np.repeat(segments.begins + valid_S, periods_S)
    starts = blocks[:, None] + offsets
    return starts[starts < limits[:, None]]


def window_frames(starts: NDArray[np.int64], spec: ChallengeSpec = CHALLENGE) -> NDArray[np.int64]:
    """The raw frames of each window: `[B]` -> `[B, T]`."""
    return starts[:, None] + spec.stride * np.arange(spec.window)


def serving_order(
    starts: NDArray[np.int64],
    segments: Segments,
    *,
    max_batch: int,
    rng: np.random.Generator,
    draws: int = 1,
) -> list[NDArray[np.int64]]:
    """Batches of indices into `starts`, in the order in which they are shown.

    The k-th windows of all segments form round k. A round is finished before the next begins, so a batch never
    holds two windows of one segment; order and batches within a round are drawn from `rng`.

    With several draws each round is shown that many times before the next begins, in other batches, for the next
    one discloses frames of this one's future. Window i of draw d is then d * len(starts) + i, and the first draw's
    batches are those of one draw alone.
    """
    rounds_B = _rank_within_group(segments.holding(starts))
    rngs = [rng, *rng.spawn(draws - 1)]
    batches: list[NDArray[np.int64]] = []
    for k in range(int(rounds_B.max(initial=-1)) + 1):
        for draw, draw_rng in enumerate(rngs):
            members = draw_rng.permutation(np.flatnonzero(rounds_B == k)) + draw * len(starts)
            batches += [members[i : i + max_batch] for i in range(0, len(members), max_batch)]
    return batches


def _ragged_arange(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """0..n-1 for each n of `lengths`, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)


def _rank_within_group(group_B: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many earlier elements have the same group; `group_B` is sorted."""
    _, counts = np.unique(group_B, return_counts=True)
    return _ragged_arange(counts)
