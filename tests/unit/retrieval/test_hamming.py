"""The exact search against a slow one, with many equals."""

from __future__ import annotations

import threading
import tracemalloc
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.retrieval.engines import NumpyEngine
from harness.retrieval.hamming import Neighbours, in_order, merge, nearest, spans
from harness.retrieval.shortlist import FAR

SMALL = NumpyEngine(threads=2, tile_frames=7, tile_queries=3)
"""Tile borders everywhere."""


def naive(
    queries_QHW: NDArray[np.uint32], database_NHW: NDArray[np.uint32], k: int, allowed_N: NDArray[np.bool_]
) -> Neighbours:
    """Bit by bit, one pair at a time."""
    distances_QK = np.full((len(queries_QHW), k), FAR, np.int32)
    indices_QK = np.full((len(queries_QHW), k), -1, np.int64)
    for q, query in enumerate(queries_QHW):
        pairs = sorted(
            (sum(int(x).bit_count() for x in (query ^ frame).flat), n)
            for n, frame in enumerate(database_NHW)
            if allowed_N[n]
        )
        for place, (distance, n) in enumerate(pairs[:k]):
            distances_QK[q, place], indices_QK[q, place] = distance, n
    return Neighbours(distances_QK=distances_QK, indices_QK=indices_QK)


def same(left: Neighbours, right: Neighbours) -> bool:
    return np.array_equal(left.distances_QK, right.distances_QK) and np.array_equal(
        left.indices_QK, right.indices_QK
    )


def few_distinct(rng: np.random.Generator, frames: int) -> NDArray[np.uint32]:
    """Frames of which many are equal and many equally far from each other: uint32 [N, 2, 3]."""
    kinds = rng.integers(2**18, size=(4, 2, 3), dtype=np.uint32) & np.uint32(0b11)
    return kinds[rng.integers(4, size=frames)]


@given(
    seed=st.integers(0, 2**32),
    queries=st.integers(0, 8),
    frames=st.integers(0, 60),
    k=st.integers(1, 70),
    allowed=st.floats(0, 1),
)
def test_a_search_finds_what_counting_bits_one_by_one_finds(
    seed: int, queries: int, frames: int, k: int, allowed: float
) -> None:
    rng = np.random.default_rng(seed)
    database_NHW = few_distinct(rng, frames)
    queries_QHW = few_distinct(rng, queries)
    allowed_N = rng.random(frames) < allowed
    found = nearest(queries_QHW, database_NHW, k, engine=SMALL, allowed_N=allowed_N)
    assert same(found, naive(queries_QHW, database_NHW, k, allowed_N))
    assert found.distances_QK.dtype == np.int32
    assert found.indices_QK.dtype == np.int64


@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 50), max_size=4), k=st.integers(1, 60))
def test_shards_merged_in_either_direction_are_one_search(seed: int, cuts: list[int], k: int) -> None:
    rng = np.random.default_rng(seed)
    queries_QHW, database_NHW = few_distinct(rng, 3), few_distinct(rng, 50)
    edges = [0, *sorted(cuts), 50]
    shards = [
        nearest(queries_QHW, database_NHW[begin:end], k, engine=SMALL).moved(begin)
        for begin, end in pairwise(edges)
    ]
    forward, backward = shards[0], shards[-1]
    for shard in shards[1:]:
        forward = merge(forward, shard, k)
    for shard in shards[-2::-1]:
        backward = merge(shard, backward, k)
    whole = nearest(queries_QHW, database_NHW, k, engine=SMALL)
    assert same(forward, whole)
    assert same(backward, whole)


def test_merging_short_lists_into_a_long_one_fills_it_with_nothing() -> None:
    rng = np.random.default_rng(0)
    queries_QHW, database_NHW = few_distinct(rng, 3), few_distinct(rng, 4)
    one = nearest(queries_QHW, database_NHW[:2], 2, engine=SMALL)
    two = nearest(queries_QHW, database_NHW[2:], 2, engine=SMALL).moved(2)
    assert same(merge(one, two, 6), nearest(queries_QHW, database_NHW, 6, engine=SMALL))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    rng = np.random.default_rng(1)
    queries_QHW, database_NHW = few_distinct(rng, 20), few_distinct(rng, 500)
    alone = nearest(queries_QHW, database_NHW, 9, engine=replace(SMALL, threads=1))
    assert same(nearest(queries_QHW, database_NHW, 9, engine=replace(SMALL, threads=threads)), alone)


def test_equal_frames_come_in_their_order() -> None:
    frame = np.random.default_rng(0).integers(2**18, size=(1, 16, 16), dtype=np.uint32)
    found = nearest(frame, np.repeat(frame, 100, axis=0), 30, engine=SMALL)
    assert found.indices_QK.tolist() == [list(range(30))]
    assert not found.distances_QK.any()


def test_opposite_frames_differ_in_every_bit() -> None:
    none = np.zeros((1, 16, 16), np.uint32)
    found = nearest(none, none + np.uint32(2**18 - 1), 1, engine=SMALL)
    assert found.distances_QK.tolist() == [[4608]]


@dataclass(frozen=True, kw_only=True)
class Counting(NumpyEngine):
    """Keeps the sizes of the tiles that it was asked for."""

    sizes: list[int]

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        self.sizes.append(len(queries_QW) * len(frames_NW))
        return super().distances(queries_QW, frames_NW)


def test_memory_does_not_grow_with_the_split(tmp_path: Path) -> None:
    """Four times the frames take the same memory, and no tile is larger than the engine's."""
    rng = np.random.default_rng(0)
    rng.integers(2**18, size=(8000, 16, 16), dtype=np.uint32).tofile(tmp_path / "video.bin")
    database_NHW = np.memmap(tmp_path / "video.bin", np.uint32, "r", shape=(8000, 16, 16))
    engine = Counting(threads=1, tile_frames=250, tile_queries=4, sizes=[])
    peaks = []
    for frames in (2000, 8000):
        tracemalloc.start()
        nearest(np.asarray(database_NHW[:8]), database_NHW[:frames], 10, engine=engine)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(engine.sizes) == 250 * 4
    assert peaks[1] < 1.1 * peaks[0] < 8000 * 1024 / 2


@dataclass(frozen=True, kw_only=True)
class Meeting(NumpyEngine):
    """Goes on only when two tiles are being worked on."""

    both: threading.Barrier

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        self.both.wait()
        return super().distances(queries_QW, frames_NW)


def test_two_threads_work_on_two_tiles_at_once() -> None:
    rng = np.random.default_rng(0)
    engine = Meeting(threads=2, tile_frames=5, both=threading.Barrier(2, timeout=20))
    database_NHW = few_distinct(rng, 20)  # four tiles: two meetings
    assert nearest(database_NHW[:1], database_NHW, 1, engine=engine).distances_QK.tolist() == [[0]]


def test_one_thread_works_on_one_tile_at_a_time() -> None:
    """So that the meeting above can fail."""
    rng = np.random.default_rng(0)
    engine = Meeting(threads=1, tile_frames=5, both=threading.Barrier(2, timeout=0.2))
    with pytest.raises(threading.BrokenBarrierError):
        nearest(few_distinct(rng, 1), few_distinct(rng, 20), 1, engine=engine)


def test_progress_counts_every_frame_once() -> None:
    told: list[int] = []

    def advance(amount: int = 1, /) -> None:
        told.append(amount)

    rng = np.random.default_rng(0)
    allowed_N = np.zeros(40, bool)
    nearest(
        few_distinct(rng, 2), few_distinct(rng, 40), 3, engine=SMALL, allowed_N=allowed_N, advance=advance
    )
    assert sum(told) == 40


def test_work_is_never_far_ahead_of_who_takes_it() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        return item

    results = in_order(work, range(100), 3)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    assert max(begun) <= 5 + 3
    results.close()  # type: ignore[attr-defined]  # a generator
    assert len(begun) < 20


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def work(item: int) -> int:
        return 1 // (item - 7)

    with pytest.raises(ZeroDivisionError):
        list(in_order(work, range(100), 3))


def test_spans_cover_everything_once() -> None:
    assert [list(span) for span in spans(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert spans(0, 3) == []
