"""The rule 5 check against closed forms and a slow search."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data.clips import Clip, open_clip, write_clip
from harness.data.tokens import factorize
from harness.errors import DataInvalid
from harness.retrieval.rule_five import CopyLosses, copy_losses, successors

Make = Callable[[str, NDArray[np.uint32], list[int]], Clip]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def write(name: str, tokens_NHW: NDArray[np.uint32], lengths: list[int]) -> Clip:
        ids_N = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        write_clip(
            tmp_path / name, tokens_NHW=tokens_NHW, segment_ids_N=ids_N, actions={}, tokenizer_ckpt="none"
        )
        return open_clip(tmp_path / name)

    return write


def noise(frames: int, seed: int) -> NDArray[np.uint32]:
    return np.random.default_rng(seed).integers(2**18, size=(frames, 16, 16), dtype=np.uint32)


def flip(tokens: NDArray[np.uint32], bits: int, seed: int) -> NDArray[np.uint32]:
    """Each frame with this many of its 4,608 bits flipped."""
    rng = np.random.default_rng(seed)
    flipped = tokens.reshape(len(tokens), -1).copy()
    for frame in flipped:
        for place in rng.choice(256 * 18, bits, replace=False):
            frame[place // 18] ^= np.uint32(1 << (place % 18))
    return flipped.reshape(tokens.shape)


def test_what_follows_is_a_stride_after_the_frame_in_fewest_different_bits(make: Make) -> None:
    train = make("train", noise(120, 0), [50, 40, 30])
    query_QHW = flip(train.tokens_NHW[[3, 60, 70, 100]], bits=700, seed=1)
    assert successors(query_QHW, train).tolist() == [18, 75, 85, 115]


def test_what_follows_is_in_the_same_segment(make: Make) -> None:
    train = make("train", noise(60, 0), [30, 30])
    last_of_each = [*range(15, 30), *range(45, 60)]
    found = successors(np.asarray(train.tokens_NHW[last_of_each]), train)
    assert set(found.tolist()) <= set(last_of_each)


def test_a_train_split_in_which_nothing_follows_is_told(make: Make) -> None:
    train = make("train", noise(30, 0), [15, 15])
    with pytest.raises(DataInvalid, match="longer than 15 raw frames") as told:
        successors(noise(1, 1), train)
    assert told.value.code == "data.too_short"


def test_a_graded_clip_that_is_in_train_is_retrieved_and_not_copied(make: Make) -> None:
    tokens = noise(226 * 2, 0)
    train = make("train", tokens, [226, 226])
    losses = copy_losses(train, make("val", flip(tokens, 40, 1)[:226], [226]))
    assert losses.copy_last == pytest.approx(losses.unigram, abs=0.02)
    assert losses.retrieved < 2.5
    assert losses.margin > 9


def test_a_still_picture_of_an_unknown_place_is_copied_and_not_retrieved(make: Make) -> None:
    train = make("train", noise(300, 0), [300])
    still = np.repeat(noise(1, 1), 226, axis=0)
    losses = copy_losses(train, make("heldout", still, [226]))
    assert losses.copy_last == pytest.approx(0, abs=1e-6)
    assert losses.retrieved > 12
    assert losses.margin < -12


def test_unigram_is_the_smoothed_marginal_of_each_position(make: Make) -> None:
    train_tokens, graded_tokens = noise(40, 0) % 3000, noise(226, 1) % 3000
    losses = copy_losses(make("train", train_tokens, [40]), make("val", graded_tokens, [226]))
    seen_NHWF, truth_QHWF = factorize(train_tokens), factorize(graded_tokens[15::15])
    expected = [
        -math.log((1 + int((seen_NHWF[:, h, w, f] == truth_QHWF[q, h, w, f]).sum())) / (40 + 512))
        for q in range(15)
        for h in range(16)
        for w in range(16)
        for f in range(2)
    ]
    assert losses.unigram == pytest.approx(2 * np.mean(expected))


def test_the_weight_is_the_best_one(make: Make) -> None:
    """One factor, found by trying weights on a grid, is as good as the weight that was searched for."""
    rng = np.random.default_rng(0)
    tokens = noise(226, 0) % 4
    tokens = np.where(rng.random(tokens.shape) < 0.4, tokens, tokens[:1]).astype(np.uint32)
    train = make("train", noise(400, 2) % 4, [400])
    losses = copy_losses(train, make("val", tokens, [226]))
    truth, last = factorize(tokens[15::15]), factorize(tokens[0:211:15])
    seen = factorize(np.asarray(train.tokens_NHW))
    unigram = (1 + (seen[None] == truth[:, None]).sum(1)) / (400 + 512)
    best = sum(
        min(
            float(-np.log((1 - w) * unigram[..., f] + w * (truth == last)[..., f]).mean())
            for w in np.linspace(0, 0.9999, 4000)
        )
        for f in range(2)
    )
    assert losses.copy_last == pytest.approx(best, abs=1e-4)
    assert losses.copy_last <= best + 1e-9


def test_a_source_that_is_never_right_gets_no_weight(make: Make) -> None:
    alternating = np.zeros((226, 16, 16), np.uint32)
    alternating[(np.arange(226) // 15) % 2 == 1] = 2**18 - 1
    losses = copy_losses(make("train", noise(100, 0), [100]), make("val", alternating, [226]))
    assert losses.copy_last == pytest.approx(losses.unigram)


def test_segments_too_short_for_a_window_are_not_graded(make: Make) -> None:
    train, tokens = make("train", noise(100, 0), [100]), noise(526, 1)
    short_too = copy_losses(train, make("a", tokens, [100, 226, 200]))
    alone = copy_losses(train, make("b", tokens[100:326], [226]))
    assert short_too == alone


def test_margin_is_positive_when_retrieval_is_better() -> None:
    assert CopyLosses(unigram=9.0, copy_last=8.0, retrieved=7.5).margin == 0.5
