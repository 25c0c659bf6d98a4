"""A training frame is found by its content, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.clips import open_clip
from harness.progress import Silent
from harness.retrieval import frame_index
from harness.retrieval.frame_index import index_frames
from harness.retrieval.frame_layouts import KEY_BEGIN, packed_key_words


def test_every_frame_is_found_where_it_is(index, frames):
    np.testing.assert_array_equal(index.find(frames), np.arange(len(frames)))


def test_of_equal_frames_the_first_is_found(make_clip):
    split = open_clip(make_clip((60,), hold=20))
    index = index_frames(split, progress=Silent())
    assert index.find(split.tokens_NHW.reshape(60, -1)).tolist() == [0] * 20 + [20] * 20 + [40] * 20


@pytest.mark.parametrize("token", [0, KEY_BEGIN, 255])
def test_a_frame_with_one_other_bit_is_not_found(index, frames, token):
    frames = frames.copy()
    frames[:, token] ^= 1
    assert (index.find(frames) == -1).all()


def test_digests_alone_would_find_frames_that_are_not_there(split, frames, monkeypatch):
    """Digests that look at half a frame say yes to another half; the split itself says no."""
    monkeypatch.setattr(
        frame_index, "_MULTIPLIERS", np.where(np.arange(128) < 64, 0, frame_index._MULTIPLIERS)
    )
    index = index_frames(split, progress=Silent())
    forged = frames[5:9].copy()
    forged[:, 3] ^= 1
    assert index.find(forged).tolist() == [-1] * 4
    believed = frames.copy()
    believed[5:9] = forged
    assert replace(index, tokens_NP=believed).find(forged).tolist() == [5, 6, 7, 8]


def test_no_key_is_missed(index, frames):
    for words in packed_key_words(frames[:, KEY_BEGIN : KEY_BEGIN + 4]):
        assert index.may_begin_a_key(words).all()


def test_few_other_words_are_taken_for_a_key(index):
    words = np.random.default_rng(1).integers(1 << 63, size=100_000, dtype=np.uint64)
    assert index.may_begin_a_key(words).mean() < 0.02


def test_an_index_takes_at_most_twenty_bytes_a_frame(split):
    """Counted for 2,731 frames, the worst case: one more key than half of what the filter holds."""
    frames = 2731
    tokens = np.resize(np.asarray(split.tokens_NHW), (frames, 16, 16))
    many = replace(split, tokens_NHW=tokens, segment_ids_N=np.zeros(frames, np.int32))
    index = index_frames(many, progress=Silent())
    assert index.filter_bits.nbytes + index.places_N.nbytes <= 20 * frames
