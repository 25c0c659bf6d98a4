"""Figures are written as a reader expects them and no more exactly than is published."""

from __future__ import annotations

import pytest

from leaderboard import figures


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.075, "0.075"), (0.0304, "0.030"), (1.26, "1.3"), (0.0996, "0.10"), (12.4, "12"), (126.0, "130"),
     (0.000012, "0.000012"), (0.0, "0"), (None, figures.NOTHING)],
)  # fmt: skip
def test_seconds_have_two_figures_and_no_exponent(value, shown):
    assert figures.seconds(value) == shown


def test_losses_have_four_decimals():
    assert figures.loss(9.43126) == "9.4313"
    assert figures.loss(25.0) == "25.0000"
    assert figures.loss(25.1) == figures.loss(1e300) == ">25"
    assert figures.loss(None) == figures.NOTHING
    assert figures.rounded(9.43126) == 9.4313


@pytest.mark.parametrize(
    ("value", "parts"), [(1.5e19, ("1.5", 19)), (2e18, ("2", 18)), (9.96e9, ("1", 10)), (1.0, ("1", 0))]
)
def test_flops_are_a_mantissa_and_a_power_of_ten(value, parts):
    assert figures.power_of_ten(value) == parts
