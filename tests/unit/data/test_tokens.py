"""Token ids and their factors."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from harness.data.tokens import factorize, unfactorize
from harness.spec import CHALLENGE, ChallengeSpec

SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, max_side=6)


@given(hnp.arrays(np.uint32, SHAPES, elements=st.integers(0, CHALLENGE.vocab - 1)))
def test_factors_determine_the_token(tokens: np.ndarray) -> None:
    factors = factorize(tokens)
    assert factors.shape == (*tokens.shape, CHALLENGE.factors)
    assert factors.size == 0 or (factors.min() >= 0 and factors.max() < CHALLENGE.factor_vocab)
    back = unfactorize(factors)
    assert back.dtype == np.uint32
    np.testing.assert_array_equal(back, tokens)


@given(hnp.arrays(np.int64, (7, CHALLENGE.factors), elements=st.integers(0, CHALLENGE.factor_vocab - 1)))
def test_the_token_determines_its_factors(factors_NF: np.ndarray) -> None:
    np.testing.assert_array_equal(factorize(unfactorize(factors_NF)), factors_NF)


def test_every_id_of_the_vocabulary_is_one_pair_of_factors() -> None:
    factors_NF = factorize(np.arange(CHALLENGE.vocab, dtype=np.uint32))
    assert len(np.unique(factors_NF, axis=0)) == CHALLENGE.vocab


def test_the_least_significant_factor_comes_first() -> None:
    np.testing.assert_array_equal(factorize(np.array([5 + 512 * 7], np.uint32)), [[5, 7]])


def test_a_factor_is_nine_of_the_eighteen_bits() -> None:
    tokens_N = np.random.default_rng(0).integers(CHALLENGE.vocab, size=1000, dtype=np.uint32)
    np.testing.assert_array_equal(factorize(tokens_N), np.stack([tokens_N & 0x1FF, tokens_N >> 9], axis=-1))


def test_other_numbers_of_factors_work_alike() -> None:
    spec = ChallengeSpec(factors=3, factor_vocab=10)
    np.testing.assert_array_equal(factorize(np.array([123], np.uint32), spec), [[3, 2, 1]])
    assert unfactorize(np.array([[3, 2, 1]]), spec) == [123]
