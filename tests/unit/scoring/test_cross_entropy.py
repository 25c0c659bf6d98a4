"""Nats per token: closed forms first, then 1X's own number."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.data.tokens import factorize
from harness.protocol.log_softmax import log_softmax
from harness.scoring import cross_entropy
from harness.spec import CHALLENGE

GOLDEN = Path(__file__).parents[2] / "golden" / "windows" / "loss.npz"


def token_nats(logits: NDArray[np.floating], target_factors: NDArray[np.int64]) -> NDArray[np.float64]:
    return cross_entropy.token_nats(log_softmax(logits), target_factors)


def test_zero_logits_are_worth_two_times_log_512() -> None:
    nats = token_nats(np.zeros((3, 2, 512), np.float32), np.array([[0, 511], [5, 7], [1, 1]]))
    np.testing.assert_allclose(nats, 2 * math.log(512), rtol=1e-15)
    assert CHALLENGE.uniform_loss == pytest.approx(12.4766, abs=1e-4)


def test_all_mass_on_the_truth_is_worth_nothing() -> None:
    target = np.array([[17, 300]])
    logits = np.where(np.arange(512) == target[..., None], 1e4, 0.0).astype(np.float32)
    nats = token_nats(logits, target)
    assert nats == 0
    assert not np.signbit(nats), "it would be shown as -0.00"


def test_the_loss_equals_the_reference_codes() -> None:
    golden = np.load(GOLDEN)
    logits = golden["logits"].transpose(0, 3, 4, 5, 2, 1)  # b v f t h w -> b t h w f v
    targets = golden["labels"].reshape(3, 16, 4, 4)[:, 1:].astype(np.uint32)
    # the reference accumulates in float32
    assert token_nats(logits, factorize(targets)).mean() == pytest.approx(float(golden["loss"]), rel=1e-6)


@given(st.integers(0, 2**32 - 1), st.floats(-1e4, 1e4))
def test_a_constant_added_to_the_logits_changes_nothing(seed: int, constant: float) -> None:
    rng = np.random.default_rng(seed)
    logits, target = rng.normal(size=(5, 2, 16)), rng.integers(16, size=(5, 2))
    np.testing.assert_allclose(token_nats(logits + constant, target), token_nats(logits, target), atol=1e-9)


def test_probabilities_of_all_values_sum_to_one() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 1, 512)) * 30
    nats = [token_nats(logits, np.array([[value]])).item() for value in range(512)]
    assert np.exp(-np.array(nats)).sum() == pytest.approx(1, abs=1e-12)


def test_huge_logits_neither_overflow_nor_hide() -> None:
    logits = np.array([[[3e38, -3e38, 0.0]]], np.float32)
    assert token_nats(logits, np.array([[0]])) == 0
    assert token_nats(logits, np.array([[1]])) == pytest.approx(6e38, rel=1e-3)


def test_huge_equal_logits_are_worth_as_much_as_zeros() -> None:
    logits = np.full((1, 2, 512), 3e38, np.float32)
    assert token_nats(logits, np.array([[3, 500]])) == pytest.approx(2 * math.log(512))


def test_inputs_are_left_alone() -> None:
    logits = np.random.default_rng(0).normal(size=(300, 2, 8))
    before = logits.copy()
    token_nats(logits, np.zeros((300, 2), np.int64))
    np.testing.assert_array_equal(logits, before)
