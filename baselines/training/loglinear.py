"""Log-linear models of n-grams, brought to the rank of a network's width.

    log p(v) = log unigram(v) + sum over contexts k of w_k log(p(v | k) / unigram(v))

The contexts are the target's cell and each neighbour's factor; the few weights w are fitted on frames held back from
counting. A network whose blocks add nothing is linear from its embeddings to its logits, so it can be given such a
model: one row of a matrix for each value of each context, split into embeddings and readout.

Axes: M pairs of frames, N tokens of a frame, F the two factors of a token, V a factor's values, K contexts (the cell,
then the neighbours), X samples, R rows (every value of every context), C columns (F * V), Q ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from baselines.training.counts import (
    FACTORS,
    Contexts,
    NGrams,
    count,
    digits,
    neighbours,
    pair_starts,
    read_pairs,
)
from harness.data.clips import Clip

HELD_BACK = 0.1  # of the pairs of frames, at the end
SAMPLES = 8192  # tokens of those, to fit the weights


@dataclass(frozen=True, kw_only=True)
class LogLinear:
    """N-grams, and how much each context is to be believed: `weight_FK`."""

    ngrams: NGrams
    weight_FK: Tensor

    def rows(self) -> tuple[Tensor, Tensor]:
        """What every value of every context adds to the logits, [R,C], and how often it occurs, [R].

        First the cells, then each neighbour's first factor and its second.
        """
        ngrams, weight_FK = self.ngrams, self.weight_FK
        cell_NC = (weight_FK[:, 0, None, None] * ngrams.cell_FNV).movedim(0, 1).flatten(1)
        near_FGUV = weight_FK[:, 1:, None, None] * ngrams.near_FGUV
        _, num_near, base, _ = near_FGUV.shape
        near_GFUFV = torch.zeros(num_near, FACTORS, base, FACTORS, base)
        for factor in range(FACTORS):  # a factor speaks of the same factor only
            near_GFUFV[:, factor, :, factor] = near_FGUV[factor]
        often_N = torch.full((len(cell_NC),), 1 / len(cell_NC))
        return (
            torch.cat([cell_NC, near_GFUFV.view(-1, FACTORS * base)]),
            torch.cat([often_N, ngrams.often_FGU.transpose(0, 1).flatten()]),
        )


def learn(clip: Clip, contexts: Contexts) -> LogLinear | None:
    """The model of a clip; None if it has no two frames a stride apart to count, and two to hold back."""
    starts_M = pair_starts(clip)
    cut = int(len(starts_M) * (1 - HELD_BACK))
    if not 0 < cut < len(starts_M):
        return None
    counted = count(read_pairs(clip, starts_M[:cut]), contexts)
    weight_FK = fit(counted, torch.cat(list(read_pairs(clip, starts_M[cut:]))), contexts)
    return LogLinear(ngrams=count(read_pairs(clip, starts_M), contexts), weight_FK=weight_FK)


def fit(ngrams: NGrams, tokens_MX: Tensor, contexts: Contexts) -> Tensor:
    """The weights [F,K] under which samples of the later frames of these pairs are most likely."""
    cells = contexts.cells
    dice = torch.Generator().manual_seed(0)
    sample_X = torch.randint(len(tokens_MX) * cells, (SAMPLES,), generator=dice)
    found = []
    for factor, digits_MX in enumerate(digits(tokens_MX, contexts.base)):
        value_X = digits_MX[:, cells:].flatten()[sample_X]
        rows = [ngrams.cell_FNV[factor, sample_X % cells]]
        for place, known_MN in enumerate(neighbours(digits_MX, contexts)):
            rows.append(ngrams.near_FGUV[factor, place, known_MN.flatten()[sample_X]])
        found.append(_most_likely(torch.stack(rows), ngrams.unigram_FV[factor].log(), value_X))
    return torch.stack(found)


def low_rank(ratio_RC: Tensor, often_R: Tensor, often_C: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """[R,Q] and [C,Q], Q at most `most`, whose product is near the given one, nearest where both occur often."""
    scale_R1 = often_R.clamp(min=1 / (len(often_R) * 1e3)).sqrt()[:, None]
    scale_C = often_C.sqrt()
    left_RQ, strength_Q, right_QC = torch.linalg.svd(scale_R1 * ratio_RC * scale_C, full_matrices=False)
    root_Q = strength_Q[:most].sqrt()
    return left_RQ[:, :most] * root_Q / scale_R1, right_QC[:most].T * root_Q / scale_C[:, None]


def _most_likely(ratio_KXV: Tensor, prior_V: Tensor, value_X: Tensor) -> Tensor:
    """The weights [K]; the loss is convex in them, so where the search begins does not matter."""
    weight_K = torch.full((len(ratio_KXV),), 1 / len(ratio_KXV), requires_grad=True)
    search = torch.optim.LBFGS([weight_K], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> float:
        search.zero_grad()
        logits_XV = prior_V + torch.einsum("k,kxv->xv", weight_K, ratio_KXV)
        nats = functional.cross_entropy(logits_XV, value_X)
        torch.autograd.backward(nats)
        return nats.item()

    with torch.enable_grad():
        search.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return weight_K.detach()
