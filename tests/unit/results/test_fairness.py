"""The organiser's rules: defaults that hold without a file, and no file that means nothing."""

from __future__ import annotations

import pytest

from harness.errors import StoreFailed
from harness.results.fairness import FILE, Fairness, read_fairness


def test_without_a_file_the_defaults_hold(tmp_path):
    assert read_fairness(tmp_path) == Fairness(attempts=3, days=7, organisers=())
    assert not Fairness().is_organisers("baseline")
    assert not Fairness().is_organisers(None)


def test_a_file_replaces_what_it_names(tmp_path):
    (tmp_path / FILE).write_text('attempts = 1\norganisers = ["Baseline"]\n')
    rules = read_fairness(tmp_path)
    assert rules == Fairness(attempts=1, days=7, organisers=("Baseline",))
    assert rules.is_organisers("baseline")


@pytest.mark.parametrize(
    "text",
    [
        "attempt = 1", "attempts = -1", "attempts = 1.5", "attempts = true", 'attempts = "3"', "days = 0", "days = nan",
        "days = inf", 'organisers = "ann"', "organisers = [1]", "attempts = ", "[attempts]",
    ],
)  # fmt: skip
def test_a_rule_that_is_none_is_an_error_and_not_a_default(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(StoreFailed) as caught:
        read_fairness(tmp_path)
    assert caught.value.code == "store.bad_fairness"
