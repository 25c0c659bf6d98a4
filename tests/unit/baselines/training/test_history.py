"""What steps gave, and what of it is looked at when."""

from __future__ import annotations

import pytest

from harness.errors import TrainingFailed

pytestmark = pytest.mark.torch


@pytest.fixture
def make_history(training, torch):
    team = training("distributed").Team(rank=0, size=1, device=torch.device("cpu"))
    return lambda *unlogged: training("history").History(team, unlogged)


def test_means_are_taken_once(make_history, torch) -> None:
    history = make_history([4.0, 0.0, 1.0])
    history.add(torch.tensor([2.0, 1.0, 3.0]))
    history.settle(2)
    assert history.unlogged == [[4.0, 0.0, 1.0], [2.0, 1.0, 3.0]]
    assert history.take_means() == {"loss": 3.0, "accuracy": 0.5, "gradient_norm": 2.0}
    assert history.unlogged == []


@pytest.mark.parametrize(("column", "name"), [(0, "loss"), (1, "accuracy"), (2, "gradient norm")])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_the_step_that_is_not_finite_is_named(make_history, torch, column, name, value) -> None:
    history = make_history()
    for step in range(11, 15):
        row = torch.ones(3)
        if step >= 13:
            row[column] = value
        history.add(row)
    with pytest.raises(TrainingFailed, match=f"the {name} of step 13 is {value}"):
        history.settle(14)
