"""Moments, and the distance to the last four frames."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip, ClipMetadata
from harness.data.windows import find_segments
from harness.retrieval.engines import Engine, NumpyEngine
from harness.retrieval.moments import Found, moments_of, search_moments
from harness.retrieval.packing import words

ENGINE = NumpyEngine(threads=1, tile_frames=10)


def noise(frames: int, seed: int) -> NDArray[np.uint32]:
    return np.random.default_rng(seed).integers(2**18, size=(frames, 2, 2), dtype=np.uint32)


def search(
    seen_FHW: NDArray[np.uint32],
    tokens_NHW: NDArray[np.uint32],
    told: list[int],
    *,
    lengths: tuple[int, ...] = (),
    engine: Engine = ENGINE,
) -> Found:
    """One window against one segment, or segments of these lengths, with a stride of 3."""

    def advance(amount: int = 1, /) -> None:
        told.append(amount)

    lengths = lengths or (len(tokens_NHW),)
    train = Clip(
        folder=Path("nowhere"),
        metadata=ClipMetadata(num_images=len(tokens_NHW)),
        tokens_NHW=tokens_NHW,
        segment_ids_N=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        actions=MappingProxyType({}),
    )
    return search_moments(
        words(seen_FHW)[None], train, stride=3, per_list=2, best_of=1, engine=engine, advance=advance
    )


@dataclass(frozen=True, kw_only=True)
class Counting(NumpyEngine):
    """Keeps how many frames it was given at once."""

    frames: list[int]

    def distances(self, queries_QW: NDArray[np.uint64], frames_NW: NDArray[np.uint64]) -> NDArray[np.uint16]:
        self.frames.append(len(frames_NW))
        return super().distances(queries_QW, frames_NW)


def test_short_segments_between_two_moments_are_not_held_in_memory() -> None:
    frames, told = noise(800, 0), list[int]()
    engine = Counting(threads=1, tile_frames=10, frames=[])
    found = search(frames[[4, 793]], frames, told, lengths=(13, *[2] * 387, 13), engine=engine)
    assert found.last.frames_QK[:, 0].tolist() == [4, 793]
    assert sum(told) == 800
    assert max(engine.frames) <= 10 + 3 * 3 + 3


def test_the_last_four_frames_tell_what_the_last_one_hides() -> None:
    """The last frame stands at 40, and but for one bit at 20, where the three before it stand too."""
    frames = noise(100, 0)
    seen = frames[[11, 14, 17, 20]]
    frames[40], frames[20, 0, 0] = frames[20], frames[20, 0, 0] ^ 1
    found = search(seen, frames, [])
    assert found.last.frames_QK[3].tolist() == [40, 20]
    assert found.last.distances_QK[3].tolist() == [0, 1]
    assert found.recent.frames_QK[3, 0] == 20
    assert found.recent.distances_QK[3, 0] == 1
    assert found.segment.frames_QK[3].tolist() == [40]


def test_of_a_moment_only_its_nearest_frame_counts() -> None:
    frames = noise(60, 0)
    frames[[30, 31, 32]] = frames[30] ^ np.array([1, 0, 1], np.uint32)[:, None, None]
    found = search(frames[[31]], frames, [])
    assert found.last.frames_QK[0, 0] == 31
    assert found.last.frames_QK[0, 1] not in {30, 32}


def test_every_frame_is_told_once_those_without_a_successor_too() -> None:
    told: list[int] = []
    search(noise(2, 1), noise(61, 0), told)
    assert sum(told) == 61
    assert len(told) > 3


def test_moments_end_where_frames_have_no_successor() -> None:
    moments = moments_of(find_segments(np.repeat(np.arange(3, dtype=np.int32), [10, 3, 5])), 3)
    assert moments.firsts.tolist() == [0, 3, 6, 13]
    assert moments.lasts.tolist() == [2, 5, 6, 14]
    assert moments.segments.tolist() == [0, 0, 0, 2]
