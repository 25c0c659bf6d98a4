"""copy_last is a product of coin flips, so its numbers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "baselines" / "copy_last"
FLIP = 0.3


@pytest.mark.parametrize("flipped", [0, 1, 5, 9])
def test_a_values_probability_follows_from_the_bits_that_differ(load_predictor, flipped):
    predictor = load_predictor(FOLDER)()
    predictor.reset(1)
    predictor.observe(
        np.full((1, 16, 16), 0b101010101_110011001, np.uint32), np.zeros((1, 15, 28), np.float32)
    )
    logits_BHWFV, _ = predictor.predict()
    mask = (1 << flipped) - 1
    expected = flipped * np.log(FLIP) + (9 - flipped) * np.log(1 - FLIP)
    assert logits_BHWFV[0, 3, 4, 0, 0b110011001 ^ mask] == pytest.approx(expected, rel=1e-6)
    assert logits_BHWFV[0, 3, 4, 1, 0b101010101 ^ mask] == pytest.approx(expected, rel=1e-6)


def test_its_logits_are_log_probabilities_already(load_predictor):
    predictor = load_predictor(FOLDER)()
    predictor.reset(2)
    predictor.observe(
        np.arange(512, dtype=np.uint32).reshape(2, 16, 16) * 511, np.zeros((2, 15, 28), np.float32)
    )
    logits_BHWFV, tokens_BHW = predictor.predict()
    np.testing.assert_allclose(np.exp(logits_BHWFV.astype(np.float64)).sum(-1), 1, rtol=1e-6)
    assert (tokens_BHW.ravel() == np.arange(512) * 511).all()
