"""Weights go to the contexts that tell, rows stand where they belong, and a lower rank errs where it matters least."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.clips import open_clip, write_clip

pytestmark = pytest.mark.torch

BASE, CELLS, NEIGHBOURS = 8, 16, (1, 4, 16)


@pytest.fixture
def counts(torch):
    """counts.py."""
    from baselines.training import counts

    return counts


@pytest.fixture
def loglinear(torch):
    """loglinear.py."""
    from baselines.training import loglinear

    return loglinear


@pytest.fixture
def contexts(counts):
    """The cell, the tokens before and above, and the one a frame ago."""
    return counts.Contexts(base=BASE, cells=CELLS, neighbours=NEIGHBOURS)


@pytest.fixture
def pairs_MX(torch):
    """Pairs of frames of 4x4 tokens in base 8; the later one repeats the earlier one in one factor."""
    dice = torch.Generator().manual_seed(0)
    before_MN, fresh_MN = torch.randint(BASE**2, (2, 60, CELLS), generator=dice).unbind(0)
    return torch.cat([before_MN, before_MN % BASE + BASE * (fresh_MN // BASE)], 1)


def test_the_weights_go_to_the_context_that_tells(counts, loglinear, contexts, pairs_MX):
    """Factor 0 repeats its value of a frame ago; nothing tells of factor 1."""
    weight_FK = loglinear.fit(counts.count([pairs_MX[:40]], contexts), pairs_MX[40:], contexts)
    last_frame = 1 + NEIGHBOURS.index(CELLS)
    assert weight_FK[0, last_frame] > 0.9
    others_FK = weight_FK.clone()
    others_FK[0, last_frame] = 0
    assert others_FK.abs().max() < 0.5


def test_of_a_clip_the_weights_are_fitted_on_what_was_held_back_and_all_is_counted(
    torch, counts, loglinear, clip
):
    contexts = counts.Contexts(base=512, cells=256, neighbours=(256,))
    opened = open_clip(clip)
    learned = loglinear.learn(opened, contexts)
    pairs_MX = torch.cat(list(counts.read_pairs(opened, counts.pair_starts(opened))))
    expected = counts.count([pairs_MX], contexts)
    assert torch.equal(learned.ngrams.near_FGUV, expected.near_FGUV)
    cut = int(len(pairs_MX) * 0.9)
    weight_FK = loglinear.fit(counts.count([pairs_MX[:cut]], contexts), pairs_MX[cut:], contexts)
    torch.testing.assert_close(learned.weight_FK, weight_FK)
    assert (learned.weight_FK[:, 1] > 0.5).all()  # a cell of the clip rarely changes


def test_a_clip_too_short_to_count_teaches_nothing(counts, loglinear, tmp_path):
    write_clip(
        tmp_path / "short",
        tokens_NHW=np.zeros((16, 16, 16), np.uint32),
        segment_ids_N=np.zeros(16, np.int32),
        actions={},
        tokenizer_ckpt="none",
    )
    contexts = counts.Contexts(base=512, cells=256, neighbours=(256,))
    assert loglinear.learn(open_clip(tmp_path / "short"), contexts) is None


def test_rows_are_the_weighted_tables_one_below_the_other(torch, counts, loglinear, contexts, pairs_MX):
    ngrams = counts.count([pairs_MX], contexts)
    weight_FK = torch.tensor([[0.5, 0.1, 0.2, 0.9], [0.3, 0.6, 0.7, 0.4]])
    ratio_RC, often_R = loglinear.LogLinear(ngrams=ngrams, weight_FK=weight_FK).rows()
    assert ratio_RC.shape == (CELLS + 3 * 2 * BASE, 2 * BASE)
    torch.testing.assert_close(ratio_RC[5, BASE:], 0.3 * ngrams.cell_FNV[1, 5])
    row = CELLS + 2 * 2 * BASE + BASE + 6  # of the last neighbour, the second factor, the value 6
    torch.testing.assert_close(ratio_RC[row, BASE:], 0.4 * ngrams.near_FGUV[1, 2, 6])
    assert not ratio_RC[row, :BASE].any()
    assert often_R[row] == ngrams.often_FGU[1, 2, 6]
    assert often_R.sum().item() == pytest.approx(1 + 3 * 2)


def test_a_lower_rank_errs_least_where_it_matters_often(torch, loglinear):
    dice = torch.Generator().manual_seed(0)
    ratio_RC = torch.randn(40, 12, generator=dice)
    often_R = torch.cat([torch.full((20,), 0.049), torch.full((20,), 0.001)])
    often_C = torch.full((12,), 1 / 12)
    left_RQ, right_CQ = loglinear.low_rank(ratio_RC, often_R, often_C, 6)
    assert (left_RQ.shape, right_CQ.shape) == ((40, 6), (12, 6))
    error_R = (left_RQ @ right_CQ.T - ratio_RC).square().mean(1)
    assert error_R[:20].mean() < 0.5 * error_R[20:].mean()
    left_RQ, right_CQ = loglinear.low_rank(ratio_RC, often_R, often_C, 16)  # more than there is to say
    assert left_RQ.shape == (40, 12)
    torch.testing.assert_close(left_RQ @ right_CQ.T, ratio_RC, rtol=0, atol=1e-4)
