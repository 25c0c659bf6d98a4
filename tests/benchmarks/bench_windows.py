"""Indexing the training split: vectorised against a straightforward loop, in one run.

Run: python tests/benchmarks/bench_windows.py
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.data.windows import Schedule, find_segments, window_starts
from harness.spec import CHALLENGE

FRAMES, SEGMENTS = 10_832_584, 16_652
SHORTEST, LONGEST = 226, 38_420
REPEATS = 5

T = TypeVar("T")


def training_split(rng: np.random.Generator) -> NDArray[np.int32]:
    """Segment ids `[N]` with the training split's numbers: lengths are skewed, one of each extreme."""
    share = rng.lognormal(sigma=1.5, size=SEGMENTS)
    lengths = np.clip(share / share.sum() * FRAMES, SHORTEST, LONGEST).astype(np.int64)
    lengths[:2] = SHORTEST, LONGEST
    while surplus := int(lengths.sum()) - FRAMES:
        able = np.flatnonzero((lengths > SHORTEST) if surplus > 0 else (lengths < LONGEST))
        able = able[able > 1]
        chosen = rng.choice(able, size=min(abs(surplus), len(able)), replace=False)
        lengths[chosen] -= np.sign(surplus)
    return np.repeat(np.arange(SEGMENTS, dtype=np.int32), rng.permutation(lengths))


def vectorised(segment_ids_N: NDArray[np.int32], schedule: Schedule) -> NDArray[np.int64]:
    """What a grade does."""
    return window_starts(find_segments(segment_ids_N), schedule)


def loop_upstream(segment_ids_N: NDArray[np.int32]) -> list[int]:
    """1X's rule, start by start."""
    reach = CHALLENGE.raw_span - 1
    valid = np.flatnonzero(segment_ids_N[:-reach] == segment_ids_N[reach:]).tolist()
    before = [CHALLENGE.stride * i for i in range(1, CHALLENGE.window)]
    kept: list[int] = []
    seen: set[int] = set()
    for start in valid:
        if not any(start - back in seen for back in before):
            kept.append(start)
            seen.add(start)
    return kept


def loop_disjoint(segment_ids_N: NDArray[np.int32]) -> list[int]:
    """The earliest windows that do not touch, start by start."""
    reach = CHALLENGE.raw_span - 1
    kept: list[int] = []
    free_from = 0
    for start in np.flatnonzero(segment_ids_N[:-reach] == segment_ids_N[reach:]).tolist():
        if start >= free_from:
            kept.append(start)
            free_from = start + CHALLENGE.raw_span
    return kept


def timed(work: Callable[[], T], *, repeats: int) -> tuple[float, T]:
    """The least seconds of `repeats` runs, and the result."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - begin)
    return min(seconds), result


def peak_bytes(work: Callable[[], object]) -> int:
    """The most memory that `work` had allocated at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def main() -> None:
    """Print one line per schedule."""
    segment_ids_N = training_split(np.random.default_rng(0))
    print(f"{len(segment_ids_N):,} frames in {SEGMENTS:,} segments")
    for schedule, loop in ((Schedule.DISJOINT, loop_disjoint), (Schedule.UPSTREAM, loop_upstream)):
        fast_s, starts = timed(lambda s=schedule: vectorised(segment_ids_N, s), repeats=REPEATS)
        slow_s, expected = timed(lambda f=loop: f(segment_ids_N), repeats=1)
        if not np.array_equal(starts, expected):
            raise SystemExit(f"{schedule.value}: the two ways disagree")
        peak = peak_bytes(lambda s=schedule: vectorised(segment_ids_N, s))
        print(
            f"{schedule.value}: {len(starts):,} windows in {fast_s:.3f} s, peak {peak / 1e6:.0f} MB; "
            f"plain loop {slow_s:.2f} s; ratio {slow_s / fast_s:.0f}"
        )


if __name__ == "__main__":
    main()
