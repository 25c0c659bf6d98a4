"""Counted transitions: closed forms first, then chunks, thinning and the file that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data.clips import Clip, open_clip, write_clip
from harness.errors import StoreFailed
from harness.progress import Advance, Silent
from harness.retrieval.transitions import (
    TRANSITION_WEIGHT,
    Transitions,
    count_transitions,
    transitions_for,
)

V = 512
DIGEST = "d" * 64
Make = Callable[..., Clip]


class Listening(Silent):
    """Remembers what was done and said."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.notes: list[str] = []

    def step(self, title: str, *, total: int | None = None) -> AbstractContextManager[Advance]:
        self.steps.append(title)
        return super().step(title, total=total)

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A clip of segments with these lengths."""

    def write(tokens_NHW: NDArray[np.uint32], lengths: list[int]) -> Clip:
        ids_N = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        folder = tmp_path / "train"
        write_clip(folder, tokens_NHW=tokens_NHW, segment_ids_N=ids_N, actions={}, tokenizer_ckpt="none")
        return open_clip(folder)

    return write


@pytest.fixture
def random_clip(make: Make) -> Clip:
    rng = np.random.default_rng(0)
    return make(rng.integers(1 << 18, size=(90, 16, 16), dtype=np.uint32), [40, 10, 40])


def count(clip: Clip, **options: int) -> Transitions:
    return count_transitions(clip, advance=lambda _amount=1, /: None, **options)


def test_known_transitions_are_counted_in_closed_form(make: Make) -> None:
    """20 frames whose tokens are 3 + 512 * 7 and then, from frame 15 on, 4 + 512 * 7: five pairs, all alike."""
    tokens_NHW = np.full((20, 16, 16), 3 + V * 7, np.uint32)
    tokens_NHW[15:] += 1
    transitions = count(make(tokens_NHW, [20]))
    expected_FUV = np.zeros((2, V, V), np.int64)
    expected_FUV[0, 3, 4] = expected_FUV[1, 7, 7] = 5 * 256
    np.testing.assert_array_equal(transitions.pairs_FUV, expected_FUV)
    assert (transitions.after_PV[0::2, 4] == 5).all()
    assert (transitions.after_PV[1::2, 7] == 5).all()
    assert transitions.after_PV.sum() == 5 * V


def test_probabilities_mix_what_follows_the_value_with_the_marginal_of_its_cell(make: Make) -> None:
    """Half the positions go from 1 to 5, the others from 1 to 6; both factors alike."""
    tokens_NHW = np.full((16, 16, 16), 1 + V, np.uint32)
    tokens_NHW[15] = 5 * (1 + V)
    tokens_NHW[15, 8:] = 6 * (1 + V)
    transitions = count(make(tokens_NHW, [16]))
    given_PV = transitions.given(np.full(V, 1))
    marginal, smallest = 2 / (V + 1), 1 / (V + 1)
    w = TRANSITION_WEIGHT
    for cells, here, elsewhere in ((slice(0, 256), 5, 6), (slice(256, 512), 6, 5)):
        np.testing.assert_allclose(given_PV[cells, here], w / 2 + (1 - w) * marginal)
        np.testing.assert_allclose(given_PV[cells, elsewhere], w / 2 + (1 - w) * smallest)
        np.testing.assert_allclose(given_PV[cells, 0], (1 - w) * smallest)


def test_a_value_that_was_never_seen_leaves_all_to_the_marginal(make: Make) -> None:
    tokens_NHW = np.full((16, 16, 16), 1 + V, np.uint32)
    given_PV = count(make(tokens_NHW, [16])).given(np.full(V, 300))
    np.testing.assert_allclose(given_PV[:, 1], 2 / (V + 1))
    np.testing.assert_allclose(given_PV[:, 300], 1 / (V + 1))


def test_a_clip_too_short_for_a_pair_makes_every_value_equally_likely(make: Make) -> None:
    given_PV = count(make(np.zeros((15, 16, 16), np.uint32), [15])).given(np.zeros(V, np.int64))
    np.testing.assert_allclose(given_PV, 1 / V)


def test_probabilities_of_all_values_sum_to_one(random_clip: Clip) -> None:
    before_P = np.random.default_rng(1).integers(V, size=V)
    given_PV = count(random_clip).given(before_P)
    assert (given_PV > 0).all()
    np.testing.assert_allclose(given_PV.sum(axis=1), 1, rtol=1e-12)


def test_no_pair_crosses_from_one_segment_into_another(random_clip: Clip) -> None:
    """Segments of 40, 10 and 40 frames hold 25 pairs, none and 25."""
    assert count(random_clip).pairs_FUV.sum() == 2 * 256 * 50


@pytest.mark.parametrize("chunk_frames", [1, 7, 25, 89, 90, 1000])
def test_many_chunks_count_the_same_as_one(random_clip: Clip, chunk_frames: int) -> None:
    whole, parts = count(random_clip), count(random_clip, chunk_frames=chunk_frames)
    np.testing.assert_array_equal(parts.pairs_FUV, whole.pairs_FUV)
    np.testing.assert_array_equal(parts.after_PV, whole.after_PV)


@pytest.mark.parametrize("chunk_frames", [1, 4, 1000])
def test_of_a_long_clip_every_kth_frame_is_counted(random_clip: Clip, chunk_frames: int) -> None:
    """90 frames thinned to at most 40 leave every third: 0, 3, .. 24 of one segment, 51, 54, .. 72 of the other."""
    thinned = count(random_clip, most_frames=40, chunk_frames=chunk_frames)
    tokens_NHW = random_clip.tokens_NHW
    now_n = np.array([*range(0, 25, 3), *range(51, 75, 3)])
    expected_VV = np.zeros((V, V), np.int64)
    np.add.at(expected_VV, (tokens_NHW[now_n] // V, tokens_NHW[now_n + 15] // V), 1)
    np.testing.assert_array_equal(thinned.pairs_FUV[1], expected_VV)


def test_progress_is_told_of_every_raw_frame_once(random_clip: Clip) -> None:
    told: list[int] = []
    count_transitions(
        random_clip, advance=lambda amount=1, /: told.append(amount), most_frames=40, chunk_frames=4
    )
    assert sum(told) == random_clip.num_frames


def find(clip: Clip, folder: Path, progress: Listening, digest: str = DIGEST) -> Transitions:
    return transitions_for(clip, folder=folder, train_sha256=digest, progress=progress)


def test_counts_are_made_once_and_found_again(random_clip: Clip, tmp_path: Path) -> None:
    progress = Listening()
    made = find(random_clip, tmp_path / "kept", progress)
    found = find(random_clip, tmp_path / "kept", progress)
    assert len(progress.steps) == 1
    np.testing.assert_array_equal(found.pairs_FUV, made.pairs_FUV)
    np.testing.assert_array_equal(found.after_PV, made.after_PV)
    find(random_clip, tmp_path / "kept", progress, digest="e" * 64)
    assert len(progress.steps) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_file_is_made_again(random_clip: Clip, tmp_path: Path, damage: str) -> None:
    progress = Listening()
    made = find(random_clip, tmp_path, progress)
    (path,) = tmp_path.glob("transitions-*.npz")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(
        {"cut": content[: len(content) // 2], "flipped": content, "empty": b"", "other": b"words"}[damage]
    )
    found = find(random_clip, tmp_path, progress)
    assert len(progress.steps) == 2
    assert "damaged" in progress.notes[0]
    np.testing.assert_array_equal(found.pairs_FUV, made.pairs_FUV)


def test_a_folder_that_cannot_be_written_is_said_to_be_so(random_clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreFailed, match="cannot be kept"):
        find(random_clip, tmp_path / "file" / "below", Listening())
