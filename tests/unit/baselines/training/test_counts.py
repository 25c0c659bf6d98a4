"""Tables against slow counting; pairs of frames stay inside a segment; it does not matter how many are read at once."""

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
def contexts(counts):
    """The cell, the tokens before and above, and the one a frame ago."""
    return counts.Contexts(base=BASE, cells=CELLS, neighbours=NEIGHBOURS)


@pytest.fixture
def pairs_MX(torch):
    """Pairs of frames of 4x4 tokens in base 8; the later one repeats the earlier one in one factor."""
    dice = torch.Generator().manual_seed(0)
    before_MN, fresh_MN = torch.randint(BASE**2, (2, 60, CELLS), generator=dice).unbind(0)
    return torch.cat([before_MN, before_MN % BASE + BASE * (fresh_MN // BASE)], 1)


@pytest.fixture
def three_segments(tmp_path):
    """A clip whose tokens tell the segment and the frame: 100 * frame + segment."""
    segment_ids_N = np.repeat(np.arange(3, dtype=np.int32), [30, 10, 20])
    tokens_NHW = np.broadcast_to(segment_ids_N[:, None, None], (60, 16, 16)).astype(np.uint32)
    tokens_NHW = tokens_NHW + 100 * np.arange(60, dtype=np.uint32)[:, None, None]
    folder = tmp_path / "three"
    write_clip(folder, tokens_NHW=tokens_NHW, segment_ids_N=segment_ids_N, actions={}, tokenizer_ckpt="none")
    return open_clip(folder)


@pytest.mark.parametrize(("near", "back"), list(enumerate(NEIGHBOURS)))
def test_the_tables_are_what_slow_counting_gives(counts, contexts, pairs_MX, near, back):
    found = counts.count([pairs_MX], contexts)
    factor, known, cell = 1, 3, 5
    followed, at_cell, in_all = np.zeros(BASE), np.zeros(BASE), np.zeros(BASE)
    for pair in pairs_MX.tolist():
        for place in range(CELLS, 2 * CELLS):
            value = pair[place] // BASE
            in_all[value] += 1
            at_cell[value] += place == CELLS + cell
            followed[value] += pair[place - back] // BASE == known
    unigram = (in_all + 1) / (in_all + 1).sum()

    def log_ratio(seen):
        imaginary = counts.SMOOTHING * (seen > 0).sum()
        return np.log((seen + imaginary * unigram) / (seen.sum() + imaginary) / unigram)

    np.testing.assert_allclose(found.unigram_FV[factor], unigram, rtol=1e-5)
    np.testing.assert_allclose(found.near_FGUV[factor, near, known], log_ratio(followed), rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.cell_FNV[factor, cell], log_ratio(at_cell), rtol=0, atol=1e-5)
    assert found.often_FGU[factor, near, known].item() == pytest.approx(followed.sum() / (60 * CELLS))


def test_a_value_that_was_never_seen_says_nothing(torch, counts):
    contexts = counts.Contexts(base=BASE, cells=4, neighbours=(4,))
    found = counts.count([torch.zeros((3, 8), dtype=torch.int64)], contexts)
    torch.testing.assert_close(found.near_FGUV[:, 0, 5], torch.zeros(2, BASE))


def test_it_does_not_matter_how_many_pairs_are_read_at_once(torch, counts, contexts, pairs_MX):
    whole, parts = counts.count([pairs_MX], contexts), counts.count(pairs_MX.split(7), contexts)
    for name in ("unigram_FV", "cell_FNV", "near_FGUV", "often_FGU"):
        assert torch.equal(getattr(whole, name), getattr(parts, name))


def test_pairs_stay_inside_a_segment(torch, counts, three_segments, monkeypatch):
    monkeypatch.setattr(counts, "AT_ONCE", 6)
    starts_M = counts.pair_starts(three_segments)
    parts = list(counts.read_pairs(three_segments, starts_M))
    assert [len(part) for part in parts] == [6, 6, 6, 2]
    pairs_MX = torch.cat(parts)
    assert pairs_MX.shape == (15 + 5, 512)
    assert torch.equal(pairs_MX[:, 256:] - pairs_MX[:, :256], torch.full((20, 256), 1500))


def test_of_a_long_clip_pairs_all_over_it_are_counted(counts, three_segments, monkeypatch):
    every = counts.pair_starts(three_segments)
    monkeypatch.setattr(counts, "PAIRS", 7)
    assert counts.pair_starts(three_segments).tolist() == every[::3].tolist()
