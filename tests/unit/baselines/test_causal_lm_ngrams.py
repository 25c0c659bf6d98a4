"""What fresh weights know is what was counted: their logits are those of the log-linear formula."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch

VOCAB, CELLS, NEIGHBOURS = 8, 16, (1, 4, 16)


@pytest.fixture
def module(causal_lm):
    """ngrams.py."""
    return causal_lm("ngrams")


@pytest.fixture
def pairs_MX(torch):
    """Pairs of frames of 4x4 tokens in base 8; the later one repeats the earlier one in one factor."""
    dice = torch.Generator().manual_seed(0)
    before_MN, fresh_MN = torch.randint(VOCAB**2, (2, 60, CELLS), generator=dice).unbind(0)
    return torch.cat([before_MN, before_MN % VOCAB + VOCAB * (fresh_MN // VOCAB)], 1)


def test_with_enough_width_the_logits_are_those_of_the_formula(
    torch, module, make_causal_lm, causal_lm, pairs_MX
):
    from baselines.training.counts import count
    from baselines.training.loglinear import LogLinear

    shape = make_causal_lm(d_model=64).config
    lm = causal_lm("model").CausalLM(shape)
    ngrams = count([pairs_MX], module.contexts(shape))
    weight_FK = torch.tensor([[0.5, 0.1, 0.2, 0.9], [0.3, 0.6, 0.7, 0.4]])
    module.write(lm, LogLinear(ngrams=ngrams, weight_FK=weight_FK))
    torch.nn.init.zeros_(lm.context.frame.weight)  # which nobody counted
    tokens_BP = torch.randint(VOCAB**2, (2, 4 * CELLS), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits_BPFV = lm(tokens_BP)
    digits_FBP = torch.stack([tokens_BP % VOCAB, tokens_BP // VOCAB])
    for place in (CELLS, CELLS + 5, 3 * CELLS + 7):
        for factor in range(2):
            expected_BV = ngrams.unigram_FV[factor].log() + (
                weight_FK[factor, 0] * ngrams.cell_FNV[factor, place % CELLS]
            )
            for g, back in enumerate(NEIGHBOURS):
                known_B = digits_FBP[factor, :, place - back]
                expected_BV = expected_BV + weight_FK[factor, 1 + g] * ngrams.near_FGUV[factor, g, known_B]
            found_BV = logits_BPFV[:, place - CELLS, factor]
            torch.testing.assert_close(found_BV, expected_BV, rtol=0, atol=1e-4)
