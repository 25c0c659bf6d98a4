"""Which windows a step takes is a function of the seed and the step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.training.order import Order, step_seed


def sequence(num_windows: int, *, batch: int, seed: int, count: int) -> list[int]:
    order = Order(num_windows, batch=batch, seed=seed)
    taken = np.concatenate([order.at(step) for step in range(-(-count // batch))])
    return taken[:count].tolist()


@settings(deadline=None)
@given(num_windows=st.integers(1, 50), batch=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_every_epoch_is_a_permutation(num_windows: int, batch: int, seed: int) -> None:
    taken = sequence(num_windows, batch=batch, seed=seed, count=3 * num_windows)
    for epoch in range(3):
        assert sorted(taken[epoch * num_windows : (epoch + 1) * num_windows]) == list(range(num_windows))


@settings(deadline=None)
@given(num_windows=st.integers(1, 50), batch=st.integers(1, 70), steps=st.lists(st.integers(0, 40)))
def test_a_step_s_windows_depend_on_nothing_that_was_asked_before(num_windows, batch, steps) -> None:
    used = Order(num_windows, batch=batch, seed=3)
    for step in steps:
        assert used.at(step).tolist() == Order(num_windows, batch=batch, seed=3).at(step).tolist()


def test_the_sequence_does_not_depend_on_how_it_is_cut() -> None:
    assert sequence(30, batch=4, seed=1, count=80) == sequence(30, batch=7, seed=1, count=80)


def test_epochs_and_seeds_differ() -> None:
    taken = sequence(100, batch=10, seed=1, count=200)
    assert taken[:100] != taken[100:]
    assert taken[:100] != sequence(100, batch=10, seed=2, count=100)


def test_what_is_drawn_differs_by_seed_and_step() -> None:
    drawn = {step_seed(seed, step) for seed in range(10) for step in range(10)}
    assert len(drawn) == 100
    assert step_seed(3, 4) == step_seed(3, 4)


@pytest.mark.parametrize("seed", [0, 2**31, 2**63 - 1])
def test_torch_takes_every_drawn_seed(seed: int) -> None:
    assert 0 <= step_seed(seed, 10**9) < 2**63
