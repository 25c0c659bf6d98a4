"""How far predicted frames are from the training split, in bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import Clip, open_clip
from harness.retrieval.near_duplicates import near_duplicates

FLIPPED = np.array([[0, 1, 4], [9, 60, 700]])
"""Bits that each of two windows' three predictions differ in from a training frame."""


@pytest.fixture
def train(make_clip: Callable[..., Path]) -> Clip:
    return open_clip(make_clip((60, 40), hold=1))


def predicted(train: Clip) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    frames_BT = rng.choice(train.num_frames, size=FLIPPED.shape, replace=False)
    tokens_BTHW = train.tokens_NHW[frames_BT].copy()
    for (b, t), flips in np.ndenumerate(FLIPPED):
        for bit in rng.choice(4608, size=flips, replace=False):
            tokens_BTHW[b, t].flat[bit // 18] ^= np.uint32(1 << int(bit) % 18)
    return tokens_BTHW, frames_BT


def test_every_prediction_finds_the_frame_that_it_was_made_from(train: Clip) -> None:
    tokens_BTHW, frames_BT = predicted(train)
    summary, distances_BT, nearest_BT = near_duplicates(tokens_BTHW, train)
    np.testing.assert_array_equal(distances_BT, FLIPPED)
    np.testing.assert_array_equal(nearest_BT, frames_BT)
    assert summary.bits_quantiles == pytest.approx(np.quantile(FLIPPED, (0, 0.001, 0.01, 0.1, 0.5)))
    assert summary.frames == 6


@pytest.mark.parametrize(("near_bits", "share"), [(0, 0), (1, 1 / 6), (9.5, 4 / 6), (5000, 1), (None, None)])
def test_only_what_is_closer_counts(train: Clip, near_bits: float | None, share: float | None) -> None:
    summary, _, _ = near_duplicates(predicted(train)[0], train, near_bits=near_bits)
    assert summary.share == share
