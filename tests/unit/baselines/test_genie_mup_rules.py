"""Learning rates and decays as `mup` gives them: by which axes of a weight grow with the width."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch

RATE, DECAY = 1e-3, 0.1


@pytest.fixture
def make(genie):
    """A fresh model of a width."""
    config, model = genie("config"), genie("model")
    shape = {"num_layers": 2, "num_heads": 2, "S": 16, "action_width": 3, "qkv_bias": True}
    return lambda width, **words: model.Genie(config.GenieConfig(d_model=width, **shape | words))


def settings_of(groups, model) -> dict[str, tuple[float, float]]:
    """(rate, decay) of each weight by its name; each is in one group."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = [(names[id(p)], (g["lr"], g["weight_decay"])) for g in groups for p in g["params"]]
    assert len(found) == len(dict(found))
    return dict(found)


@pytest.mark.parametrize("width", [64, 256, 512])
def test_weights_with_two_growing_axes_learn_slower_in_wider_models(genie, make, width):
    """mup compares the shapes of two widths: an axis that differs is infinite; two of those make a matrix."""
    model = make(width, use_mup=True)
    found = settings_of(genie("mup_rules").parameter_groups(model, RATE, DECAY), model)
    wider_shapes = {name: parameter.shape for name, parameter in make(2 * width).named_parameters()}
    for name, parameter in model.named_parameters():
        growing = sum(one != two for one, two in zip(parameter.shape, wider_shapes[name], strict=True))
        rate, decay = found.pop(name)
        assert rate == pytest.approx(RATE / (width / 256) if growing == 2 else RATE), name
        assert decay in (0, pytest.approx(DECAY * RATE / rate)), name
    assert not found


def test_without_mup_all_learn_alike(genie, make):
    model = make(512)
    found = settings_of(genie("mup_rules").parameter_groups(model, RATE, DECAY), model)
    assert {rate for rate, _ in found.values()} == {RATE}
    assert set(found) == {name for name, _ in model.named_parameters()}


def test_matrices_and_the_readout_decay_and_nothing_else(genie, make):
    model = make(64)
    found = settings_of(genie("mup_rules").parameter_groups(model, RATE, DECAY), model)
    decaying = {name for name, (_, decay) in found.items() if decay}
    assert decaying == {
        name for name, parameter in model.named_parameters() if parameter.ndim == 2 and "embed" not in name
    }
