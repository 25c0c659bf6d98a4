"""The learning rate's closed form, and an optimizer that goes on where it was saved."""

from __future__ import annotations

import math

import pytest

from baselines.training.recipe import Recipe
from harness.errors import CheckpointInvalid

pytestmark = pytest.mark.torch
RECIPE = Recipe(steps=100, warmup_steps=10, final_rate=0.1, learning_rate=0.01)


@pytest.fixture
def optimizer(training):
    return training("optimizer")


@pytest.fixture
def make_descent(optimizer, torch):
    """Descent of two tensors, the second at a tenth of the rate and decayed."""

    def make(*, size=3, **words):
        torch.manual_seed(1)
        parameters = [torch.nn.Parameter(torch.randn(size)), torch.nn.Parameter(torch.randn(2, 2))]
        groups = [
            {"params": parameters[:1], "lr": 0.01, "weight_decay": 0.0},
            {"params": parameters[1:], "lr": 0.001, "weight_decay": 0.1},
        ]
        recipe = Recipe(**({"steps": 100, "warmup_steps": 10} | words))
        return parameters, optimizer.Descent(groups, recipe)

    return make


def push(parameters, step, scale=1.0):
    """Gradients that differ from step to step."""
    for place, parameter in enumerate(parameters):
        parameter.grad = scale * (parameter.detach() + math.sin(step + place))


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0, 0.1),
        (4, 0.5),
        (9, 1.0),
        (10, 1.0),
        (10 + 45, 0.55),
        (99, 0.1 + 0.9 * (1 + math.cos(math.pi * 89 / 90)) / 2),
        (10 + 30, 0.1 + 0.9 * (1 + math.cos(math.pi / 3)) / 2),
    ],
)
def test_the_rate_rises_in_a_line_and_falls_as_a_cosine(optimizer, step, share) -> None:
    assert optimizer.share_of_peak(step, RECIPE) == pytest.approx(share)


def test_without_a_warm_up_the_rate_falls_from_its_peak(optimizer) -> None:
    recipe = Recipe(steps=4, warmup_steps=0)
    expected = [(1 + math.cos(math.pi * number / 4)) / 2 for number in (0, 1, 2, 3)]
    assert [optimizer.share_of_peak(step, recipe) for step in range(4)] == pytest.approx(expected)


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("warmup", [0, 1])
def test_every_step_learns(optimizer, steps, warmup) -> None:
    recipe = Recipe(steps=steps + warmup, warmup_steps=warmup, final_rate=0.0)
    assert min(optimizer.share_of_peak(step, recipe) for step in range(recipe.steps)) > 0.01
    assert max(optimizer.share_of_peak(step, recipe) for step in range(recipe.steps)) == 1


def test_adamw_s_first_step_is_the_learning_rate_itself_in_each_group(make_descent) -> None:
    parameters, descent = make_descent(warmup_steps=1)
    before = [parameter.detach().clone() for parameter in parameters]
    push(parameters, 0)
    signs = [parameter.grad.sign() for parameter in parameters]
    descent.step(0)
    assert (parameters[0] - (before[0] - 0.01 * signs[0])).abs().max() < 1e-6
    assert (parameters[1] - (before[1] * (1 - 0.001 * 0.1) - 0.001 * signs[1])).abs().max() < 1e-6


def test_the_norm_is_told_and_gradients_are_clipped_to_it(make_descent, torch) -> None:
    """AdamW does not see the length of its first gradient; the moments tell what reached it."""
    parameters, descent = make_descent(clip_norm=0.5)
    push(parameters, 0, scale=100)
    expected = torch.cat([parameter.grad.flatten() for parameter in parameters]).norm()
    assert descent.step(0) == pytest.approx(float(expected))
    moments = [descent._adamw.state[parameter]["exp_avg"].flatten() for parameter in parameters]
    assert torch.cat(moments).norm() == pytest.approx(0.5 * (1 - 0.9), rel=1e-4)
    assert [parameter.grad for parameter in parameters] == [None, None]


def test_what_was_saved_goes_on_exactly(make_descent, tmp_path, torch) -> None:
    parameters, descent = make_descent()
    for step in range(5):
        push(parameters, step)
        descent.step(step)
    descent.save(tmp_path)
    others, resumed = make_descent()
    with torch.no_grad():
        for other, parameter in zip(others, parameters, strict=True):
            other.copy_(parameter)
    resumed.load(tmp_path)
    for step in range(5, 10):
        push(parameters, step)
        push(others, step)
        descent.step(step)
        resumed.step(step)
    for other, parameter in zip(others, parameters, strict=True):
        assert torch.equal(other, parameter)


def test_moments_of_another_shape_are_refused(make_descent, tmp_path) -> None:
    parameters, descent = make_descent()
    push(parameters, 0)
    descent.step(0)
    descent.save(tmp_path)
    with pytest.raises(CheckpointInvalid, match="another shape"):
        make_descent(size=4)[1].load(tmp_path)


@pytest.mark.parametrize("name", ["step", "exp_avg", "exp_avg_sq"])
@pytest.mark.parametrize("change", ["gone", "cut", "renamed"])
def test_a_file_without_all_of_a_parameter_s_state_is_refused(
    make_descent, tmp_path, optimizer, torch, name, change
) -> None:
    """And it is the file's fault, not a bug: whatever another program put there."""
    from safetensors.torch import load_file, save_file

    parameters, descent = make_descent()
    push(parameters, 0)
    descent.step(0)
    descent.save(tmp_path)
    saved = load_file(tmp_path / optimizer.FILE_NAME)
    value = saved.pop(f"1.{name}")
    if change != "gone":
        saved |= {f"1.{name}": torch.zeros(5)} if change == "cut" else {f"first.{name}": value}
    save_file(saved, tmp_path / optimizer.FILE_NAME)
    with pytest.raises(
        CheckpointInvalid, match="another shape" if change == "cut" else f"1.{name}"
    ) as caught:
        make_descent()[1].load(tmp_path)
    assert "remove the checkpoint's folder" in caught.value.fix


def test_a_damaged_file_is_refused(make_descent, tmp_path, optimizer) -> None:
    (tmp_path / optimizer.FILE_NAME).write_bytes(b"not tensors")
    with pytest.raises(CheckpointInvalid, match="cannot be read"):
        make_descent()[1].load(tmp_path)
