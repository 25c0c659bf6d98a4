"""The training recipe, by its statistics: how often values are wrong, where masks begin, how much they cover."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytestmark = pytest.mark.torch

DRAWS = 400
BATCH = 2


@pytest.fixture
def config(genie):
    """The challenge's windows in small: frames of 8x8."""
    return genie("config").GenieConfig(num_layers=1, num_heads=1, d_model=8, S=64)


@pytest.fixture
def draw(torch, genie, config):
    """Draws puzzles from windows of zeros, by the config with these words changed."""
    import dataclasses

    def puzzles(count: int = DRAWS, *, seed: int = 0, **words):
        dice = torch.Generator().manual_seed(seed)
        changed = dataclasses.replace(config, **words)
        tokens_BTHW = torch.zeros((BATCH, 16, 8, 8), dtype=torch.int64)
        return [genie("masking").puzzle(tokens_BTHW, changed, dice) for _ in range(count)]

    return puzzles


def first_masked(puzzle) -> int:
    """The first frame with a mask in any window."""
    return int(puzzle.masked_BTHW.any(3).any(2).any(0).nonzero()[0, 0])


def wrong_T(puzzle) -> np.ndarray:
    """Share of wrong factor values in what is not masked, frame by frame; NaN where all is masked."""
    open_BTHW = ~puzzle.masked_BTHW
    tokens = puzzle.input_BTHW
    wrong = ((tokens % 512 != 0).float() + (tokens // 512 != 0).float()) / 2 * open_BTHW
    return (wrong.sum((0, 2, 3)) / open_BTHW.sum((0, 2, 3))).numpy()


def test_the_mask_is_where_it_says_and_the_target_is_untouched(draw, config):
    for puzzle in draw(50):
        assert ((puzzle.input_BTHW == config.mask_id) == puzzle.masked_BTHW).all()
        assert not puzzle.target_BTHW.any()
        assert not puzzle.masked_BTHW[:, 0].any()
        assert puzzle.input_BTHW.min() >= 0
        assert puzzle.input_BTHW.max() <= config.mask_id


def test_the_same_seed_draws_the_same(torch, draw):
    one, same, other = (draw(1, seed=seed)[0].input_BTHW for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_windows_and_frames_have_their_own_share_of_masked_positions(draw):
    """cos(pi/2 u) has mean 2/pi and variance 1/2 - 4/pi^2; the positions of a frame share one u."""
    shares = np.concatenate(
        [p.masked_BTHW[:, 1:].float().mean((2, 3)).numpy().ravel() for p in draw(non_mlm_ratio=0.0)]
    )
    assert shares.mean() == pytest.approx(2 / math.pi, abs=0.01)
    assert shares.std() == pytest.approx(math.sqrt(1 / 2 - 4 / math.pi**2), abs=0.02)
    pairs_XB = np.stack([p.masked_BTHW[:, 5].float().mean((1, 2)).numpy() for p in draw(non_mlm_ratio=0.0)])
    assert abs(np.corrcoef(pairs_XB.T)[0, 1]) < 0.15
    assert np.quantile(shares, [0.25, 0.5, 0.75]) == pytest.approx(
        [math.cos(math.pi / 2 * u) for u in (0.75, 0.5, 0.25)], abs=0.03
    )


def test_half_of_the_batches_are_masked_from_a_late_frame_on(draw):
    firsts = np.array([first_masked(puzzle) for puzzle in draw()])
    late = firsts >= 8
    assert late.mean() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(DRAWS))
    assert np.median(firsts[~late]) == 1
    counts = np.bincount(firsts[late], minlength=16)[8:16]
    assert (counts > 0).all()
    assert counts.max() < 3 * counts.min() + 10  # uniform over 8..15


@pytest.mark.parametrize(("ratio", "firsts"), [(0.0, {1}), (1.0, set(range(8, 16)))])
def test_the_ratio_is_the_configs(draw, ratio, firsts):
    found = [first_masked(puzzle) for puzzle in draw(200, non_mlm_ratio=ratio)]
    assert np.mean([first in firsts for first in found]) > 0.97  # a frame may by chance have no mask


def test_a_rate_between_nothing_and_a_fifth_corrupts_a_whole_batch(draw):
    """A replaced value is the old one once in 512 times."""
    rates = np.array([np.nanmean(wrong_T(puzzle)) for puzzle in draw(non_mlm_ratio=0.0)])
    assert rates.mean() == pytest.approx(0.1, abs=0.01)
    assert rates.max() < 0.2 + 0.03
    assert np.quantile(rates, 0.1) < 0.035
    assert np.quantile(rates, 0.9) > 0.165
    early = np.array([wrong_T(puzzle)[0] for puzzle in draw(non_mlm_ratio=0.0)])
    assert early.mean() == pytest.approx(0.1, abs=0.01)  # frame 0 too


def test_nothing_is_corrupted_if_the_config_says_so(draw):
    for puzzle in draw(20, max_corrupt_rate=0.0, non_mlm_ratio=0.0):
        assert np.nansum(wrong_T(puzzle)) == 0


def test_a_rollout_like_batch_is_more_and_more_wrong(draw):
    """Right values: u in [1/4, 1], times one factor in [9/10, 1] per frame from the first masked one on."""
    by_age: dict[int, list[float]] = {}
    for puzzle in draw(2 * DRAWS, max_corrupt_rate=0.0, non_mlm_ratio=1.0):
        first = first_masked(puzzle)
        found_T = wrong_T(puzzle)
        assert not found_T[:8].any()
        for t in range(first, 16):
            if not np.isnan(found_T[t]):
                by_age.setdefault(t - first, []).append(1 - found_T[t])
    for age in range(4):
        assert np.mean(by_age[age]) == pytest.approx(0.625 * 0.95 ** (age + 1), abs=0.03)
    low, high = np.quantile(by_age[0], [0.05, 0.95])  # the mean's own noise widens them a little
    assert low == pytest.approx((0.25 + 0.05 * 0.75) * 0.95, abs=0.07)
    assert high == pytest.approx((0.25 + 0.95 * 0.75) * 0.95, abs=0.07)


def test_both_corruptions_add_up(draw):
    """Before the first masked frame only the batch's own rate applies, after it both do."""
    early, late = [], []
    for puzzle in draw(non_mlm_ratio=1.0):
        found_T = wrong_T(puzzle)
        early.append(found_T[:8].mean())
        late.append(found_T[first_masked(puzzle)])
    assert np.mean(early) == pytest.approx(0.1, abs=0.01)
    assert np.nanmean(late) == pytest.approx(1 - 0.9 * 0.625 * 0.95, abs=0.03)


def test_replaced_values_are_uniform_and_the_factors_independent(draw):
    puzzles = draw(100, non_mlm_ratio=0.0)
    tokens = np.concatenate([p.input_BTHW[~p.masked_BTHW].numpy() for p in puzzles])
    low, high = tokens % 512, tokens // 512
    for values in (low, high):
        assert values[values > 0].mean() == pytest.approx(256, abs=5)
    rate_low, rate_high, both = (low > 0).mean(), (high > 0).mean(), ((low > 0) & (high > 0)).mean()
    assert rate_low == pytest.approx(rate_high, abs=0.01)
    assert both == pytest.approx(4 / 300, abs=0.004)  # E[(u/5)^2]: independent given the batch's rate


def test_a_batch_always_has_a_mask(torch, genie, config):
    """Of one window with a tiny frame, chance alone would leave some without any."""
    import dataclasses

    tiny = dataclasses.replace(config, S=1, non_mlm_ratio=1.0)
    dice = torch.Generator().manual_seed(0)
    tokens_BTHW = torch.zeros((1, 16, 1, 1), dtype=torch.int64)
    counts = [int(genie("masking").puzzle(tokens_BTHW, tiny, dice).masked_BTHW.sum()) for _ in range(300)]
    assert min(counts) == 1
