"""Runs of training frames are found wherever they lie in a stream of bytes, and nothing else is."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.progress import Silent
from harness.retrieval import frame_index, frame_search
from harness.retrieval.frame_index import FrameIndex, index_frames
from harness.retrieval.frame_search import find_runs
from harness.retrieval.frame_suspects import UNIT_BYTES

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def _one_thread_and_small_blocks(monkeypatch):
    monkeypatch.setattr(frame_search, "cores", lambda: 1)
    monkeypatch.setattr(frame_search, "_BLOCK_BYTES", UNIT_BYTES)


def found(data: bytes, index: FrameIndex, *, chunk: int = 1 << 16) -> list[tuple[str, int, int, int]]:
    chunks = (data[begin : begin + chunk] for begin in range(0, len(data), chunk))
    return [(run.layout, run.begin, run.frames, run.first_frame) for run in find_runs(chunks, index)]


@pytest.mark.parametrize("chunk", [1000, 1 << 16, 1 << 20])
def test_a_shard_behind_an_odd_header_is_one_run_across_blocks(index, frames, layout, write, chunk):
    data = RNG.bytes(12_347) + write(frames[20:200]) + RNG.bytes(4321)
    assert found(data, index, chunk=chunk) == [(layout, 12_347, 180, 20)]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    offset=st.integers(0, 2 * 6144),
    count=st.integers(3, 7),
    first=st.integers(0, 200),
    step=st.integers(1, 15),
)
def test_three_frames_are_found_at_every_offset_whatever_their_stride(
    index, frames, layout, write, offset, count, first, step
):
    data = bytes(offset % 7 + 1 for _ in range(offset)) + write(frames[first : first + count * step : step])
    assert found(data, index) == [(layout, offset, count, first)]


def test_three_frames_are_found_across_the_edge_of_a_block(index, frames, layout, write):
    edge = UNIT_BYTES
    for offset in (edge - 5 * 2048, edge - 1000, edge - 577, edge - 298, edge - 1, edge, edge + 1):
        assert found(RNG.bytes(offset) + write(frames[:3]), index) == [(layout, offset, 3, 0)]


def test_runs_apart_by_whole_frames_at_the_edge_of_a_block_come_once_each(index, frames, write, layout):
    """Both blocks see all three; what lies between them is not training frames."""
    size = len(write(frames[:1]))
    gaps = [RNG.bytes(size), RNG.bytes(2 * size)]
    data = write(frames[:3]) + gaps[0] + write(frames[10:13]) + gaps[1] + write(frames[20:24])
    for before in range(0, len(data), 5 * size // 2):
        offset = UNIT_BYTES - before
        assert found(RNG.bytes(offset) + data, index) == [
            (layout, offset, 3, 0),
            (layout, offset + 4 * size, 3, 10),
            (layout, offset + 9 * size, 4, 20),
        ]


def test_a_file_just_long_enough_for_a_run_is_searched(index, frames, write, layout):
    data = write(frames[:3])
    assert found(data, index) == [(layout, 0, 3, 0)]
    assert found(data[:-1], index) == []


def test_shuffled_frames_are_a_run_too(index, frames, layout, write):
    order = RNG.permutation(100)
    assert found(RNG.bytes(99) + write(frames[order]), index) == [(layout, 99, 100, order[0])]


def test_dark_frames_in_between_do_not_hide_a_run(split, layout, write):
    """Every other frame is one colour: its key is like what unused space in files is full of."""
    tokens = np.asarray(split.tokens_NHW[:90]).copy()
    tokens[1::2] = np.arange(1, 46, dtype=np.uint32)[:, None, None]
    index = index_frames(
        replace(split, tokens_NHW=tokens, segment_ids_N=np.zeros(90, np.int32)), progress=Silent()
    )
    data = bytes(5000) + write(tokens.reshape(90, -1)) + bytes(5000)
    assert found(data, index) == [(layout, 5000, 90, 0)]


def test_frames_of_one_colour_are_no_run_however_many(split, layout, write):
    tokens = np.zeros((90, 16, 16), np.uint32)
    index = index_frames(
        replace(split, tokens_NHW=tokens, segment_ids_N=np.zeros(90, np.int32)), progress=Silent()
    )
    assert found(b"x" + write(tokens.reshape(90, -1)) + b"x" * 4000, index) == []


@pytest.mark.parametrize("picked", [[7], [7, 8], [7, 7, 7, 7, 8, 8, 8]])
def test_fewer_than_three_different_frames_are_no_run(index, frames, layout, write, picked):
    """What stands still proves little, and a frame or two may be an example."""
    assert found(RNG.bytes(10) + write(frames[picked]) + RNG.bytes(10), index) == []


def test_a_byte_between_frames_ends_a_run(index, frames, layout, write):
    size = len(write(frames[:1]))
    data = write(frames[:10]) + b"x" + write(frames[10:14])
    assert found(data, index) == [(layout, 0, 10, 0), (layout, 10 * size + 1, 4, 10)]


def test_what_is_cut_off_at_the_end_is_not_counted(index, frames, layout, write):
    assert found(write(frames[:6])[:-1], index) == [(layout, 0, 5, 0)]


def test_a_changed_bit_is_no_training_frame(index, frames, layout, write):
    noisy = frames[:60].copy()
    noisy[:, 0] ^= 1
    assert found(write(noisy), index) == []
    noisy[10:40, 0] ^= 1
    size = len(write(frames[:1]))
    assert found(write(noisy), index) == [(layout, 10 * size, 30, 10)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        bytes(200_000),
        RNG.bytes(200_000),
        RNG.normal(0, 0.02, 50_000).astype("<f4").tobytes(),
        RNG.normal(0, 0.02, 50_000).astype("<f2").tobytes(),
        RNG.integers(0, 1 << 18, 50_000).astype("<u4").tobytes(),
        RNG.integers(0, 1 << 18, 25_000).astype("<u8").tobytes(),
    ],
    ids=["empty", "a byte", "zeros", "random", "float32", "float16", "tokens", "long tokens"],
)
def test_other_data_gives_no_hit(index, data):
    assert found(data, index) == []


@dataclass(frozen=True, kw_only=True)
class Gullible(FrameIndex):
    """Believes digests."""

    def find(self, tokens_CP):
        digests = frame_index._digests(self.tokens_NP) & ~self._number_mask
        asked = frame_index._digests(tokens_CP) & ~self._number_mask
        same = asked[:, None] == digests
        return np.where(same.any(1), same.argmax(1), -1)


def test_without_a_look_at_the_split_frames_would_be_found_that_are_not_there(
    split, frames, monkeypatch, layout, write
):
    halves = np.where(np.arange(128) < 64, 0, frame_index._MULTIPLIERS)
    monkeypatch.setattr(frame_index, "_MULTIPLIERS", halves)
    index = index_frames(split, progress=Silent())
    gullible = Gullible(tokens_NP=index.tokens_NP, filter_bits=index.filter_bits, places_N=index.places_N)
    forged = frames[40:50].copy()
    forged[:, 0] ^= 1
    assert found(write(forged), index) == []
    assert found(write(forged), gullible) == [(layout, 0, 10, 40)]


@dataclass(frozen=True, kw_only=True)
class Counting(FrameIndex):
    """Suspects every word, and counts what it is asked."""

    asked: list[int]

    def may_begin_a_key(self, words):
        return np.ones(words.shape, np.bool_)

    def find(self, tokens_CP):
        self.asked.append(len(tokens_CP))
        return super().find(tokens_CP)


def test_whoever_sows_suspects_does_not_make_the_search_endless(index, monkeypatch):
    monkeypatch.setattr(frame_search, "_MOST_SUSPECTS", 50)
    counting = Counting(
        tokens_NP=index.tokens_NP, filter_bits=index.filter_bits, places_N=index.places_N, asked=[]
    )
    assert found(RNG.bytes(3 * UNIT_BYTES), counting) == []
    blocks, packed_layouts = 3, 3
    assert 400 < sum(counting.asked) <= blocks * packed_layouts * 50
