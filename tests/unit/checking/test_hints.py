"""Hints about an entrant's mistakes: each wrong predictor gets its own, the honest ones get none."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from baselines.folders import entry_modules
from harness.checking.hints import Listener
from harness.data.tokens import factorize, unfactorize
from harness.protocol.host import Prediction

BITS_OF_VALUE_V9 = (np.arange(512)[:, None] >> np.arange(9) & 1).astype(np.float32)
WINDOWS = 4


@dataclass(frozen=True)
class Answer:
    """What a predictor said of the next frame."""

    logits_BHWFV: np.ndarray
    tokens_BHW: np.ndarray


Predictor = Callable[[list[np.ndarray]], Answer]
"""From all frames shown so far to an answer."""


def film(*, flip: float = 0.1) -> np.ndarray:
    """Frames of which each bit changes so often, from a scene whose low bits are mostly 0: [T, B, H, W]."""
    rng = np.random.default_rng(0)
    bits_BHWK = rng.random((WINDOWS, 16, 16, 18)) < np.linspace(0.1, 0.6, 18)
    frames = []
    for _ in range(16):
        frames.append((bits_BHWK << np.arange(18)).sum(-1).astype(np.uint32))
        bits_BHWK = bits_BHWK ^ (rng.random(bits_BHWK.shape) < flip)
    return np.stack(frames)


def listen(predict: Predictor, frames_TBHW: np.ndarray) -> tuple[str, ...]:
    """The hints about this predictor, served in two batches as a host serves them."""
    listener = Listener()
    for windows_B in (np.array([3, 0]), np.array([1, 2])):
        frames = [frame_BHW[windows_B] for frame_BHW in frames_TBHW]
        for t in range(1, 16):
            answer = predict(frames[:t])
            listener.record(
                Prediction(
                    windows_B=windows_B,
                    t=t,
                    target_BHW=frames[t],
                    logits_BHWFV=answer.logits_BHWFV,
                    tokens_BHW=answer.tokens_BHW,
                )
            )
    return listener.hints()


def keeps_bits(frame_BHW: np.ndarray, *, flip: float = 0.1) -> Answer:
    """The last frame, each bit doubted as much as it should be."""
    ones_BHWFK = BITS_OF_VALUE_V9[factorize(frame_BHW)]
    evidence_BHWFK = (2 * ones_BHWFK - 1) * np.float32(np.log((1 - flip) / flip))
    return Answer(evidence_BHWFK @ BITS_OF_VALUE_V9.T, frame_BHW)


def cost_of_doubt(flip: float) -> float:
    """Nats per token of 18 bits that change so often, for who knows it."""
    return float(-18 * (flip * np.log(flip) + (1 - flip) * np.log(1 - flip)))


def honest(frames: list[np.ndarray]) -> Answer:
    return keeps_bits(frames[-1])


def probabilities(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


REVERSED_BITS = (BITS_OF_VALUE_V9.astype(int) << np.arange(9)[::-1]).sum(1)

MISTAKES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "factors swapped": (lambda x: x[..., ::-1, :], "the two factors were swapped"),
    "rows and columns swapped": (lambda x: x.swapaxes(1, 2), "rows and columns were swapped"),
    "values descending": (lambda x: x[..., ::-1], "values of a factor stood the other way round"),
    "bits reversed": (lambda x: x[..., REVERSED_BITS], "bits of a factor stood the other way round"),
    "probabilities": (probabilities, "your logits are probabilities"),
    "probabilities in half precision": (
        lambda x: probabilities(x).astype(np.float16),
        "your logits are probabilities",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_wrong_way_to_return_logits_gets_its_own_hint(name: str) -> None:
    spoil, words = MISTAKES[name]

    def mistaken(frames: list[np.ndarray]) -> Answer:
        answer = honest(frames)
        return Answer(np.ascontiguousarray(spoil(answer.logits_BHWFV)), answer.tokens_BHW)

    (hint,) = listen(mistaken, film())
    assert words in hint
    assert ", and if " not in hint
    found = re.search(r"your loss would be ([0-9.]+) instead", hint)
    assert found
    assert float(found[1]) == pytest.approx(cost_of_doubt(0.1), abs=0.03), "what an honest one has"


def test_two_mistakes_at_once_are_both_named() -> None:
    def mistaken(frames: list[np.ndarray]) -> Answer:
        answer = honest(frames)
        return Answer(answer.logits_BHWFV.swapaxes(1, 2)[..., ::-1, :], answer.tokens_BHW)

    hint = listen(mistaken, film())[0]
    assert "factors were swapped" in hint
    assert ", and if rows and columns were swapped" in hint


def test_an_entry_that_repeats_what_it_was_shown_is_told_so() -> None:
    (hint,) = listen(lambda frames: keeps_bits(frames[-1], flip=1e-4), film(flip=0.3))
    assert "fit the frame that was shown last" in hint
    assert f"would cost {cost_of_doubt(0.3):.1f}" in hint


def test_an_entry_that_is_one_frame_late_is_told_so() -> None:
    (hint,) = listen(lambda frames: keeps_bits(frames[max(0, len(frames) - 2)]), film())
    assert "fit the last frame but one" in hint


def test_tokens_whose_digits_stand_otherwise_than_the_logits_are_told() -> None:
    def mistaken(frames: list[np.ndarray]) -> Answer:
        answer = honest(frames)
        return Answer(answer.logits_BHWFV, unfactorize(factorize(answer.tokens_BHW)[..., ::-1]))

    (hint,) = listen(mistaken, film())
    assert "factor_0 + 512 * factor_1" in hint


def nonsense(frames: list[np.ndarray]) -> Answer:
    rng = np.random.default_rng(int(frames[-1].sum()))
    logits = rng.normal(0, 3, (len(frames[-1]), 16, 16, 2, 512)).astype(np.float32)
    logits += np.random.default_rng(1).normal(0, 3, 512).astype(np.float32)  # it prefers some values
    return Answer(logits, unfactorize(logits.argmax(-1)))


def knows_how_often_bits_are_set(frames: list[np.ndarray]) -> Answer:
    share_K = np.linspace(0.1, 0.6, 18)
    evidence_FK = np.log(share_K / (1 - share_K)).reshape(2, 9).astype(np.float32)
    logits_FV = evidence_FK @ BITS_OF_VALUE_V9.T
    shape = (*frames[-1].shape, 2, 512)
    return Answer(np.broadcast_to(logits_FV, shape), np.zeros(frames[-1].shape, np.uint32))


HONEST: dict[str, Predictor] = {
    "the last frame": honest,
    "the last frame, not sure enough": lambda frames: keeps_bits(frames[-1], flip=0.4),
    "no frame at all": knows_how_often_bits_are_set,
    "a uniform guess": lambda frames: Answer(
        np.zeros((*frames[-1].shape, 2, 512), np.float32), np.zeros_like(frames[-1])
    ),
    "an untrained model": nonsense,
}


@pytest.mark.parametrize("flip", [0.02, 0.2])
@pytest.mark.parametrize("name", HONEST)
def test_an_honest_predictor_gets_no_hint(name: str, flip: float) -> None:
    assert listen(HONEST[name], film(flip=flip)) == ()


def test_the_template_gets_no_hint() -> None:
    with entry_modules("../submissions_template"):
        from predictor import Predictor as Template  # type: ignore[import-not-found]

        kept: list[Any] = []

        def predict(frames: list[np.ndarray]) -> Answer:
            if len(frames) == 1:
                kept[:] = [Template()]
                kept[0].reset(len(frames[0]))
            kept[0].observe(frames[-1], None)
            return Answer(*kept[0].predict())

        assert listen(predict, film()) == ()


def test_one_window_is_too_little_to_say_anything() -> None:
    """Nor is a run in which nothing was heard."""
    listener, frames_TBHW = Listener(), film()[:, :1]
    assert listener.hints() == ()
    for t in range(1, 16):
        logits = honest(list(frames_TBHW[:t])).logits_BHWFV[..., ::-1, :]
        listener.record(
            Prediction(
                windows_B=np.array([0]),
                t=t,
                target_BHW=frames_TBHW[t],
                logits_BHWFV=logits,
                tokens_BHW=np.zeros_like(frames_TBHW[t]),
            )
        )
    assert listener.hints() == ()
