"""A Genie made from counts predicts like the tables that were counted."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import UsageError

pytestmark = pytest.mark.torch

BASE, SIDE, STRIDE = 8, 4, 3


@pytest.fixture
def tokens_KHW() -> np.ndarray:
    """Frames of 4x4 tokens, each cell with its own habits."""
    rng = np.random.default_rng(0)
    habit_FN = rng.integers(0, BASE, (2, SIDE * SIDE))
    moved_KFN = rng.integers(0, 3, (600, 2, SIDE * SIDE))
    value_KFN = (habit_FN + moved_KFN + np.arange(600)[:, None, None] // 7) % BASE
    return (value_KFN[:, 0] + BASE * value_KFN[:, 1]).reshape(-1, SIDE, SIDE)


@pytest.fixture
def shape(genie):
    """A config of the tests' size; words change it."""

    def make(**words):
        small = {"num_layers": 2, "num_heads": 2, "d_model": 32, "S": 16, "image_vocab_size": 64}
        return genie("config").GenieConfig(**{**small, "factored_vocab_size": BASE, **words})

    return make


@pytest.fixture
def learned(torch, genie, shape, tokens_KHW):
    """Their log-linear model, with weights as fitting might give."""
    from baselines.training.counts import count
    from baselines.training.loglinear import LogLinear

    tokens_KN = torch.from_numpy(tokens_KHW.reshape(len(tokens_KHW), -1))
    pairs_MX = torch.cat([tokens_KN[:-STRIDE], tokens_KN[STRIDE:]], 1)
    ngrams = count([pairs_MX], genie("initial").contexts(shape()))
    return LogLinear(ngrams=ngrams, weight_FK=torch.tensor([[0.7, 0.8], [0.6, 0.9]]))


def windows_of(tokens_KHW: np.ndarray, *, frames: int) -> np.ndarray:
    """Windows [B,T,4,4] of these frames."""
    starts = [0, 17, 40, 300, 411]
    return np.stack([tokens_KHW[s : s + frames * STRIDE : STRIDE] for s in starts]).astype(np.int64)


@pytest.mark.parametrize("use_mup", [False, True])
def test_where_the_width_suffices_the_logits_are_the_tables_logarithms(
    torch, genie, shape, tokens_KHW, learned, use_mup
):
    torch.manual_seed(0)
    model = genie("initial").from_counts(shape(use_mup=use_mup), learned).eval()
    tokens_BTHW = windows_of(tokens_KHW, frames=16)
    with torch.no_grad():
        logits = genie("rollout").first_logits(model, torch.from_numpy(tokens_BTHW))

    ngrams, weight_FK = learned.ngrams, learned.weight_FK
    expected = torch.zeros(5, 15, SIDE**2, 2, BASE)
    for f, before_BTN in enumerate(
        torch.from_numpy(tokens_BTHW[:, :-1]).flatten(2) // d % BASE for d in (1, BASE)
    ):
        expected[..., f, :] = weight_FK[f, 0] * ngrams.cell_FNV[f]
        expected[..., f, :] += weight_FK[f, 1] * ngrams.near_FGUV[f, 0, before_BTN]
    largest = expected.abs().max()
    expected += ngrams.unigram_FV.log()
    difference = logits.reshape(expected.shape) - expected
    # A trace of the frames beside the last one remains; a readout's shift by a constant means nothing.
    difference -= difference.mean(-1, keepdim=True)
    assert difference.abs().max() < 0.02 * largest


def test_a_narrow_one_still_beats_the_frequencies_of_values(torch, genie, shape, tokens_KHW, learned):
    model = genie("initial").from_counts(shape(d_model=16), learned).eval()
    tokens_BTHW = torch.from_numpy(windows_of(tokens_KHW, frames=16))
    with torch.no_grad():
        logits = genie("rollout").first_logits(model, tokens_BTHW).flatten(0, -2)
    target = genie("model").factors(tokens_BTHW[:, 1:], model.config).flatten()
    entropy = torch.special.entr(learned.ngrams.unigram_FV).sum(-1).mean()
    assert torch.nn.functional.cross_entropy(logits, target) < entropy - 0.1


def test_every_parameter_but_the_silent_paths_inner_ones_can_learn_at_once(
    torch, genie, shape, tokens_KHW, learned
):
    model = genie("initial").from_counts(shape(), learned)
    tokens_BTHW = torch.from_numpy(windows_of(tokens_KHW, frames=16))
    model(tokens_BTHW).logsumexp(-1).sum().backward()
    outs = [p.grad for name, p in model.named_parameters() if name.endswith(("proj.weight", "fc2.weight"))]
    assert all(gradient.abs().max() > 0 for gradient in outs)


@pytest.mark.parametrize("words", [{"qk_norm": True}, {"num_heads": 8}])
def test_a_shape_that_counts_do_not_fit_is_refused(genie, shape, learned, words):
    with pytest.raises(UsageError) as caught:
        genie("initial").from_counts(shape(**words), learned)
    assert caught.value.code == "usage.config"
