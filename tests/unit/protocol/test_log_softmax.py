"""The host's log-softmax: normalised whatever was sent, and made once."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.protocol.host import Prediction
from harness.protocol.log_softmax import log_softmax

ALL = np.indices((4, 512))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1.0, 1e4, 1e30]))
def test_each_cell_is_a_distribution(seed: int, scale: float) -> None:
    logits = (np.random.default_rng(seed).normal(size=(2, 2, 512)) * scale).astype(np.float32)
    logprobs_RV = log_softmax(logits).at(*ALL)
    assert (logprobs_RV <= 0).all()
    np.testing.assert_allclose(np.exp(logprobs_RV).sum(-1), 1, rtol=1e-12)


def test_it_equals_the_formula() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 512))
    expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    np.testing.assert_allclose(log_softmax(logits).at(*ALL), expected, rtol=1e-12)


@pytest.mark.parametrize("huge", [1e30, 3e38, -3e38])
def test_logits_so_huge_that_a_normaliser_would_vanish_beside_them_gain_nothing(huge: float) -> None:
    logits = np.full((4, 512), huge, np.float32)
    np.testing.assert_allclose(log_softmax(logits).at(*ALL), -math.log(512))


def test_half_precision_is_summed_in_double() -> None:
    logits = np.random.default_rng(0).normal(size=(4, 512)).astype(np.float16)
    np.testing.assert_array_equal(
        log_softmax(logits).at(*ALL), log_softmax(logits.astype(np.float64)).at(*ALL)
    )


def test_a_prediction_makes_it_once() -> None:
    frame_BHW = np.zeros((1, 16, 16), np.uint32)
    logits = np.random.default_rng(0).normal(size=(1, 16, 16, 2, 512)).astype(np.float32)
    prediction = Prediction(
        windows_B=np.arange(1), t=1, target_BHW=frame_BHW, logits_BHWFV=logits, tokens_BHW=frame_BHW
    )
    assert prediction.log_softmax is prediction.log_softmax
    last_cell = 16 * 16 * 2 - 1
    assert prediction.log_softmax.at(np.array([last_cell]), np.array([7])).item() == pytest.approx(
        logits[0, 15, 15, 1, 7] - np.log(np.exp(logits[0, 15, 15, 1].astype(float)).sum())
    )
