"""The state probe flags what an honest repeat would not show, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from harness.scoring.state_probe import choose_windows, compare

FIRST = np.random.default_rng(0).normal(8, 1, size=12)


def probe(second: np.ndarray, *, own: bool = False) -> tuple[bool, bool | None]:
    result = compare(FIRST, second, feeds_back_own_tokens=own)
    return result.carried_state, result.depends_on_neighbours


def test_an_exact_repeat_is_clean() -> None:
    assert probe(FIRST.copy()) == (False, False)


def test_rounding_is_clean() -> None:
    assert probe(FIRST + np.random.default_rng(1).normal(0, 1e-4, size=12)) == (False, False)


def test_a_better_second_time_is_state() -> None:
    assert probe(FIRST - 0.5)[0]


def test_a_worse_second_time_is_not_state_but_depends_on_something() -> None:
    assert probe(FIRST + 0.5) == (False, True)


@pytest.mark.parametrize("recalled", [1, 2, 4])
def test_recalling_a_few_windows_is_state(recalled: int) -> None:
    second = FIRST + np.random.default_rng(2).normal(0, 1e-4, size=12)
    second[:recalled] = 0.5
    assert probe(second)[0]


def test_a_large_change_for_the_worse_and_one_for_the_better_is_no_state() -> None:
    second = FIRST.copy()
    second[0] += 2
    second[1] -= 2
    assert probe(second) == (False, True)


def test_one_changed_window_depends_on_its_neighbours() -> None:
    second = FIRST.copy()
    second[3] += 0.05
    assert probe(second) == (False, True)


def test_a_sampler_that_feeds_itself_may_vary() -> None:
    noisy = FIRST + np.random.default_rng(3).normal(0, 0.3, size=12)
    assert probe(noisy, own=True) == (False, None)


@pytest.mark.parametrize(("windows", "expected"), [(3, 3), (24, 8), (243, 13)])
def test_five_percent_of_the_windows_but_at_least_eight(windows: int, expected: int) -> None:
    chosen = choose_windows(windows, np.random.default_rng(0))
    assert len(chosen) == len(set(chosen.tolist())) == expected
    assert set(chosen.tolist()) <= set(range(windows))
