"""The entry: a predictor by the protocol, and a folder that intake takes and build.sh checks."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.intake.pack import pack

FOLDER = Path(__file__).parents[3] / "baselines" / "genie"
WEIGHTS = ("config.json", "model.safetensors")

needs_torch = pytest.mark.torch


@pytest.fixture
def checkpoint_folder(genie, make_genie, tmp_path) -> Path:
    """A tiny checkpoint for the challenge's frames."""
    genie("checkpoint").save(make_genie(S=256), tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture
def make_predictor(genie, checkpoint_folder):
    """Predictors of that checkpoint."""
    return lambda **how: genie("predictor").Predictor(checkpoint_folder, device="cpu", **how)


def no_actions(batch: int) -> np.ndarray:
    """Actions [B,15,28] of a robot at rest."""
    return np.zeros((batch, 15, 28), np.float32)


def played(predictor, windows_BTHW) -> tuple[np.ndarray, np.ndarray]:
    """Logits [B,T,H,W,F,V] and tokens [B,T,H,W] of some frames, revealed one by one."""
    predictor.reset(len(windows_BTHW))
    found = []
    for t in range(windows_BTHW.shape[1]):
        predictor.observe(windows_BTHW[:, t], no_actions(len(windows_BTHW)))
        found.append(predictor.predict())
    logits, tokens = zip(*found, strict=True)
    return np.stack(logits, 1), np.stack(tokens, 1)


@needs_torch
def test_the_shapes_and_types_of_the_protocol(make_predictor, windows_BTHW):
    logits, tokens = played(make_predictor(), windows_BTHW[:2, :3])
    assert logits.shape == (2, 3, 16, 16, 2, 512)
    assert logits.dtype == np.float32
    assert tokens.shape == (2, 3, 16, 16)
    assert tokens.dtype == np.uint32
    assert np.isfinite(logits).all()


@needs_torch
@pytest.mark.parametrize("by_confidence", [False, True])
def test_a_window_is_predicted_the_same_whatever_its_batch(make_predictor, windows_BTHW, by_confidence):
    predictor = make_predictor(by_confidence=by_confidence)
    together = played(predictor, windows_BTHW[:3, :4])
    turned = played(predictor, windows_BTHW[2::-1, :4])
    alone = played(predictor, windows_BTHW[1:2, :4])
    np.testing.assert_allclose(together[0], turned[0][::-1], rtol=0, atol=1e-4)
    np.testing.assert_allclose(together[0][1:2], alone[0], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(together[1], turned[1][::-1])
    np.testing.assert_array_equal(together[1][1:2], alone[1])


@needs_torch
def test_the_loss_does_not_depend_on_the_number_of_steps(make_predictor, windows_BTHW):
    one, many = (played(make_predictor(steps=steps), windows_BTHW[:1, :3]) for steps in (1, 4))
    np.testing.assert_allclose(one[0], many[0], rtol=0, atol=1e-5)
    assert (one[1] != many[1]).any()


@needs_torch
def test_after_a_reset_a_predictor_remembers_nothing(make_predictor, windows_BTHW):
    predictor = make_predictor()
    first = played(predictor, windows_BTHW[:2, :4])
    played(predictor, windows_BTHW[4:6, :6])
    played(predictor, windows_BTHW[4:5, :2])
    again = played(predictor, windows_BTHW[:2, :4])
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_torch
def test_a_prediction_is_not_written_to_by_the_next(make_predictor, windows_BTHW):
    predictor = make_predictor()
    predictor.reset(1)
    predictor.observe(windows_BTHW[:1, 0], no_actions(1))
    logits, tokens = predictor.predict()
    copies = logits.copy(), tokens.copy()
    predictor.observe(windows_BTHW[:1, 1], no_actions(1))
    predictor.predict()
    np.testing.assert_array_equal(logits, copies[0])
    np.testing.assert_array_equal(tokens, copies[1])


@needs_torch
def test_low_precision_changes_the_loss_little_and_gives_float32_logits(torch, make_predictor, windows_BTHW):
    def loss(logits):
        at = np.stack([windows_BTHW[:2, 1:5] % 512, windows_BTHW[:2, 1:5] // 512], -1).astype(np.int64)
        log_p = torch.from_numpy(logits).double().log_softmax(-1).numpy()
        return -np.take_along_axis(log_p, at[..., None], -1).sum(-2).mean()

    exact, _ = played(make_predictor(), windows_BTHW[:2, :4])
    coarse, _ = played(make_predictor(precision=torch.bfloat16), windows_BTHW[:2, :4])
    assert coarse.dtype == np.float32
    assert np.abs(coarse - exact).max() > 0
    assert loss(coarse) == pytest.approx(loss(exact), abs=0.02)
    assert loss(exact) > 2 * math.log(512) - 1  # random weights know nothing


@needs_torch
def test_before_reset_it_says_what_to_do(make_predictor):
    with pytest.raises(RuntimeError, match="call reset first"):
        make_predictor().predict()


@needs_torch
def test_a_checkpoint_of_other_frames_is_refused(genie):
    golden = Path(__file__).parents[2] / "golden" / "genie" / "plain"
    with pytest.raises(genie("config").CheckpointError, match="frames of 16 tokens out of 262144"):
        genie("predictor").Predictor(golden)


@pytest.fixture
def entry(tmp_path) -> Path:
    """A copy of the entry's folder, without weights that may lie in it."""
    ignored = shutil.ignore_patterns("__pycache__", "vendor", *WEIGHTS)
    return shutil.copytree(FOLDER, tmp_path / "entry", ignore=ignored)


def build(entry: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # a python3 with torch
    how = {"cwd": entry, "env": os.environ | {"PATH": path}, "capture_output": True, "text": True}
    return subprocess.run(["sh", "build.sh"], check=False, **how)


def test_the_folder_is_a_valid_submission(entry, tmp_path):
    packed = pack(entry, tmp_path / "out.zip")
    assert packed.num_files >= 10
    assert not packed.manifest.causal


def test_its_scripts_are_executable(entry):
    for name in ("build.sh", "evaluate.py"):
        assert (entry / name).stat().st_mode & 0o111


def test_a_build_without_weights_says_where_to_get_them(entry):
    done = build(entry)
    assert done.returncode == 1
    assert "config.json is missing" in done.stderr
    assert "hf download 1x-technologies/GENIE_35M" in done.stderr


@needs_torch
def test_a_build_reads_the_checkpoint(entry, checkpoint_folder):
    for name in WEIGHTS:
        shutil.copy(checkpoint_folder / name, entry)
    done = build(entry)
    assert (done.returncode, done.stderr) == (0, "")
    (entry / "model.safetensors").write_bytes(b"nothing")
    done = build(entry)
    assert done.returncode != 0
    assert "model.safetensors cannot be read" in done.stderr


@needs_torch
def test_compiled_blocks_give_the_same_and_are_not_compiled_for_every_frame(torch, genie, make_genie):
    from torch._dynamo.testing import CompileCounterWithBackend

    torch._dynamo.reset()
    counter = CompileCounterWithBackend("eager")
    plain, compiled = make_genie(), make_genie()
    genie("predictor").compile_blocks(compiled, backend=counter)
    rollout = genie("rollout")
    sampling = rollout.Sampling(steps=2)
    tokens_BTHW = torch.randint(2**18, (2, 16, 4, 4), generator=torch.Generator().manual_seed(0))
    ways = [rollout.Rollout(model, batch=2, sampling=sampling) for model in (plain, compiled)]
    counts = []
    with torch.inference_mode():
        for t in range(15):
            (tokens, logits), (same_tokens, same_logits) = (
                (way.show(tokens_BTHW[:, t]), way.predict())[1] for way in ways
            )
            assert torch.equal(tokens, same_tokens)
            torch.testing.assert_close(same_logits, logits, rtol=0, atol=1e-5)
            counts.append(counter.frame_count)
    assert counts[-1] == counts[3] > 0
    torch._dynamo.reset()
