"""The candidates against a slow search that is written from their definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data.clips import Clip, ClipMetadata
from harness.data.truth import ClipTruth
from harness.data.windows import find_segments
from harness.retrieval.engines import NumpyEngine
from harness.retrieval.hamming import nearest
from harness.retrieval.neighbours import (
    PER_LIST,
    SEGMENTS,
    Candidates,
    candidates_for,
    find_candidates,
    thinned,
)
from harness.spec import ChallengeSpec

SPEC = ChallengeSpec(stride=3, window=7, height=2, width=2)
ENGINE = NumpyEngine(threads=2, tile_frames=10, tile_queries=8)
"""Tile borders everywhere: three moments and one window a tile."""

DIGESTS = {"train_sha256": "a" * 64, "data_sha256": "b" * 64}


def clip(tokens_NHW: NDArray[np.uint32], lengths: list[int]) -> Clip:
    ids_N = np.repeat(np.arange(len(lengths), dtype=np.int32) * 2 + 5, lengths)
    metadata = ClipMetadata(num_images=len(ids_N))
    return Clip(
        folder=Path("nowhere"),
        metadata=metadata,
        tokens_NHW=tokens_NHW[: len(ids_N)],
        segment_ids_N=ids_N,
        actions=MappingProxyType({}),
    )


def tokens(rng: np.random.Generator, frames: int) -> NDArray[np.uint32]:
    """Frames of few kinds, so that many are equally far."""
    kinds = rng.integers(2**18, size=(9, 2, 2), dtype=np.uint32) & np.uint32(0b111)
    return kinds[rng.integers(9, size=frames)]


def bits(left: NDArray[np.uint32], right: NDArray[np.uint32]) -> int:
    return sum(int(x).bit_count() for x in (left ^ right).flat)


def slow_list(
    observed: list[NDArray[np.uint32]], train: Clip, *, best_of_segment: bool = False
) -> list[tuple[int, int]]:
    """(distance, position) of each moment's nearest frame, or of each segment's, best first."""
    segments, best = find_segments(train.segment_ids_N), []
    for begin, end in zip(segments.begins.tolist(), segments.ends.tolist(), strict=True):
        for first in range(begin, end - 3, end if best_of_segment else 3):
            last = end - 3 if best_of_segment else min(first + 3, end - 3)
            reachable = [n for n in range(first, last) if n - 3 * (len(observed) - 1) >= begin]
            pairs = [
                (sum(bits(frame, train.tokens_NHW[n - 3 * i]) for i, frame in enumerate(observed)), n)
                for n in reachable
            ]
            best += [min(pairs)] if pairs else []
    return sorted(best)


def slow_row(truth: ClipTruth, train: Clip, b: int, t: int) -> list[int]:
    seen = [truth.clip.tokens_NHW[truth.starts[b] + 3 * f] for f in range(t - 1, -1, -1)]
    row: list[int] = []
    for observed in (seen[:1], seen[:4]):
        kept: list[int] = []
        for _, n in slow_list(observed, train):
            if all(abs(n - other) >= 3 for other in kept):
                kept.append(n)
        row += (kept + [-1] * PER_LIST)[:PER_LIST]
    row += ([n for _, n in slow_list(seen[:1], train, best_of_segment=True)] + [-1] * SEGMENTS)[:SEGMENTS]
    return [-1 if n in row[:place] else n for place, n in enumerate(row)]


@pytest.fixture
def truth() -> ClipTruth:
    graded = clip(tokens(np.random.default_rng(7), 60), [30, 30])
    return ClipTruth(clip=graded, starts=np.array([0, 32]), spec=SPEC)


@pytest.fixture
def train() -> Clip:
    return clip(tokens(np.random.default_rng(8), 60), [25, 2, 4, 29])


@given(seed=st.integers(0, 2**32), lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_candidates_are_what_their_definition_says(seed: int, lengths: list[int]) -> None:
    rng = np.random.default_rng(seed)
    train = clip(tokens(rng, sum(lengths)), lengths)
    truth = ClipTruth(clip=clip(tokens(rng, 45), [45]), starts=np.array([2, 24]), spec=SPEC)
    found = find_candidates(truth, train, engine=ENGINE)
    for b in range(2):
        for t in (1, 2, 4, 6):
            assert found.positions_BTC[b, t - 1].tolist() == slow_row(truth, train, b, t)


def test_more_moments_than_a_list_holds_leave_the_nearest(truth: ClipTruth) -> None:
    """400 moments and 20 segments, so that both kinds of list are cut."""
    train = clip(tokens(np.random.default_rng(3), 1200), [60] * 20)
    found = find_candidates(truth, train, engine=replace(ENGINE, tile_frames=100))
    assert found.positions_BTC[1, 4].tolist() == slow_row(truth, train, 1, 5)
    assert (found.positions_BTC[..., :PER_LIST] >= 0).all()


@pytest.mark.parametrize(
    "engine",
    [
        replace(ENGINE, threads=5),
        replace(ENGINE, tile_frames=1),
        replace(ENGINE, tile_queries=1),
        NumpyEngine(),
    ],
)
def test_threads_and_tiles_change_nothing(truth: ClipTruth, train: Clip, engine: NumpyEngine) -> None:
    expected = find_candidates(truth, train, engine=ENGINE)
    found = find_candidates(truth, train, engine=engine)
    assert np.array_equal(found.positions_BTC, expected.positions_BTC)


def test_every_source_is_the_successor_in_the_same_segment(truth: ClipTruth, train: Clip) -> None:
    found = find_candidates(truth, train, engine=ENGINE)
    there = found.positions_BTC >= 0
    assert there.any(axis=2).all()
    assert np.array_equal(there, found.sources_BTC >= 0)
    assert np.array_equal(found.sources_BTC[there], found.positions_BTC[there] + 3)
    ids_N = train.segment_ids_N
    assert np.array_equal(ids_N[found.sources_BTC[there]], ids_N[found.positions_BTC[there]])
    assert np.array_equal(found.segments_BTC[there], ids_N[found.positions_BTC[there]])
    assert (found.segments_BTC[~there] == -1).all()


def test_tokens_are_the_sources_that_there_are(truth: ClipTruth, train: Clip) -> None:
    found = find_candidates(truth, train, engine=ENGINE)
    source_C = [n for n in found.sources_BTC[1, 2].tolist() if n >= 0]
    assert np.array_equal(found.tokens(1, 2), train.tokens_NHW[source_C])


def test_a_window_that_is_in_train_finds_itself(train: Clip) -> None:
    """In both lists, so the second time as -1: its best is the first list's."""
    unique = np.random.default_rng(0).integers(2**18, size=(60, 2, 2), dtype=np.uint32)
    train = replace(train, tokens_NHW=unique)
    found = find_candidates(ClipTruth(clip=train, starts=np.array([4]), spec=SPEC), train, engine=ENGINE)
    assert found.positions_BTC[0, :, 0].tolist() == [4, 7, 10, 13, 16, 19]
    assert found.positions_BTC[0, :, PER_LIST].tolist() == [-1] * 6


def test_the_first_column_is_the_nearest_frame_with_a_successor(truth: ClipTruth, train: Clip) -> None:
    found = find_candidates(truth, train, engine=ENGINE)
    ids_N = train.segment_ids_N
    allowed_N = np.append(ids_N[:-3] == ids_N[3:], [False] * 3)
    last_QHW = truth.tokens_at(np.array([0, 1]), 3)
    expected = nearest(last_QHW, train.tokens_NHW, 1, engine=ENGINE, allowed_N=allowed_N)
    assert found.positions_BTC[:, 3, 0].tolist() == expected.indices_QK[:, 0].tolist()


def test_a_split_without_any_successor_has_no_candidates(truth: ClipTruth) -> None:
    found = find_candidates(truth, clip(tokens(np.random.default_rng(0), 9), [3, 3, 3]), engine=ENGINE)
    assert found.positions_BTC.shape == (2, 6, 2 * PER_LIST + SEGMENTS)
    assert (found.positions_BTC == -1).all()
    assert found.tokens(0, 0).shape == (0, 2, 2)


def test_no_windows_have_no_candidates(truth: ClipTruth, train: Clip) -> None:
    found = find_candidates(replace(truth, starts=np.empty(0, np.int64)), train, engine=ENGINE)
    assert found.positions_BTC.shape == (0, 6, 2 * PER_LIST + SEGMENTS)


def test_thinning_keeps_the_better_of_two_within_a_stride() -> None:
    rows = np.array([[10, 12, 14, 13, 7, -1], [5, 5, -1, -1, -1, -1]])
    assert thinned(rows, 4, 3).tolist() == [[10, 14, 7, -1], [5, -1, -1, -1]]


class Unused(NumpyEngine):
    """Whoever searches anew fails."""

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        raise AssertionError("searched again")


def kept(truth: ClipTruth, train: Clip, folder: Path, **changes: str) -> Candidates:
    return candidates_for(truth, train, folder=folder, engine=ENGINE, **{**DIGESTS, **changes})


def test_candidates_are_found_again_without_a_search(truth: ClipTruth, train: Clip, tmp_path: Path) -> None:
    first = kept(truth, train, tmp_path / "made")
    again = candidates_for(truth, train, folder=tmp_path / "made", engine=Unused(), **DIGESTS)
    assert np.array_equal(again.positions_BTC, first.positions_BTC)
    assert (again.engine, again.spec) == (first.engine, SPEC)


@pytest.mark.parametrize("change", [{"train_sha256": "c" * 64}, {"data_sha256": "c" * 64}])
def test_other_data_is_searched_anew(
    truth: ClipTruth, train: Clip, tmp_path: Path, change: dict[str, str]
) -> None:
    kept(truth, train, tmp_path)
    kept(truth, train, tmp_path, **change)
    kept(replace(truth, starts=truth.starts[:1]), train, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "longer"])
def test_a_damaged_file_is_made_again(truth: ClipTruth, train: Clip, tmp_path: Path, damage: str) -> None:
    first = kept(truth, train, tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[: len(content) // 2],
            "flipped": content[:200] + bytes([content[200] ^ 0xFF]) + content[201:],
            "longer": content + b"\0",
        }[damage]
    )
    assert np.array_equal(kept(truth, train, tmp_path).positions_BTC, first.positions_BTC)
    again = candidates_for(truth, train, folder=tmp_path, engine=Unused(), **DIGESTS)
    assert np.array_equal(again.positions_BTC, first.positions_BTC)
