"""Genie gives the numbers of 1X's own code, for every kind of checkpoint there is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).parents[2] / "golden" / "genie"
TOLERANCE = 1e-4


@pytest.fixture(params=["plain", "qknorm", "mup", "qknorm-mup"])
def folder(request) -> Path:
    """Each golden checkpoint in turn."""
    return GOLDEN / request.param


@pytest.fixture
def model(genie, folder):
    """The checkpoint's model."""
    return genie("checkpoint").load(folder)


@pytest.fixture
def vectors(folder) -> dict[str, np.ndarray]:
    """What 1X's code computed with it."""
    with np.load(folder / "vectors.npz") as file:
        return dict(file)


@pytest.fixture
def tokens_BTHW(torch, vectors):
    """The golden windows."""
    return torch.from_numpy(vectors["tokens"].astype(np.int64))


def agrees(logits_BTHWFV, golden_BVFTHW) -> None:
    """Within 1e-4, though logits reach 150."""
    found_BVFTHW = logits_BTHWFV.permute(0, 5, 4, 1, 2, 3).numpy()
    np.testing.assert_allclose(found_BVFTHW, golden_BVFTHW, rtol=0, atol=TOLERANCE)


def learned_from(torch, genie, model, **windows) -> tuple[float, float]:
    """Loss and accuracy as training has them."""
    batch = len(windows["seen_BTHW"])
    asked = genie("exercise").GenieExercise(**windows, actions_BTSA=torch.zeros(batch, 16, 15, 0))
    loss, accuracy = genie("exercise").Solver(model)(*asked.part(0, batch))
    return loss.item(), accuracy.item()


def test_logits_loss_and_accuracy_of_masked_windows(torch, genie, model, vectors, tokens_BTHW):
    masked_BTHW = torch.from_numpy(vectors["masked"].astype(np.int64))
    with torch.inference_mode():
        logits_BTHWFV = model(masked_BTHW)
    golden_BVFTHW = vectors["masked_logits_t_0_7_15"].reshape(2, 2, 512, 3, 4, 4).swapaxes(1, 2)
    agrees(logits_BTHWFV[:, [0, 7, 15]], golden_BVFTHW)
    is_masked_BTHW = masked_BTHW == model.config.mask_id
    is_masked_BTHW[:, 0] = False
    loss, accuracy = learned_from(
        torch,
        genie,
        model,
        seen_BTHW=masked_BTHW,
        guess_BTHW=masked_BTHW[:, :0],
        target_BTHW=tokens_BTHW,
        masked_BTHW=is_masked_BTHW,
    )
    assert loss == pytest.approx(float(vectors["masked_loss"]), abs=TOLERANCE)
    assert accuracy == pytest.approx(float(vectors["masked_acc"]), abs=TOLERANCE)


def test_all_frames_side_by_side(torch, genie, model, vectors, tokens_BTHW):
    rollout = genie("rollout")
    with torch.inference_mode():
        found_BTHW, logits_BTHWFV = rollout.teacher_forced(
            model, tokens_BTHW, sampling=rollout.Sampling(steps=1)
        )
    np.testing.assert_array_equal(found_BTHW.numpy(), vectors["ttf_tokens"])
    agrees(logits_BTHWFV[:, [0, 7, 14]], vectors["ttf_logits_t_1_8_15"])
    everything_BTHW = torch.ones_like(tokens_BTHW[:, 1:], dtype=torch.bool)
    loss, accuracy = learned_from(
        torch,
        genie,
        model,
        seen_BTHW=tokens_BTHW[:, :-1],
        guess_BTHW=torch.full_like(tokens_BTHW[:, 1:], model.config.mask_id),
        target_BTHW=tokens_BTHW[:, 1:],
        masked_BTHW=everything_BTHW,
    )
    assert loss == pytest.approx(float(vectors["ttf_loss"]), abs=TOLERANCE)
    assert accuracy == pytest.approx(float(vectors["ttf_acc"]), abs=TOLERANCE)


def test_a_rollout_frame_after_frame_gives_the_golden_tokens(torch, genie, model, vectors, tokens_BTHW):
    rollout = genie("rollout")
    shown = rollout.Rollout(model, batch=2, sampling=rollout.Sampling(steps=1))
    with torch.inference_mode():
        for t in range(15):
            shown.show(tokens_BTHW[:, t])
            found_BHW, logits_BHWFV = shown.predict()
            np.testing.assert_array_equal(found_BHW.numpy(), vectors["ttf_tokens"][:, t])
            if t in {0, 7, 14}:
                agrees(logits_BHWFV[:, None], vectors["ttf_logits_t_1_8_15"][:, :, :, [t // 7]])


@pytest.mark.parametrize("steps", [2, 4])
def test_the_most_confident_first(torch, genie, model, vectors, tokens_BTHW, steps):
    rollout = genie("rollout")
    shown = rollout.Rollout(model, batch=2, sampling=rollout.Sampling(steps=steps))
    with torch.inference_mode():
        for t in range(8):
            shown.show(tokens_BTHW[:, t])
        found_BHW, _ = shown.predict()
        together_BTHW, _ = rollout.teacher_forced(model, tokens_BTHW, sampling=rollout.Sampling(steps=steps))
    np.testing.assert_array_equal(found_BHW.numpy(), vectors[f"maskgit{steps}_greedy_t8_tokens"])
    np.testing.assert_array_equal(together_BTHW[:, 7].numpy(), vectors[f"maskgit{steps}_greedy_t8_tokens"])


def test_on_its_own_predictions(torch, genie, model, vectors, tokens_BTHW):
    rollout = genie("rollout")
    shown = rollout.Rollout(model, batch=2, sampling=rollout.Sampling(steps=1))
    np.testing.assert_array_equal(tokens_BTHW[:, :8].numpy(), vectors["ar8_tokens"][:, :8])
    logits = {}
    with torch.inference_mode():
        for t in range(8):
            shown.show(tokens_BTHW[:, t])
        for t in range(8, 16):
            found_BHW, logits[t] = shown.predict()
            np.testing.assert_array_equal(found_BHW.numpy(), vectors["ar8_tokens"][:, t])
            shown.show(found_BHW)
    agrees(torch.stack([logits[8], logits[15]], 1), vectors["ar8_logits_t_8_15"])
