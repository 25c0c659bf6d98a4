"""Comparisons: equal within the tolerance, whatever the figure is made of, and shown where not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from harness.results.checks import Outcome, compared


@dataclass(frozen=True)
class Pair:
    """Two figures."""

    name: str
    value: float


@pytest.mark.parametrize(
    ("one", "other", "outcome"),
    [
        (10.0, 10.0 + 9e-6, Outcome.SAME),
        (10.0, 10.0 + 2e-5, Outcome.DIFFERENT),
        (0.0, 9e-7, Outcome.SAME),
        (0.0, 2e-6, Outcome.DIFFERENT),
        (10.0, float("nan"), Outcome.DIFFERENT),
        (10.0, None, Outcome.DIFFERENT),
        (None, None, Outcome.SAME),
        (3, 4, Outcome.DIFFERENT),
        ((1.0, 2.0), (1.0, 2.0 + 1e-6), Outcome.SAME),
        ((1.0, 2.0), (1.0, 2.1), Outcome.DIFFERENT),
        ((1.0, 2.0), (1.0,), Outcome.DIFFERENT),
        (Pair("a", 1.0), Pair("a", 1.0 + 1e-7), Outcome.SAME),
        (Pair("a", 1.0), Pair("b", 1.0), Outcome.DIFFERENT),
        ((Pair("a", 1.0),), (Pair("a", 2.0),), Outcome.DIFFERENT),
    ],
)
def test_figures_are_the_same_within_the_tolerance_only(one: Any, other: Any, outcome: Outcome) -> None:
    assert compared("it", one, other, tolerance=1e-6).outcome is outcome


def test_what_differs_is_shown_with_both_values() -> None:
    assert compared("loss", 8.0, 9.5).detail == "recorded 8, recomputed 9.5"
    assert compared("pair", Pair("a", 1.0), None).detail == "recorded name a, value 1, recomputed None"
    assert compared("some", (1.0, 2.0, 3.0), (1.0, 5.0, 3.0)).detail == "number 2: recorded 2, recomputed 5"
    assert compared("list", (1.0,) * 9, ()).detail == "recorded (1, 1, ..., 1), recomputed ()"
