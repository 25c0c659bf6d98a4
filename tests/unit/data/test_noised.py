"""What a guest is shown of two clips side by side: the same noise however it is batched, and never in a target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.clips import Clip, open_clip, write_clip
from harness.data.noised import ACTION_NOISE, FLIPPED_BITS, NoisedTruth, SideBySide
from harness.data.truth import ClipTruth
from harness.spec import CHALLENGE

T, S, A = CHALLENGE.window, CHALLENGE.stride, 2
BITS = 256 * 18
HELDOUT = [0, 226]
TRAIN = [0, 300, 600]
ALL = np.arange(len(HELDOUT) + len(TRAIN))


def clip_in(folder: Path, *, frames: int, seed: int, has_actions: bool = True) -> Clip:
    """Random frames; the first action column spreads a hundred times as far as the second."""
    rng = np.random.default_rng(seed)
    actions = {"arm": rng.normal(size=(frames, A)) * [10, 0.1]} if has_actions else {}
    write_clip(
        folder,
        tokens_NHW=rng.integers(1 << 18, size=(frames, 16, 16), dtype=np.uint32),
        segment_ids_N=np.zeros(frames, np.int32),
        actions=actions,
        tokenizer_ckpt="",
    )
    return open_clip(folder)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> SideBySide:
    folder = tmp_path_factory.mktemp("clips")
    return SideBySide(
        heldout=ClipTruth(clip=clip_in(folder / "val", frames=452, seed=0), starts=np.array(HELDOUT)),
        train=ClipTruth(clip=clip_in(folder / "train", frames=826, seed=1), starts=np.array(TRAIN)),
    )


@pytest.fixture(scope="module")
def noised(clean: SideBySide) -> NoisedTruth:
    return NoisedTruth(clean=clean, seed=7)


def bits_apart(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """How many bits of each frame differ: `[B]`."""
    return np.bitwise_count(left ^ right).sum(axis=(1, 2), dtype=np.int64)


@pytest.mark.parametrize("t", [0, 1, T - 1])
def test_heldout_windows_come_first_and_training_windows_after_them(clean: SideBySide, t: int) -> None:
    windows_B = np.array([4, 0, 2, 1])
    tokens_BHW, actions_BSA = clean.tokens_at(windows_B, t), clean.actions_until(windows_B, t)
    assert (clean.num_heldout, clean.num_actions) == (2, A)
    for b, (truth, own) in enumerate(
        [(clean.train, 2), (clean.heldout, 0), (clean.train, 0), (clean.heldout, 1)]
    ):
        np.testing.assert_array_equal(tokens_BHW[b], truth.tokens_at(np.array([own]), t)[0])
        np.testing.assert_array_equal(actions_BSA[b], truth.actions_until(np.array([own]), t)[0])


@pytest.mark.parametrize("t", [0, 8, T - 1])
def test_every_shown_frame_has_eight_percent_of_its_bits_flipped(
    clean: SideBySide, noised: NoisedTruth, t: int
) -> None:
    flipped_B = bits_apart(noised.tokens_at(ALL, t), clean.tokens_at(ALL, t))
    assert flipped_B.tolist() == [round(FLIPPED_BITS * BITS)] * len(ALL) == [369] * len(ALL)
    assert noised.tokens_at(ALL, t).max() < CHALLENGE.vocab


def test_every_bit_of_every_token_is_as_likely_to_be_flipped(clean: SideBySide) -> None:
    flips = np.stack(
        [
            NoisedTruth(clean=clean, seed=seed).tokens_at(ALL, t) ^ clean.tokens_at(ALL, t)
            for seed in range(20)
            for t in range(T)
        ]
    ).reshape(-1, 16, 16)
    share_18 = (flips[..., None] >> np.arange(18) & 1).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(share_18, 0.08, atol=0.002)
    np.testing.assert_allclose(np.bitwise_count(flips).mean(axis=0), 18 * 0.08, atol=0.2)


@given(st.lists(st.sampled_from(ALL.tolist()), min_size=1, max_size=8), st.integers(0, T - 1))
def test_the_noise_is_the_same_however_windows_are_batched(
    clean: SideBySide, noised: NoisedTruth, windows: list[int], t: int
) -> None:
    tokens_BHW, actions_BSA = noised.tokens_at(ALL, t), noised.actions_until(ALL, t)
    again = NoisedTruth(clean=clean, seed=7)
    np.testing.assert_array_equal(again.tokens_at(np.array(windows), t), tokens_BHW[windows])
    np.testing.assert_array_equal(again.actions_until(np.array(windows), t), actions_BSA[windows])


def test_windows_frames_and_seeds_have_noises_of_their_own(clean: SideBySide, noised: NoisedTruth) -> None:
    other = NoisedTruth(clean=clean, seed=8)
    flips = [
        (truth.tokens_at(ALL[b : b + 1], t) ^ clean.tokens_at(ALL[b : b + 1], t)).tobytes()
        for truth in (noised, other)
        for b in ALL
        for t in range(T)
    ]
    assert len(set(flips)) == 2 * len(ALL) * T


def test_what_it_is_made_from_stays_clean(clean: SideBySide, noised: NoisedTruth) -> None:
    before = clean.tokens_at(ALL, 3), clean.actions_until(ALL, 3)
    noised.tokens_at(ALL, 3), noised.actions_until(ALL, 3)
    np.testing.assert_array_equal(clean.tokens_at(ALL, 3), before[0])
    np.testing.assert_array_equal(clean.actions_until(ALL, 3), before[1])


def test_actions_are_noised_in_proportion_to_their_spread_and_alike_in_both_clips(
    clean: SideBySide, noised: NoisedTruth
) -> None:
    """Control: an exact match of the actions would find a training window through any noise on its frames."""
    noise_TBSA = np.stack(
        [noised.actions_until(ALL, t) - clean.actions_until(ALL, t) for t in range(1, T)]
    ).astype(float)
    assert (noise_TBSA != 0).all()
    for kind in (ALL < 2, ALL >= 2):
        spread_A = noise_TBSA[:, kind].std(axis=(0, 1, 2))
        np.testing.assert_allclose(spread_A, ACTION_NOISE * np.array([10, 0.1]), rtol=0.25)


def test_the_first_block_repeats_one_noised_row(clean: SideBySide, noised: NoisedTruth) -> None:
    """Control: fifteen noises on one row would average out."""
    actions_BSA = noised.actions_until(ALL, 0)
    assert (actions_BSA == actions_BSA[:, :1]).all()
    assert (actions_BSA != clean.actions_until(ALL, 0)).all()


def test_without_noise_the_clips_are_shown_as_they_are(clean: SideBySide) -> None:
    plain = NoisedTruth(clean=clean, seed=7, flipped_bits=0, action_noise=0)
    np.testing.assert_array_equal(plain.tokens_at(ALL, 5), clean.tokens_at(ALL, 5))
    np.testing.assert_array_equal(plain.actions_until(ALL, 5), clean.actions_until(ALL, 5))


def test_clips_without_actions_have_none_when_noised(tmp_path: Path) -> None:
    truths = {
        kind: ClipTruth(
            clip=clip_in(tmp_path / kind, frames=226, seed=0, has_actions=False), starts=np.array([0])
        )
        for kind in ("heldout", "train")
    }
    noised = NoisedTruth(clean=SideBySide(**truths), seed=0)
    assert noised.actions_until(np.array([0, 1]), 4).shape == (2, S, 0)
