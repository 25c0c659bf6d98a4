"""The n-grams of a clip: how likely each value of a token's factors is, by cell and after a known neighbour.

Frames are counted in pairs a stride apart, as the challenge shows them, a few at a time: a clip may be larger than
memory. What is kept are log-ratios to the unigram, log p(v | k) / p(v), which loglinear.py adds up.

Axes: M pairs of frames, N tokens of a frame, G neighbours, F the two factors of a token, U a known value, V a predicted
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness.data.clips import Clip
from harness.spec import CHALLENGE

FACTORS = 2
PAIRS = 20_000
"""At most so many pairs of frames are counted, spread over the clip; more would hardly change the tables."""
AT_ONCE = 500
"""Pairs that are in memory together."""
SMOOTHING = 4.0
"""Imaginary observations, of the unigram, per kind of value that followed a context (Witten-Bell)."""


@dataclass(frozen=True, kw_only=True)
class Contexts:
    """What is known of a token when its value is counted.

    Attributes:
        base: values of a factor: V.
        cells: tokens of a frame: N. A token's own cell is always known.
        neighbours: so many places before it are the tokens whose values are known; `cells` is its own a frame ago.
    """

    base: int
    cells: int
    neighbours: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class NGrams:
    """Log-ratios to the unigram, one row per value of a context.

    Attributes:
        unigram_FV: probabilities.
        cell_FNV: log-ratios given the target's cell.
        near_FGUV: given a neighbour's value of the same factor.
        often_FGU: how often that value occurs.
    """

    unigram_FV: Tensor
    cell_FNV: Tensor
    near_FGUV: Tensor
    often_FGU: Tensor


def pair_starts(clip: Clip) -> NDArray[np.int64]:
    """The raw frames that another of the same segment follows a stride later: [M], at most PAIRS."""
    stride, segments_N = CHALLENGE.stride, clip.segment_ids_N
    starts_M = np.flatnonzero(segments_N[:-stride] == segments_N[stride:])
    return starts_M[:: max(1, -(-len(starts_M) // PAIRS))]


def read_pairs(clip: Clip, starts_M: NDArray[np.int64]) -> Iterator[Tensor]:
    """These frames and those a stride later side by side, some at a time: int64 [M,2N]."""
    for begin in range(0, len(starts_M), AT_ONCE):
        some_M = starts_M[begin : begin + AT_ONCE]
        both = [clip.tokens_NHW[some_M + later].reshape(len(some_M), -1) for later in (0, CHALLENGE.stride)]
        yield torch.from_numpy(np.concatenate(both, 1).astype(np.int64))


def count(pairs: Iterable[Tensor], contexts: Contexts) -> NGrams:
    """The n-grams of the later frames of pairs [M,2N]."""
    base, cells = contexts.base, contexts.cells
    near_FGUV = torch.zeros(FACTORS, len(contexts.neighbours), base, base, dtype=torch.int64)
    cell_FNV = torch.zeros(FACTORS, cells, base, dtype=torch.int64)
    for tokens_MX in pairs:
        cell_MN = torch.arange(cells).expand(len(tokens_MX), -1)
        for f, digits_MX in enumerate(digits(tokens_MX, base)):
            value_MN = digits_MX[:, cells:]
            cell_FNV[f] += _followed(cell_MN, value_MN, cells, base)
            for g, known_MN in enumerate(neighbours(digits_MX, contexts)):
                near_FGUV[f, g] += _followed(known_MN, value_MN, base, base)
    frequency_FV = cell_FNV.sum(1) + 1.0
    unigram_FV = frequency_FV / frequency_FV.sum(-1, keepdim=True)
    return NGrams(
        unigram_FV=unigram_FV,
        cell_FNV=_log_ratio(cell_FNV, unigram_FV[:, None]),
        near_FGUV=_log_ratio(near_FGUV, unigram_FV[:, None, None]),
        often_FGU=near_FGUV.sum(-1) / cell_FNV.sum((1, 2))[:, None, None],
    )


def digits(tokens_X: Tensor, base: int) -> tuple[Tensor, Tensor]:
    """Both factors' values, the less significant first."""
    return tokens_X % base, tokens_X // base


def neighbours(digits_MX: Tensor, contexts: Contexts) -> list[Tensor]:
    """For each neighbour, its value [M,N] at every token of the later frame of pairs [M,2N]."""
    cells = contexts.cells
    reach = [min(back, cells) for back in contexts.neighbours]  # further back there is nothing in a pair
    return [digits_MX[:, cells - back : 2 * cells - back] for back in reach]


def _followed(known_MN: Tensor, value_MN: Tensor, kinds: int, base: int) -> Tensor:
    """How often each value came with each known one: int64 [kinds,V]."""
    both_X = (known_MN * base + value_MN).flatten()
    return torch.bincount(both_X, minlength=kinds * base).view(kinds, base)


def _log_ratio(counts_XV: Tensor, unigram_XV: Tensor) -> Tensor:
    """Log of p(v | x) / p(v), smoothed towards the unigram."""
    weight_X1 = SMOOTHING * (counts_XV > 0).sum(-1, keepdim=True).clamp(min=1)
    total_X1 = counts_XV.sum(-1, keepdim=True)
    return ((counts_XV + weight_X1 * unigram_XV) / (total_X1 + weight_X1) / unigram_XV).log()
