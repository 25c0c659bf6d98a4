"""What is found is nearest by the metric, and has a successor in its segment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

RETRIEVAL = Path(__file__).parents[3] / "baselines" / "retrieval"


@pytest.fixture
def bits(entry_module):
    """The entry's module of that name."""
    return entry_module(RETRIEVAL, "bits")


@pytest.fixture
def search_for(entry_module, bits):
    """A search in tokens [N,16,16] of these segments; words are knobs."""

    def make(tokens_NHW, segments_N, **knobs):
        knobs = entry_module(RETRIEVAL, "knobs").Knobs(**knobs)
        return entry_module(RETRIEVAL, "search").Search(bits.pack(tokens_NHW), np.asarray(segments_N), knobs)

    return make


def random_tokens(seed: int, frames: int) -> np.ndarray:
    """Tokens [N,16,16], any of them."""
    return np.random.default_rng(seed).integers(0, 2**18, (frames, 16, 16), dtype=np.uint32)


def test_frames_survive_packing(bits):
    tokens_NHW = random_tokens(0, bits.CHUNK + 3)
    words_NX = bits.pack(tokens_NHW)
    assert words_NX.shape == (len(tokens_NHW), 72)
    np.testing.assert_array_equal(bits.tokens_of(bits.unpack_bits(words_NX)), tokens_NHW)


def test_the_distance_is_the_number_of_different_bits(bits):
    """One frame with three bits changed, in the first token, a middle one and the last."""
    frame_1HW = random_tokens(1, 1)
    other_1HW = frame_1HW.copy()
    other_1HW[0, [0, 7, 15], [0, 9, 15]] ^= np.array([1, 1 << 8, 1 << 17], np.uint32)
    found = bits.distances(bits.pack(frame_1HW), bits.pack(np.concatenate([frame_1HW, other_1HW])))
    assert found.tolist() == [[0, 3]]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=6))
def test_old_numpy_counts_the_same_ones(words):
    from baselines.folders import entry_modules

    with entry_modules("retrieval"):
        import bits

        words_1X = np.array([words], np.uint64)
        expected = sum(bin(word).count("1") for word in words)
        assert bits.count_ones_by_table(words_1X).tolist() == bits.count_ones(words_1X).tolist() == [expected]


def test_the_nearest_come_first_as_if_all_bits_were_counted_one_by_one(search_for, bits):
    rng = np.random.default_rng(2)
    tokens_NHW = random_tokens(2, 100)
    candidates = [*range(35), *range(50, 85)]
    queries_BHW = tokens_NHW[rng.permutation(100)[:9]] ^ rng.integers(0, 2**6, (9, 16, 16), dtype=np.uint32)
    search = search_for(tokens_NHW, np.repeat([0, 1], 50), neighbours=3)
    search.observe(bits.pack(queries_BHW))
    for query_HW, found_K in zip(queries_BHW, search.nearest()[0], strict=True):
        different = {
            place: sum(bin(token).count("1") for token in (tokens_NHW[place] ^ query_HW).ravel().tolist())
            for place in candidates
        }
        assert found_K.tolist() == sorted(candidates, key=lambda place: (different[place], place))[:3]


@pytest.mark.parametrize("metric", ["last", "last_four", "coarse"])
def test_a_frame_without_a_successor_is_never_found(search_for, bits, metric):
    tokens_NHW = random_tokens(3, 60)
    segments_N = np.repeat([4, 9], 30)
    search = search_for(tokens_NHW, segments_N, metric=metric, neighbours=1000)
    for place in (16, 31):
        search.observe(bits.pack(tokens_NHW[[place]]))
    place_1K, weight_1K = search.nearest()
    assert sorted(place_1K[0]) == [*range(15), *range(30, 45)]
    assert weight_1K.sum() == pytest.approx(1)


@pytest.mark.parametrize("metric", ["last", "coarse"])
def test_the_segment_that_is_left_out_is_not_looked_up(search_for, bits, metric):
    tokens_NHW = random_tokens(4, 60)
    search = search_for(tokens_NHW, np.repeat([4, 9], 30), metric=metric, neighbours=2)
    search.observe(bits.pack(tokens_NHW[[3, 33]]))
    assert search.nearest()[0][:, 0].tolist() == [3, 33]
    place_BK, _ = search.nearest(without_segments_B=np.array([4, 9]))
    assert (place_BK[0] >= 30).all()
    assert (place_BK[1] < 30).all()


def test_four_frames_tell_apart_what_one_cannot(search_for, bits):
    """The same frame at places 20 and 80, after different pasts; the window has the later one's."""
    tokens_NHW = random_tokens(5, 120)
    tokens_NHW[80] = tokens_NHW[20]
    segments_N = np.repeat([0, 1], 60)
    window = tokens_NHW[[65, 80]]
    for metric, expected in (("last", 20), ("last_four", 80)):
        search = search_for(tokens_NHW, segments_N, metric=metric, neighbours=1)
        for frame_HW in window:
            search.observe(bits.pack(frame_HW[None]))
        assert search.nearest()[0].tolist() == [[expected]]


def test_a_fifth_frame_back_no_longer_counts(search_for, bits):
    tokens_NHW = random_tokens(6, 120)
    found = []
    for first in (tokens_NHW[0], ~tokens_NHW[0] & np.uint32(2**18 - 1)):
        search = search_for(tokens_NHW, np.zeros(120, np.int32), metric="last_four", neighbours=5)
        for frame_HW in [first, *random_tokens(7, 4)]:
            search.observe(bits.pack(frame_HW[None]))
        found.append(search.nearest()[0].tolist())
    assert found[0] == found[1]


def test_the_coarse_grid_counts_bits_by_cell_and_not_where_in_it_they_are(search_for, bits):
    """A frame whose cells were shuffled inside is at distance 0; its bits are elsewhere, so `last` takes another."""
    tokens_NHW = random_tokens(8, 40)
    query_HW = tokens_NHW[7].reshape(4, 4, 4, 4)[:, ::-1, :, ::-1].reshape(16, 16)
    tokens_NHW[9] = query_HW ^ np.uint32(1)
    for metric, expected in (("last", 9), ("coarse", 7)):
        search = search_for(tokens_NHW, np.zeros(40, np.int32), metric=metric, neighbours=1)
        search.observe(bits.pack(query_HW[None]))
        assert search.nearest()[0].tolist() == [[expected]]


def test_by_distance_the_nearer_weighs_more_and_equals_weigh_the_same(search_for, bits):
    frame_HW = random_tokens(9, 1)[0]
    tokens_NHW = np.stack([frame_HW] * 18)
    tokens_NHW[:3, 0, 0] ^= np.array([3, 12, 15], np.uint32)  # two bits, two others, four
    search = search_for(tokens_NHW, np.zeros(18, np.int32), weights="by_distance", neighbours=3)
    search.observe(bits.pack(frame_HW[None]))
    place_1K, weight_1K = search.nearest()
    assert place_1K.tolist() == [[0, 1, 2]]
    # Twice as far away: exp(-4) of the weight, as `FALL` says.
    np.testing.assert_allclose(weight_1K[0] / weight_1K[0, 0], [1, 1, np.exp(-4)])


def test_a_clip_of_scraps_is_refused(search_for):
    with pytest.raises(ValueError, match="no frame with a successor"):
        search_for(random_tokens(10, 30), np.repeat(np.arange(3), 10))
