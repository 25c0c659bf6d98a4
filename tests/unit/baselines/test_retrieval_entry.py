"""The entry copies what it was told to copy, as openly or as hidden as it was told, and says what it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import write_clip
from harness.grading import GradeRequest, grade
from harness.intake.pack import pack as pack_entry
from harness.progress import Silent
from harness.results.store import Store
from harness.sandbox.process import ProcessSandbox

RETRIEVAL = Path(__file__).parents[3] / "baselines" / "retrieval"
NO_ACTIONS = np.zeros((1, 15, 28), np.float32)


@pytest.fixture
def predictor_with(load_predictor, packed, tmp_path):
    """The entry with other knobs in front of the same shard."""

    def make(**knobs):
        folder = tmp_path / f"entry{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        (folder / "retrieval.json").write_text(json.dumps(knobs))
        (folder / "shard.npz").symlink_to(packed / "shard.npz")
        return load_predictor(RETRIEVAL)(folder)

    return make


def answers(predictor, frames_BHW) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and tokens after one frame."""
    predictor.reset(len(frames_BHW))
    predictor.observe(frames_BHW, NO_ACTIONS)
    logits_BHWFV, tokens_BHW = predictor.predict()
    return logits_BHWFV.copy(), tokens_BHW


@pytest.fixture
def seen_and_next(clip) -> tuple[np.ndarray, np.ndarray]:
    """Ten training frames, and those a stride later."""
    tokens_NHW = np.fromfile(clip / "video.bin", "<u4").reshape(-1, 16, 16)
    return tokens_NHW[100:900:80], tokens_NHW[115:915:80]


def test_a_frame_of_the_training_set_is_answered_with_what_came_after_it(predictor_with, seen_and_next):
    seen_BHW, next_BHW = seen_and_next
    _, tokens_BHW = answers(predictor_with(neighbours=1, blend=1), seen_BHW)
    np.testing.assert_array_equal(tokens_BHW, next_BHW)


def test_what_it_says_is_a_distribution(predictor_with, seen_and_next):
    for knobs in ({}, {"blend": 0.3}, {"blend": 1, "weights": "by_distance"}, {"windows": 0.5}):
        logits_BHWFV, _ = answers(predictor_with(**knobs), seen_and_next[0])
        np.testing.assert_allclose(np.exp(logits_BHWFV.astype(np.float64)).sum(-1), 1, rtol=1e-4)


def test_a_blend_is_that_much_of_the_copies_and_the_rest_honest(predictor_with, seen_and_next):
    honest, copied, blended = (
        np.exp(answers(predictor_with(blend=blend), seen_and_next[0])[0]) for blend in (0, 1, 0.1)
    )
    np.testing.assert_allclose(blended, 0.9 * honest + 0.1 * copied, rtol=1e-4, atol=1e-7)
    assert np.abs(honest - copied).max() > 0.5


def test_shares_are_those_under_which_samples_are_most_likely(entry_module):
    """Closed form: one component is sure of three samples in ten, the other of the rest."""
    p_FML = np.tile(np.repeat([[1.0, 0.0], [0.0, 1.0]], [3, 7], axis=0), (2, 1, 1))
    shares_FL, loss = entry_module(RETRIEVAL, "mixture").fit(p_FML)
    np.testing.assert_allclose(shares_FL, [[0.3, 0.7]] * 2)
    assert loss == pytest.approx(-2 * (0.3 * np.log(0.3) + 0.7 * np.log(0.7)))


def test_copies_are_believed_as_far_as_other_drives_can_be(tmp_path):
    """The second drive is the first with a tenth of its bits flipped, and nothing else tells what comes next."""
    rng = np.random.default_rng(0)
    first_NHW = rng.integers(0, 2**18, (90, 16, 16), dtype=np.uint32)
    flips_NHW = (rng.random((90, 16, 16, 18)) < 0.1).astype(np.uint32) << np.arange(18, dtype=np.uint32)
    write_clip(
        tmp_path,
        tokens_NHW=np.concatenate([first_NHW, first_NHW ^ flips_NHW.sum(-1, dtype=np.uint32)]),
        segment_ids_N=np.repeat(np.arange(2, dtype=np.int32), 90),
        actions={},
        tokenizer_ckpt="none",
    )
    done = packed_with(tmp_path, tmp_path, neighbours=1)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "shard.npz") as shard:
        assert shard["flip"] == 0.1
        assert (shard["shares_FL"][:, 2] > 0.85).all()
        assert (shard["honest_FL"][:, 2] == 0).all()


def test_noise_is_the_share_of_bits_that_differ_from_the_source(predictor_with, seen_and_next):
    seen_BHW, next_BHW = seen_and_next
    noisy = predictor_with(neighbours=1, blend=1, noise=0.15)
    _, tokens_BHW = answers(noisy, seen_BHW)
    differs = np.bitwise_count(tokens_BHW ^ next_BHW).mean() / 18
    assert differs == pytest.approx(0.15, abs=0.01)
    _, alone_BHW = answers(noisy, seen_BHW[4:5])
    np.testing.assert_array_equal(alone_BHW[0], tokens_BHW[4])  # the same noise in any company


def test_it_cheats_in_about_that_share_of_windows_and_is_honest_in_the_rest(predictor_with):
    """Which ones is decided by the first frame alone, so it is the same in every regime."""
    frames_BHW = np.random.default_rng(0).integers(0, 2**18, (40, 16, 16), dtype=np.uint32)
    some, honest, always = (
        answers(predictor_with(blend=0.5, windows=share), frames_BHW)[0] for share in (0.25, 0, 1)
    )
    is_honest_B = (some == honest).all((1, 2, 3, 4))
    is_copy_B = (some == always).all((1, 2, 3, 4))
    assert (is_honest_B ^ is_copy_B).all()
    assert 4 <= is_copy_B.sum() <= 17


def test_a_shard_of_another_rate_is_refused(predictor_with):
    with pytest.raises(ValueError, match="frames_per_second is 2, the shard has another: pack again"):
        predictor_with(frames_per_second=2)


def packed_with(folder: Path, clip: Path, **knobs) -> subprocess.CompletedProcess[str]:
    """What pack.py says with these knobs."""
    (folder / "retrieval.json").write_text(json.dumps(knobs))
    program = [sys.executable, str(RETRIEVAL / "pack.py"), "--train", str(clip), "--out", str(folder)]
    return subprocess.run(program, capture_output=True, text=True, check=False)


def test_a_thinned_shard_holds_every_stride_from_each_segments_first_frame_on(
    clip, tmp_path, entry_module, load_predictor
):
    assert packed_with(tmp_path, clip, frames_per_second=2, honest="unigram").returncode == 0
    tokens_NHW = np.fromfile(clip / "video.bin", "<u4").reshape(-1, 16, 16)
    kept = [*range(0, 1000, 15), *range(1000, 3000, 15)]
    with np.load(tmp_path / "shard.npz") as shard:
        np.testing.assert_array_equal(
            shard["frames_NX"], entry_module(RETRIEVAL, "bits").pack(tokens_NHW[kept])
        )
        assert shard["segments_N"].tolist() == [0] * 67 + [1] * 134
        assert (shard["honest_FL"] == [1, 0, 0]).all(), "counts by position are all that unigram has"
        assert (shard["shares_FL"][:, 1] == 0).all()
    (tmp_path / "retrieval.json").write_text('{"frames_per_second": 2, "neighbours": 1, "blend": 1}')
    _, tokens_BHW = answers(load_predictor(RETRIEVAL)(tmp_path), tokens_NHW[[30, 1015]])
    np.testing.assert_array_equal(tokens_BHW, tokens_NHW[[45, 1030]])


def test_a_wrong_knob_ends_packing_with_one_line(clip, tmp_path):
    done = packed_with(tmp_path, clip, blend=2)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "blend is 2; it may be a number from 0 to 1 or 'fitted'\n"


def test_one_segment_is_too_little_to_fit_to(tmp_path):
    """All that is looked up for a sample must come from another segment than its own."""
    tokens_NHW = np.zeros((60, 16, 16), np.uint32)
    write_clip(
        tmp_path,
        tokens_NHW=tokens_NHW,
        segment_ids_N=np.zeros(60, np.int32),
        actions={},
        tokenizer_ckpt="none",
    )
    done = packed_with(tmp_path, tmp_path)
    assert done.returncode == 1
    assert "two segments" in done.stderr


def test_its_record_says_that_it_breaks_the_rules_on_purpose(clip, tmp_path):
    """Even where it cannot be built: a reader must never take it for an entrant."""
    folder = tmp_path / "entry"
    shutil.copytree(RETRIEVAL, folder, ignore=shutil.ignore_patterns("__pycache__", "shard.npz"))
    submission = pack_entry(folder, tmp_path / "entry.zip").path
    report = grade(
        GradeRequest(submission=submission, data=clip),
        sandbox=ProcessSandbox(cache=tmp_path / "cache"),
        store=Store(tmp_path / "store"),
        progress=Silent(),
    )
    assert report.failure is not None
    assert report.entry.forbidden_reference
    assert report.entry.parameters == 0
