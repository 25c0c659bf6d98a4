"""Every entry we ship keeps a predictor's contract, and knows more than nothing about a world that moves a little."""

from __future__ import annotations

import math

import numpy as np

UNIFORM = 2 * math.log(512)


def nats(logits_XFV: np.ndarray, tokens_X: np.ndarray) -> np.ndarray:
    """Cross-entropy of each token [...] under logits [...,F,V]."""
    wide = logits_XFV.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    log_p_XFV = wide - np.log(np.exp(wide).sum(-1, keepdims=True))
    factor_XF1 = np.stack([tokens_X % 512, tokens_X // 512], -1).astype(np.int64)[..., None]
    return -np.take_along_axis(log_p_XFV, factor_XF1, -1)[..., 0].sum(-1)


def no_actions(batch: int) -> np.ndarray:
    """Actions [B,15,28] of a robot at rest."""
    return np.zeros((batch, 15, 28), np.float32)


def teacher_forced(predictor, windows_BTHW) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Copies of the logits and the tokens for frames 1..15, frames revealed one by one."""
    batch = len(windows_BTHW)
    predictor.reset(batch)
    logits, tokens = [], []
    for t in range(15):
        predictor.observe(windows_BTHW[:, t], no_actions(batch))
        logits_BHWFV, tokens_BHW = predictor.predict()
        logits.append(logits_BHWFV.copy())
        tokens.append(tokens_BHW.copy())
    return logits, tokens


def test_a_frames_prediction_has_the_shapes_and_types_of_the_protocol(predictor, windows_BTHW):
    logits, tokens = teacher_forced(predictor, windows_BTHW[:3])
    assert logits[0].shape == (3, 16, 16, 2, 512)
    assert logits[0].dtype == np.float32
    assert tokens[0].shape == (3, 16, 16)
    assert tokens[0].dtype == np.uint32
    assert all(np.isfinite(frame).all() for frame in logits)
    assert all((frame < 2**18).all() for frame in tokens)


def test_it_beats_uniform_where_the_last_frame_is_informative(predictor, windows_BTHW):
    logits, _ = teacher_forced(predictor, windows_BTHW)
    losses = [nats(logits[t], windows_BTHW[:, t + 1]).mean() for t in range(15)]
    assert np.mean(losses) < UNIFORM - 1


def test_the_tokens_are_the_most_likely_ones(predictor, windows_BTHW):
    logits, tokens = teacher_forced(predictor, windows_BTHW)
    for logits_BHWFV, tokens_BHW in zip(logits, tokens, strict=True):
        best_BHWF = logits_BHWFV.max(-1)
        chosen_BHWF1 = np.stack([tokens_BHW % 512, tokens_BHW // 512], -1).astype(np.int64)[..., None]
        said_BHWF = np.take_along_axis(logits_BHWFV, chosen_BHWF1, -1)[..., 0]
        np.testing.assert_allclose(said_BHWF, best_BHWF, rtol=1e-5)


def test_a_window_is_predicted_the_same_whatever_its_batch(predictor, windows_BTHW):
    together, _ = teacher_forced(predictor, windows_BTHW)
    turned, _ = teacher_forced(predictor, windows_BTHW[::-1])
    for t in range(15):
        np.testing.assert_allclose(together[t], turned[t][::-1], rtol=1e-5, atol=1e-5)
    alone, _ = teacher_forced(predictor, windows_BTHW[2:3])
    for t in range(15):
        np.testing.assert_allclose(together[t][2:3], alone[t], rtol=1e-5, atol=1e-5)


def test_after_a_reset_a_predictor_remembers_nothing(predictor, windows_BTHW):
    first, _ = teacher_forced(predictor, windows_BTHW[:2])
    teacher_forced(predictor, windows_BTHW[4:6] ^ np.uint32(0x2A5A5))
    again, _ = teacher_forced(predictor, windows_BTHW[:2])
    for t in range(15):
        np.testing.assert_array_equal(first[t], again[t])


def test_it_lives_on_its_own_predictions(predictor, windows_BTHW):
    predictor.reset(4)
    for t in range(8):
        predictor.observe(windows_BTHW[:4, t], no_actions(4))
    losses = []
    for t in range(8, 16):
        logits_BHWFV, tokens_BHW = predictor.predict()
        losses.append(nats(logits_BHWFV, windows_BTHW[:4, t]).mean())
        predictor.observe(tokens_BHW.copy(), no_actions(4))
    assert np.isfinite(losses).all()
    assert np.mean(losses[:2]) < UNIFORM - 1


def test_a_frame_that_is_shown_is_not_written_to(predictor, windows_BTHW):
    frame_BHW = windows_BTHW[:2, 0].copy()
    frame_BHW.flags.writeable = False
    predictor.reset(2)
    predictor.observe(frame_BHW, no_actions(2))
    predictor.predict()
