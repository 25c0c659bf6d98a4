"""Token by token, ngram keeps its place, and uses what it was told."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[3] / "baselines" / "ngram"


@pytest.fixture
def ngram(load_predictor, counts):
    """The predictor on the clip's counts."""
    return load_predictor(FOLDER)(counts("ngram"))


def nats(logits_BFV: np.ndarray, token_B: np.ndarray) -> np.ndarray:
    """Cross-entropy [B] of log-probabilities [B,F,V]."""
    index_B = np.arange(len(token_B))
    return -(logits_BFV[index_B, 0, token_B % 512] + logits_BFV[index_B, 1, token_B // 512])


def played(ngram, windows_BTHW) -> np.ndarray:
    """Nats per token [B,T-1,N] in the fully teacher-forced regime."""
    batch = len(windows_BTHW)
    ngram.reset(batch)
    ngram.observe(windows_BTHW[:, 0], np.zeros((batch, 15, 28), np.float32))
    found = np.empty((batch, 15, 256))
    for t in range(1, 16):
        for position, token_B in enumerate(windows_BTHW[:, t].reshape(batch, 256).T):
            logits_BFV = ngram.predict_token()
            assert logits_BFV.shape == (batch, 2, 512)
            found[:, t - 1, position] = nats(logits_BFV, token_B)
            ngram.observe_token(token_B)
    return found


def test_it_says_that_it_is_causal(ngram):
    assert ngram.causal


def test_the_left_neighbour_helps_and_the_first_column_does_without(ngram, windows_BTHW):
    loss_BTN = played(ngram, windows_BTHW)
    by_column = loss_BTN.reshape(-1, 16).mean(0)
    assert loss_BTN.mean() < 2 * math.log(512) - 2
    assert by_column[1::2].mean() < by_column[0::2].mean() - 0.5  # odd columns repeat their neighbour


def test_without_a_left_neighbour_a_token_is_predicted_as_in_a_whole_frame(ngram, windows_BTHW):
    """Also in the second frame, when the first was seen token by token: it has become the last frame."""
    batch = len(windows_BTHW)
    ngram.reset(batch)
    ngram.observe(windows_BTHW[:, 0], np.zeros((batch, 15, 28), np.float32))
    for token_B in windows_BTHW[:, 1].reshape(batch, 256).T:
        ngram.predict_token()
        ngram.observe_token(token_B)
    first_BFV = ngram.predict_token()
    ngram.observe(windows_BTHW[:, 1], np.zeros((batch, 15, 28), np.float32))
    whole_BHWFV, _ = ngram.predict()
    np.testing.assert_allclose(first_BFV, whole_BHWFV[:, 0, 0], rtol=1e-6)


def test_predicting_a_token_twice_changes_nothing(ngram, windows_BTHW):
    ngram.reset(3)
    ngram.observe(windows_BTHW[:3, 0], np.zeros((3, 15, 28), np.float32))
    ngram.observe_token(windows_BTHW[:3, 1, 0, 0])
    once = ngram.predict_token().copy()
    np.testing.assert_array_equal(once, ngram.predict_token())
