"""The entry: a predictor by the protocol, its loss at the gate, and a folder that intake takes and build.sh checks."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness.data.clips import open_clip
from harness.data.truth import ClipTruth
from harness.intake.pack import pack
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.host import play
from harness.protocol.regimes import Regime
from harness.scoring.sheet import ScoreSheet

FOLDER = Path(__file__).parents[3] / "baselines" / "causal_lm"
WEIGHTS = ("config.json", "model.safetensors")
LIMITS = Limits(start_s=60, reply_s=60, regime_s=280)

needs_torch = pytest.mark.torch


@pytest.fixture
def checkpoint_folder(causal_lm, make_causal_lm, tmp_path) -> Path:
    """A tiny checkpoint for the challenge's windows."""
    challenge = {"frames": 16, "side": 16, "factor_vocab": 512, "neighbours": (1, 16, 256)}
    model = make_causal_lm(num_layers=1, **challenge)
    causal_lm("checkpoint").save(model, tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


@pytest.fixture
def predictor(causal_lm, checkpoint_folder):
    """The predictor of that checkpoint."""
    return causal_lm("predictor").Predictor(checkpoint_folder, device="cpu")


@pytest.fixture
def sit(guest_channel):
    """Lets a predictor sit a regime at the real gate; gives the host's score sheet."""

    def run(predictor, truth: ClipTruth, regime: Regime) -> ScoreSheet:
        sheet = ScoreSheet(num_windows=len(truth.starts), targets=regime.targets())
        with guest_channel(lambda: predictor) as channel:
            conversation = Conversation(channel=channel, regime=regime, limits=LIMITS)
            conversation.greet(truth.clip.action_widths, ready_by=time.monotonic() + LIMITS.start_s)
            conversation.begin()
            play(conversation, truth, [np.arange(len(truth.starts))], sheet.record)
            conversation.say_goodbye()
        return sheet

    return run


@pytest.fixture
def truth(make_clip) -> ClipTruth:
    """Two windows of different segments."""
    return ClipTruth(clip=open_clip(make_clip((226, 226))), starts=np.array([0, 226]))


def windows_of(truth: ClipTruth) -> np.ndarray:
    return np.stack([truth.tokens_at(np.arange(len(truth.starts)), t) for t in range(16)], 1)


def no_actions(batch: int) -> np.ndarray:
    """Actions [B,15,28] of a robot at rest."""
    return np.zeros((batch, 15, 28), np.float32)


def played(predictor, windows_BTHW) -> tuple[np.ndarray, np.ndarray]:
    """Logits [B,T,H,W,F,V] and tokens [B,T,H,W] of some frames, revealed one by one."""
    predictor.reset(len(windows_BTHW))
    found = []
    for t in range(windows_BTHW.shape[1]):
        predictor.observe(windows_BTHW[:, t], no_actions(len(windows_BTHW)))
        logits_BHWFV, tokens_BHW = predictor.predict()
        found.append((logits_BHWFV.copy(), tokens_BHW))
    logits, tokens = zip(*found, strict=True)
    return np.stack(logits, 1), np.stack(tokens, 1)


@needs_torch
def test_fully_teacher_forced_the_gates_loss_is_that_of_one_parallel_pass(
    torch, causal_lm, predictor, checkpoint_folder, truth, sit
):
    sheet = sit(predictor, truth, Regime.FULLY_TEACHER_FORCED)
    tokens_BTHW = torch.from_numpy(windows_of(truth).astype(np.int64))
    learner = causal_lm("learner").CausalLearner(causal_lm("checkpoint").load(checkpoint_folder))
    batch = causal_lm("learner").Batch(tokens_BTHW=tokens_BTHW, actions_BTSA=torch.zeros(2, 16, 15, 0))
    loss_B = learner.heldout_loss(batch).numpy()
    np.testing.assert_allclose(sheet.window_losses_B, loss_B, rtol=0, atol=1e-4)
    assert abs(loss_B[0] - loss_B[1]) > 1e-3  # the two windows could have been mixed up


@needs_torch
def test_its_tokens_are_the_likeliest_and_its_logits_log_probabilities(predictor, windows_BTHW):
    logits_BTHWFV, tokens_BTHW = played(predictor, windows_BTHW[:2, :2])
    best_BTHWF = logits_BTHWFV.argmax(-1)
    np.testing.assert_array_equal(tokens_BTHW, best_BTHWF[..., 0] + 512 * best_BTHWF[..., 1])
    np.testing.assert_allclose(np.exp(logits_BTHWFV.astype(np.float64)).sum(-1), 1, rtol=1e-4)


@needs_torch
def test_on_its_own_tokens_the_gate_takes_its_answers(predictor, truth, sit):
    sheet = sit(predictor, truth, Regime.FULLY_AUTOREGRESSIVE)
    assert np.isfinite(sheet.nats_BTHW).all()


@needs_torch
def test_the_shapes_and_types_of_the_protocol(predictor, windows_BTHW):
    assert predictor.causal
    logits, tokens = played(predictor, windows_BTHW[:2, :1])
    assert logits.shape == (2, 1, 16, 16, 2, 512)
    assert logits.dtype == np.float32
    assert tokens.shape == (2, 1, 16, 16)
    assert tokens.dtype == np.uint32
    logits_BFV = predictor.predict_token()
    assert (logits_BFV.shape, logits_BFV.dtype) == ((2, 2, 512), np.float32)


@needs_torch
def test_a_window_is_predicted_the_same_whatever_its_batch(predictor, windows_BTHW):
    together = played(predictor, windows_BTHW[:3, :2])
    turned = played(predictor, windows_BTHW[2::-1, :2])
    alone = played(predictor, windows_BTHW[1:2, :2])
    np.testing.assert_allclose(together[0], turned[0][::-1], rtol=0, atol=1e-4)
    np.testing.assert_allclose(together[0][1:2], alone[0], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(together[1], turned[1][::-1])
    np.testing.assert_array_equal(together[1][1:2], alone[1])


@needs_torch
def test_after_a_reset_a_predictor_remembers_nothing(predictor, windows_BTHW):
    first = played(predictor, windows_BTHW[:2, :2])
    played(predictor, windows_BTHW[4:6, :4])
    played(predictor, windows_BTHW[4:5, :1])
    again = played(predictor, windows_BTHW[:2, :2])
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_torch
def test_predicting_twice_changes_nothing(predictor, windows_BTHW):
    predictor.reset(2)
    predictor.observe(windows_BTHW[:2, 0], no_actions(2))
    token_logits = predictor.predict_token().copy()
    once = [part.copy() for part in predictor.predict()]
    for one, other in zip(once, predictor.predict(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(predictor.predict_token(), token_logits)
    predictor.observe(windows_BTHW[:2, 1], no_actions(2))
    assert not np.array_equal(predictor.predict_token(), token_logits)


@needs_torch
def test_a_frame_that_is_shown_is_not_written_to(predictor, windows_BTHW):
    frame_BHW = windows_BTHW[:2, 0].copy()
    frame_BHW.flags.writeable = False
    predictor.reset(2)
    predictor.observe(frame_BHW, no_actions(2))
    predictor.predict()


@needs_torch
def test_before_reset_it_says_what_to_do(predictor):
    with pytest.raises(RuntimeError, match="call reset first"):
        predictor.predict()


@needs_torch
def test_the_largest_batch_fits_the_memory_set_aside_for_it(causal_lm, checkpoint_folder, monkeypatch):
    module = causal_lm("predictor")
    config = causal_lm("config").read_config(checkpoint_folder / WEIGHTS[0])
    window = causal_lm("cache").bytes_per_window(config, module.CONTINUATIONS)
    for windows, expected in ((5.5, 5), (0.5, 1), (1000, module.LARGEST_BATCH)):
        monkeypatch.setattr(module, "CPU_CACHE_BYTES", int(windows * window))
        assert module.Predictor(checkpoint_folder, device="cpu").max_batch == expected


@needs_torch
@pytest.mark.parametrize("continuations", [1, 3])
def test_a_windows_bytes_are_those_of_the_buffers(causal_lm, make_causal_lm, continuations):
    config, module = make_causal_lm().config, causal_lm("cache")
    past_L = module.KeyValueCache(config, batch=3, continuations=continuations).pasts(1)
    total = sum(past.keys.nbytes + past.values.nbytes for past in past_L)
    assert total == 3 * module.bytes_per_window(config, continuations)


@needs_torch
def test_a_checkpoint_of_other_windows_is_refused(causal_lm, make_causal_lm, tmp_path):
    causal_lm("checkpoint").save(make_causal_lm(), tmp_path)
    with pytest.raises(causal_lm("config").CheckpointError, match="4 frames of 4x4 tokens in base 8"):
        causal_lm("predictor").Predictor(tmp_path)


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
    assert packed.manifest.causal
    assert packed.num_files >= 10


def test_its_scripts_are_executable(entry):
    for name in ("build.sh", "evaluate.py"):
        assert (entry / name).stat().st_mode & 0o111


@needs_torch
def test_what_runs_in_the_box_is_there_and_knows_nothing_of_the_harness(causal_lm):
    files = causal_lm("learner").ENTRY_FILES
    allowed = {Path(name).stem for name in files if name.endswith(".py")} | sys.stdlib_module_names
    allowed |= {"numpy", "torch", "safetensors", "wmc_guest"}
    for name in files:
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((FOLDER / name).read_text())):
                if isinstance(node, ast.ImportFrom):
                    assert str(node.module).split(".")[0] in allowed, name
                elif isinstance(node, ast.Import):
                    assert {alias.name.split(".")[0] for alias in node.names} <= allowed, name


def test_a_build_without_weights_says_where_to_get_them(entry):
    done = build(entry)
    assert done.returncode == 1
    assert "config.json is missing" in done.stderr
    assert "wmc train-baseline causal-lm" in done.stderr


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
