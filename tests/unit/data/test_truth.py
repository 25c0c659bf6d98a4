"""What the host owns: frames and actions of graded windows, looked up by window and frame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import open_clip, write_clip
from harness.data.truth import ClipTruth, RandomTruth
from harness.spec import CHALLENGE

T, S = CHALLENGE.window, CHALLENGE.stride


@pytest.fixture
def truth(tmp_path: Path) -> ClipTruth:
    """Two segments of 300 frames; every token and every action says which raw frame it belongs to."""
    frames = np.arange(600)
    write_clip(
        tmp_path,
        tokens_NHW=np.broadcast_to(frames[:, None, None], (600, 16, 16)).astype(np.uint32),
        segment_ids_N=(frames // 300).astype(np.int32),
        actions={
            "right": np.stack([frames, frames + 0.25], axis=1).astype(np.float32),
            "left": (frames[:, None] + 0.5).astype(np.float32),
        },
        tokenizer_ckpt="",
    )
    return ClipTruth(clip=open_clip(tmp_path), starts=np.array([0, 7, 300]))


@pytest.mark.parametrize("t", range(T))
def test_a_frame_of_a_window_is_its_raw_frame(truth: ClipTruth, t: int) -> None:
    tokens_BHW = truth.tokens_at(np.array([2, 0]), t)
    assert tokens_BHW.shape == (2, 16, 16)
    assert tokens_BHW.dtype == np.uint32
    assert (tokens_BHW[0] == 300 + 15 * t).all()
    assert (tokens_BHW[1] == 15 * t).all()


@pytest.mark.parametrize("t", range(T))
def test_actions_end_with_the_frame_itself_and_hold_nothing_later(truth: ClipTruth, t: int) -> None:
    windows_B = np.array([1, 2, 0])
    actions_BSA = truth.actions_until(windows_B, t)
    assert actions_BSA.shape == (3, S, 3)
    own_B = truth.starts[windows_B] + S * t
    raw_BS = np.floor(actions_BSA[..., 0]).astype(int)
    assert (raw_BS[:, -1] == own_B).all()
    assert (raw_BS <= own_B[:, None]).all()


@pytest.mark.parametrize("t", range(1, T))
def test_actions_are_the_rows_since_the_frame_before(truth: ClipTruth, t: int) -> None:
    actions_BSA = truth.actions_until(np.array([1]), t)
    expected = np.arange(7 + S * (t - 1) + 1, 7 + S * t + 1)
    np.testing.assert_array_equal(actions_BSA[0, :, 0], expected + 0.5)
    np.testing.assert_array_equal(actions_BSA[0, :, 1], expected)
    np.testing.assert_array_equal(actions_BSA[0, :, 2], expected + 0.25)


def test_the_first_block_repeats_the_first_row(truth: ClipTruth) -> None:
    actions_BSA = truth.actions_until(np.array([0, 2]), 0)
    assert actions_BSA.shape == (2, S, 3)
    np.testing.assert_array_equal(actions_BSA[0], np.tile([0.5, 0, 0.25], (S, 1)))
    np.testing.assert_array_equal(actions_BSA[1], np.tile([300.5, 300, 300.25], (S, 1)))


def test_the_blocks_of_a_window_hold_every_row_once(truth: ClipTruth) -> None:
    rows = np.concatenate([truth.actions_until(np.array([0]), t)[0, :, 1] for t in range(1, T)])
    np.testing.assert_array_equal(rows, np.arange(1, 226))


def test_action_columns_are_counted(truth: ClipTruth, make_clip: Callable[..., Path]) -> None:
    assert truth.num_actions == 3
    clip = open_clip(make_clip((226,), name="full"))
    assert ClipTruth(clip=clip, starts=np.array([0])).num_actions == 28


def test_random_truth_has_the_shapes_of_the_real_one_and_none_of_it(truth: ClipTruth) -> None:
    random = RandomTruth(num_actions=truth.num_actions, rng=np.random.default_rng(0))
    windows_B = np.array([0, 2])
    for t in (0, 1, T - 1):
        tokens_BHW, real_BHW = random.tokens_at(windows_B, t), truth.tokens_at(windows_B, t)
        actions_BSA, real_BSA = random.actions_until(windows_B, t), truth.actions_until(windows_B, t)
        assert (tokens_BHW.shape, tokens_BHW.dtype) == (real_BHW.shape, real_BHW.dtype)
        assert (actions_BSA.shape, actions_BSA.dtype) == (real_BSA.shape, real_BSA.dtype)
        assert tokens_BHW.max() < CHALLENGE.vocab
        assert not actions_BSA.any()
        assert len(np.unique(tokens_BHW)) > 400
