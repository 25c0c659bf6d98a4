"""What a window costs, against closed forms."""

from __future__ import annotations

import importlib
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.torch


@pytest.fixture
def flops(torch):
    return importlib.import_module("baselines.training.flops")


@pytest.fixture
def batch_of(torch):
    """A batch of windows with random tokens."""
    learner = importlib.import_module("baselines.training.learner")

    def make(windows, config):
        side = config.side
        return learner.Batch(
            tokens_BTHW=torch.randint(config.image_vocab_size, (windows, config.T, side, side)),
            actions_BTSA=torch.zeros(windows, config.T, 15, 0),
        )

    return make


class Dense:
    """A learner whose loss is taken at every position, so that its operations have a closed form."""

    def __init__(self, torch, model):
        class Mean(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = model

            def forward(self, tokens_BTHW):
                loss = self.inner(tokens_BTHW).logsumexp(-1).mean()
                return loss, loss.detach()

        self.torch = torch
        self.model = Mean()

    def exercise(self, batch, generator):
        self.torch.rand(1, generator=generator)
        self.torch.rand(1)  # dropout draws from the global state too
        return SimpleNamespace(part=lambda begin, end: (batch.tokens_BTHW[begin:end],))


def closed_form(config):
    """(matrix products with weights, attention), forward, of one window."""
    tokens, width = config.T * config.S, config.d_model
    per_token = 2 * (4 + 4 + 8) * width**2  # two attentions' four squares, an MLP's eight
    readout = 2 * width * config.num_factored_vocabs * config.factored_vocab_size
    # Scores and their product with the values, in space and in time.
    attention = 4 * width * (config.S + config.T)
    return tokens * (config.num_layers * per_token + readout), tokens * config.num_layers * attention


@pytest.mark.parametrize("heads", [2, 4])
def test_every_product_of_a_small_model_is_counted_attention_in_space_and_in_time_too(
    torch, flops, make_genie, batch_of, heads
):
    model = make_genie(num_heads=heads, d_model=32)
    products, attention = closed_form(model.config)
    counted = flops.flops_per_window(Dense(torch, model), batch_of(1, model.config))
    assert counted == 3 * (products + attention)


@pytest.mark.parametrize("is_fused", [True, False])
def test_a_kernel_that_computes_scores_twice_counts_as_products_do(torch, flops, batch_of, is_fused):
    """Two products forward, four back, whoever does them."""

    class Attends(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.query = torch.nn.Parameter(torch.rand(3, 2, 16, 8))

        def forward(self, tokens_BTHW):
            if is_fused:
                mixed = torch.nn.functional.scaled_dot_product_attention(self.query, self.query, self.query)
            else:
                mixed = (self.query @ self.query.mT).softmax(-1) @ self.query
            return mixed

    config = SimpleNamespace(side=4, T=16, image_vocab_size=8)
    counted = flops.flops_per_window(Dense(torch, Attends()), batch_of(1, config))
    assert counted == (2 + 4) * (2 * 3 * 2 * 16 * 16 * 8)


def test_no_kernel_of_attention_is_left_to_torchs_own_count_of_its_backward_pass(torch, flops):
    """A new torch may have new ones."""
    from torch.utils.flop_counter import flop_registry

    known = {kernel for kernel in flop_registry if str(kernel).startswith("aten._scaled_dot_product")}
    backward = {kernel for kernel in known if str(kernel).endswith("_backward")}
    assert backward
    assert backward <= flops._formulas().keys()


@pytest.fixture
def learner_of(genie, make_genie):
    """A Genie's learner that asks this way, and its model."""

    def make(way):
        model = make_genie(d_model=32)
        ask = getattr(genie("exercise"), way)
        return SimpleNamespace(
            model=genie("exercise").Solver(model),
            exercise=lambda batch, dice: ask(batch.tokens_BTHW, batch.actions_BTSA, model.config, dice),
        ), model.config

    return make


def readout_of(masked, config):
    """Operations of a pass that asks for so many positions of a window, by the masked way."""
    products, attention = closed_form(config)
    return 3 * (products + attention - (config.T * config.S - masked) * 2 * 32 * 1024)


def test_what_a_genie_learns_from_is_counted_readout_of_masked_positions_only(
    torch, flops, learner_of, batch_of
):
    """The readout's three products are done by hand there, one of them in place."""
    learner, config = learner_of("masked")
    batch = batch_of(1, config)
    exercise = learner.exercise(batch, torch.Generator().manual_seed(0))
    counted = flops.flops_per_window(
        SimpleNamespace(model=learner.model, exercise=lambda batch, dice: exercise), batch
    )
    masked = int(exercise.masked_BTHW.sum())
    assert 0 < masked < config.T * config.S
    assert counted == pytest.approx(readout_of(masked, config))


def test_a_window_counts_as_it_is_drawn_on_average(torch, flops, learner_of, batch_of):
    """The readout is most of this model, and single draws are far apart."""
    learner, config = learner_of("masked")
    batch, dice = batch_of(100, config), torch.Generator().manual_seed(7)
    masked_Z = torch.cat([learner.exercise(batch, dice).masked_BTHW.flatten(1).sum(1) for _ in range(100)])
    expected = readout_of(float(masked_Z.double().mean()), config)
    assert readout_of(float(masked_Z.double().quantile(0.2)), config) < 0.9 * expected
    assert flops.flops_per_window(learner, batch_of(2, config)) == pytest.approx(expected, rel=0.03)


def test_a_window_of_the_published_35m_takes_about_a_teraflop(torch, flops, genie, batch_of):
    """0.94 by hand. Nothing is really multiplied here, and 32 layers are counted from the difference that one makes."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    def count(layers):
        config = genie("config").GenieConfig(num_layers=layers, num_heads=8, d_model=256)
        with FakeTensorMode():
            model = genie("model").Genie(config)
            return flops.flops_per_window(Dense(torch, model), batch_of(1, config))

    one, two = count(1), count(2)
    assert one + 31 * (two - one) == pytest.approx(0.94e12, rel=0.005)


def test_the_count_is_per_window(torch, flops, make_genie, batch_of):
    model = make_genie()
    learner = Dense(torch, model)
    one, three = (flops.flops_per_window(learner, batch_of(windows, model.config)) for windows in (1, 3))
    assert one == three > 0


def test_counting_leaves_no_gradient_and_no_trace_in_the_random_numbers(torch, flops, make_genie, batch_of):
    model = make_genie().train()
    batch = batch_of(2, model.config)
    before = torch.get_rng_state()
    flops.flops_per_window(Dense(torch, model), batch)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
