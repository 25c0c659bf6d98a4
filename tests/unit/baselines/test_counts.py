"""What train.py counts is what is there, and what is made of counts is a distribution."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BASELINES = Path(__file__).parents[3] / "baselines"
STRIDE = 15


@pytest.fixture
def tokens_and_segments(clip):
    """The clip's tokens [N,16,16] and segment ids [N]."""
    return (
        np.fromfile(clip / "video.bin", "<u4").reshape(-1, 16, 16).astype(np.int64),
        np.fromfile(clip / "segment_ids.bin", "<i4"),
    )


def test_unigram_counts_every_position(counts, tokens_and_segments):
    tokens_NHW, _ = tokens_and_segments
    with np.load(counts("unigram")) as file:
        counts_HWFV = file["unigram_HWFV"]
    assert counts_HWFV.shape == (16, 16, 2, 512)
    for row, column in ((0, 0), (3, 15), (15, 7)):
        cell_N = tokens_NHW[:, row, column]
        np.testing.assert_array_equal(counts_HWFV[row, column, 0], np.bincount(cell_N % 512, minlength=512))
        np.testing.assert_array_equal(counts_HWFV[row, column, 1], np.bincount(cell_N // 512, minlength=512))


def test_ngram_counts_pairs_inside_segments_only(counts, tokens_and_segments):
    """Held-back frames are counted too, except for pairs across the cut between them and the rest."""
    tokens_NHW, segments_N = tokens_and_segments
    cut = 2700
    before_UV = np.zeros((512, 512), np.int64)
    left_UV = np.zeros((512, 512), np.int64)
    for start in range(len(tokens_NHW)):
        high_HW = tokens_NHW[start] // 512
        np.add.at(left_UV, (high_HW[:, :-1], high_HW[:, 1:]), 1)
        later = start + STRIDE
        crosses = start < cut <= later
        if later < len(tokens_NHW) and segments_N[start] == segments_N[later] and not crosses:
            np.add.at(before_UV, (high_HW, tokens_NHW[later] // 512), 1)
    with np.load(counts("ngram")) as file:
        np.testing.assert_array_equal(file["before_FUV"][1], before_UV)
        np.testing.assert_array_equal(file["left_FUV"][1], left_UV)


def test_ngram_weights_are_shares_and_favour_the_left_neighbour_where_it_is_a_copy(counts):
    with np.load(counts("ngram")) as file:
        frame_FK, token_FK = file["frame_weights_FK"], file["token_weights_FK"]
    np.testing.assert_allclose(frame_FK.sum(-1), 1)
    np.testing.assert_allclose(token_FK.sum(-1), 1)
    assert (frame_FK[:, 1] > frame_FK[:, 0]).all()  # the last frame says more than the position
    assert (token_FK[:, 2] > 0.2).all()  # every other cell of the clip equals its left neighbour


@pytest.mark.parametrize("name", ["unigram", "ngram"])
def test_distributions_sum_to_one(name, load_predictor, counts, windows_BTHW):
    predictor = load_predictor(BASELINES / name)(counts(name))
    predictor.reset(2)
    predictor.observe(windows_BTHW[:2, 0], np.zeros((2, 15, 28), np.float32))
    logits_BHWFV, _ = predictor.predict()
    np.testing.assert_allclose(np.exp(logits_BHWFV.astype(np.float64)).sum(-1), 1, rtol=1e-4)


@pytest.mark.parametrize("name", ["unigram", "ngram"])
def test_a_clip_cut_inside_a_frame_is_refused(name, clip, tmp_path):
    shutil.copytree(clip, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "video.bin").open("ab") as file:
        file.write(b"xx")
    program = [sys.executable, str(BASELINES / name / "train.py"), "--train", str(tmp_path)]
    done = subprocess.run(
        [*program, "--out", str(tmp_path / "c.npz")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "whole number" in done.stderr
