"""Fresh weights that know the n-grams of a clip, so that training begins where counting ends.

A step's input is a sum of embeddings, and with blocks that add nothing its logits are a linear function of it: room for
a log-linear model of the target's cell and of each neighbour's factors (baselines/training/loglinear.py).

Axes: R rows (every value of every context), C columns (factors times values), D width.
"""

from __future__ import annotations

import torch
from config import CausalConfig
from model import CausalLM
from torch.nn import functional

from baselines.training.counts import Contexts
from baselines.training.loglinear import LogLinear, learn, low_rank
from harness.data.clips import Clip

EMBEDDING_RMS = 0.5
"""Of the embeddings' numbers, the common ones counting more."""


def contexts(config: CausalConfig) -> Contexts:
    """What a step is given."""
    return Contexts(base=config.factor_vocab, cells=config.frame_tokens, neighbours=config.neighbours)


def begin_with_ngrams(lm: CausalLM, clip: Clip) -> None:
    """Give fresh weights the n-grams of the clip; if it is too short to count, they stay as they are."""
    learned = learn(clip, contexts(lm.config))
    if learned is not None:
        write(lm, learned)


@torch.no_grad()
def write(lm: CausalLM, learned: LogLinear) -> None:
    """All rows as one matrix [R,C], split into embeddings [R,D] and heads [C,D]."""
    config, unigram_FV = lm.config, learned.ngrams.unigram_FV
    ratio_RC, often_R = learned.rows()
    left_RD, right_CD = (
        functional.pad(part, (0, config.d_model - part.shape[1]))
        for part in low_rank(ratio_RC, often_R, unigram_FV.flatten(), config.d_model)
    )
    gain = EMBEDDING_RMS / (often_R @ left_RD.square().mean(1) / often_R.sum()).sqrt().clamp(min=1e-6)
    lm.heads.weight.copy_(right_CD / gain)
    lm.heads.bias.copy_(unigram_FV.log().flatten())
    cells = config.frame_tokens
    lm.context.cell.weight.copy_(left_RD[:cells] * gain)
    lm.context.factors.weight[: lm.context.absent].copy_(left_RD[cells:] * gain)
