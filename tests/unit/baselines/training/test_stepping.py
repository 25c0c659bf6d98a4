"""A step is the same however it is cut."""

from __future__ import annotations

import pytest

from baselines.training.recipe import Precision, Recipe

pytestmark = pytest.mark.torch


@pytest.fixture
def stepping(training):
    return training("stepping")


@pytest.fixture
def step_of(training, stepping, make_learner, make_job, torch):
    """What one step gives, and the weights after it; in parts of so many windows."""

    def take(windows_per_pass, *, step=0, seed=0):
        torch.manual_seed(0)
        learner = make_learner()
        recipe = Recipe(steps=100, batch=8, learning_rate=0.1, warmup_steps=0, seed=seed)
        job = make_job(learner)
        stepper = stepping.Stepper(
            learner, recipe, job.team, windows_per_pass=windows_per_pass, compiled=False
        )
        batch = job.train.read(torch.arange(8).numpy()).to(job.team.device)
        return stepper.take(step, batch), learner.model.weights.detach().clone()

    return take


@pytest.mark.parametrize(
    ("begin", "end", "at_most", "expected"),
    [
        (0, 8, None, [(0, 8)]),
        (0, 8, 100, [(0, 8)]),
        (8, 16, 4, [(8, 12), (12, 16)]),
        (0, 64, 24, [(0, 21), (21, 42), (42, 64)]),
        (3, 6, 1, [(3, 4), (4, 5), (5, 6)]),
    ],
)
def test_rows_are_cut_into_few_parts_of_nearly_one_size(stepping, begin, end, at_most, expected) -> None:
    parts = stepping.parts_of(range(begin, end), at_most)
    assert [(part.start, part.stop) for part in parts] == expected


@pytest.mark.parametrize("windows_per_pass", [1, 3, 4, 7])
def test_parts_add_up_to_the_whole(step_of, torch, windows_per_pass) -> None:
    whole, whole_weights = step_of(None)
    parts, weights = step_of(windows_per_pass)
    assert torch.allclose(parts, whole, rtol=1e-5)
    assert torch.allclose(weights, whole_weights, rtol=1e-5)


def test_what_is_drawn_depends_on_the_seed_and_the_step_alone(step_of, torch) -> None:
    assert torch.equal(step_of(None)[0], step_of(None)[0])
    torch.rand(1)
    assert torch.equal(step_of(None, step=5)[0], step_of(None, step=5)[0])
    assert step_of(None)[0][0] != step_of(None, step=1)[0][0]
    assert step_of(None)[0][0] != step_of(None, seed=1)[0][0]


def test_bfloat16_is_for_the_forward_pass(stepping, make_learner, make_job, torch) -> None:
    seen = []
    learner = make_learner(lambda passes: seen.append(torch.is_autocast_enabled("cpu")))
    job = make_job(learner)
    batch = job.train.read(torch.arange(4).numpy()).to(job.team.device)
    for precision in ("bfloat16", "float32"):
        recipe = Recipe(steps=10, batch=4, warmup_steps=1, precision=type(job.recipe.precision)(precision))
        stepping.Stepper(learner, recipe, job.team, windows_per_pass=None, compiled=False).take(0, batch)
    assert seen == [True, False]
    assert learner.model.weights.dtype == torch.float32


def test_only_a_step_may_multiply_as_tf32(stepping, torch) -> None:
    """What is held out is float32, on a GPU too."""
    told = torch.get_float32_matmul_precision
    before = told()
    low, full = Precision.BFLOAT16, Precision.FLOAT32
    for precision, name, expected in ((low, "cuda", "high"), (full, "cuda", before), (low, "cpu", before)):
        with stepping.products(precision, torch.device(name)):
            assert told() == expected
        assert told() == before == "highest"
