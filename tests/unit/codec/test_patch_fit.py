"""How bits are shared out and components are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.codec.patch_fit import BITS, FACTOR_BITS, cut_cells, principal_components, share_bits


@given(st.lists(st.floats(0, 1e6), min_size=BITS, max_size=BITS))
def test_every_bit_is_given_once_and_no_component_straddles_the_factors(variances: list[float]) -> None:
    bits_K, shift_K, kept_K = share_bits(np.array(sorted(variances, reverse=True)))
    places = [
        range(shift, shift + bits) for bits, shift in zip(bits_K.tolist(), shift_K.tolist(), strict=True)
    ]
    assert sorted(place for mine in places for place in mine) == list(range(BITS))
    assert all(mine[0] // FACTOR_BITS == mine[-1] // FACTOR_BITS for mine in places)
    assert bits_K.min() >= 1
    assert (np.diff(kept_K) > 0).all()


def test_equal_components_get_a_bit_each() -> None:
    bits_K, _, kept_K = share_bits(np.ones(BITS))
    assert bits_K.tolist() == [1] * BITS
    assert kept_K.tolist() == list(range(BITS))


def test_a_component_that_a_full_factor_shuts_out_is_skipped() -> None:
    """Component 0 takes all nine bits of factor 1: 2 is left out, although 1 and 3 are in."""
    variance_K = np.array([4.0**12, 4.0, 4.0, 4.0, *[0.9] * 14])
    bits_K, _, kept_K = share_bits(variance_K)
    assert bits_K[0] == FACTOR_BITS
    assert kept_K.tolist()[:3] == [0, 1, 3]


def test_components_are_the_directions_in_which_patches_vary_most() -> None:
    rng = np.random.default_rng(0)
    brightness = rng.integers(60, 200, size=(50, 1, 1, 1))
    edge = rng.integers(0, 30, size=(50, 1, 1, 1)) * (np.arange(16) >= 8)[None, None, :, None]
    images_BYXC = np.broadcast_to(brightness + edge, (50, 16, 16, 3)).astype(np.uint8)
    mean_D, variance_K, components_KD = principal_components(images_BYXC)
    np.testing.assert_allclose(mean_D, images_BYXC.reshape(50, -1).mean(0))
    np.testing.assert_allclose(components_KD @ components_KD.T, np.eye(BITS), atol=1e-9)
    assert variance_K[:2].sum() == pytest.approx(images_BYXC.reshape(50, -1).astype(float).var(0).sum())
    assert np.ptp(components_KD[0]) < 0.02  # nearly flat: brightness


@given(st.integers(0, 100), st.integers(1, 9))
def test_cells_are_in_order_and_every_level_lies_in_its_cell(seed: int, bits: int) -> None:
    values_PK = np.random.default_rng(seed).laplace(scale=100, size=(500, 1)).round().astype(np.float32)
    edges_KL, levels_KL = cut_cells(values_PK, np.array([bits]))
    bounds_L = np.concatenate([[-np.inf], edges_KL[0], [np.inf]])
    assert (np.diff(edges_KL[0]) >= 0).all()
    assert (levels_KL[0] >= bounds_L[:-1]).all()
    assert (levels_KL[0] <= bounds_L[1:]).all()


def test_cells_of_a_uniform_component_are_equal() -> None:
    values_PK = np.arange(1 << 14, dtype=np.float32)[:, None]
    edges_KL, levels_KL = cut_cells(values_PK, np.array([2]))
    np.testing.assert_allclose(edges_KL[0], np.array([1, 2, 3]) * 2**12, atol=4)
    np.testing.assert_allclose(levels_KL[0], (np.arange(4) + 0.5) * 2**12, atol=4)


def test_no_images_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        principal_components(np.empty((0, 16, 16, 3), np.uint8))
