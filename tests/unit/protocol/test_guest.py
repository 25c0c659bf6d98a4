"""The entrant's side: stands alone, and tells an entrant what is wrong in the entrant's words."""

from __future__ import annotations

import ast
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import GuestFailed
from harness.protocol import guest
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.guest import Kind
from harness.protocol.regimes import Regime

SOURCE = Path(guest.__file__).read_text()
QUICK = Limits(start_s=10, reply_s=10, regime_s=60)


def test_it_is_python_3_8_with_the_standard_library_and_numpy() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} - {"numpy"} <= set(sys.stdlib_module_names)


def ask_once(channel: Any, windows: int = 2) -> None:
    """Greet, observe a frame, ask for one prediction."""
    talk = Conversation(channel=channel, regime=Regime.TEMPORALLY_TEACHER_FORCED, limits=QUICK)
    terms = talk.greet({"driving_command": 28}, ready_by=time.monotonic() + 10)
    talk.send(Kind.RESET, 0, windows.to_bytes(4, "little"))
    talk.send(Kind.OBSERVE, 0, np.zeros((windows, 16, 16), "<u4"), np.zeros((windows, 15, 28), "<f4"))
    logits = np.zeros((windows, 16, 16, 2, 512), terms.logits_dtype)
    talk.ask(Kind.PREDICT, 1, logits, np.zeros((windows, 16, 16), "<u4"))
    talk.say_goodbye()


def what_it_says(guest_channel: Any, make_predictor: Any) -> str:
    """The entrant's words about its own failure; the error itself repeats none of them."""
    with guest_channel(make_predictor) as channel, pytest.raises(GuestFailed) as caught:
        ask_once(channel)
    assert caught.value.code == "guest.exception"
    assert caught.value.message == "the entry raised an exception, or gave what is no answer"
    return caught.value.guest_words


def whole_tokens(logits_BHWFV: np.ndarray) -> np.ndarray:
    """What a model of 262144 classes returns; here without the memory of it."""
    return np.broadcast_to(np.float32(0), (*logits_BHWFV.shape[:3], 1 << 18))


Mistake = Callable[[np.ndarray, np.ndarray], tuple[Any, Any]]


MISTAKES: dict[str, tuple[Mistake, str]] = {
    "transposed": (
        lambda logits, tokens: (logits.transpose(0, 3, 4, 1, 2), tokens),
        r"\[2, 2, 512, 16, 16\].*expected \[2, 16, 16, 2, 512\] of float32.*transpose\(0, 3, 4, 1, 2\)",
    ),
    "factors last": (
        lambda logits, tokens: (logits.swapaxes(3, 4), tokens),
        r"\[2, 16, 16, 512, 2\].*permute\(0, 1, 2, 4, 3\)",
    ),
    "positions in a row": (
        lambda logits, tokens: (logits.reshape(2, 256, 2, 512), tokens),
        r"reshape\(2, 16, 16, 2, 512\) fits, if",
    ),
    "a logit for each channel": (
        lambda logits, tokens: (logits.reshape(2, 16, 16, 1024), tokens),
        r"\[2, 16, 16, 1024\].*reshape\(2, 16, 16, 2, 512\)",
    ),
    "every frame so far": (
        lambda logits, tokens: (np.stack([logits] * 3, 1), tokens),
        "axis 1 is one too many: one frame is asked for",
    ),
    "logits of one window": (lambda logits, tokens: (logits[0], tokens), "first axis is missing.*reset"),
    "half the batch": (lambda logits, tokens: (logits[:1], tokens), "the batch has 2 windows"),
    "a class for each token": (lambda logits, tokens: (np.zeros((2, 3, 7)), tokens), r"512\] of float32$"),
    "whole tokens": (
        lambda logits, tokens: (whole_tokens(logits), tokens),
        r"\[2, 16, 16, 262144\].*logits of whole tokens.*reshape\(2, 16, 16, 512, 512\)"
        r".*np.stack\(\[logsumexp\(j, 3\), logsumexp\(j, 4\)\], 3\)",
    ),
    "whole tokens, as channels": (
        lambda logits, tokens: (np.moveaxis(whole_tokens(logits), -1, 1), tokens),
        r"\[2, 262144, 16, 16\].*move the axis of 262144 to the end",
    ),
    "whole numbers": (lambda logits, tokens: (logits.astype(int), tokens), "int64.*goes into a softmax"),
    "the pair turned round": (lambda logits, tokens: (tokens, logits), r"\(tokens, logits\); expected"),
    "no tokens": (lambda logits, tokens: logits, "ndarray; expected a pair"),
    "nothing": (lambda logits, tokens: None, "NoneType; expected a pair"),
    "float tokens": (
        lambda logits, tokens: (logits, tokens.astype(float)),
        r"float64; .*astype\(np.uint32\)",
    ),
    "tokens of one window": (
        lambda logits, tokens: (logits, tokens[0]),
        r"shape \[16, 16\].*axis is missing",
    ),
    "two factors": (
        lambda logits, tokens: (logits, np.stack([tokens % 512, tokens // 512], -1)),
        r"\[2, 16, 16, 2\].*factors of tokens.*factor_0 \+ 512 \* factor_1",
    ),
    "two factors, first": (
        lambda logits, tokens: (logits, np.stack([tokens % 512, tokens // 512], 1)),
        "these are the factors of tokens",
    ),
    "tokens in a row": (
        lambda logits, tokens: (logits, tokens.reshape(2, 256)),
        r"reshape\(2, 16, 16\) fits",
    ),
    "token too large": (lambda logits, tokens: (logits, tokens + (1 << 18) + 1), r"outside \[0, 262144\)$"),
    "signed token": (lambda logits, tokens: (logits, tokens.astype(int) - 1), r"token -1, outside"),
    "mask token": (lambda logits, tokens: (logits, tokens + (1 << 18)), "262144, outside.*masked positions"),
    "ragged": (lambda logits, tokens: ([[1], [1, 2]], tokens), "logits that numpy cannot read"),
}


@pytest.mark.parametrize(("mistake", "words"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_wrong_prediction_is_explained(
    guest_channel: Any, last_frame: type, mistake: Mistake, words: str
) -> None:
    class Mistaken(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            return mistake(*super().predict())

    assert re.search(words, what_it_says(guest_channel, Mistaken))


def test_what_is_advised_for_whole_tokens_is_the_loss_of_their_factors() -> None:
    """As the message has it: independent factors come back as they were, up to a constant that no softmax sees."""
    rng = np.random.default_rng(0)
    logits_BHWFV = rng.normal(size=(1, 1, 1, 2, 512))
    tokens_V = np.arange(1 << 18)
    joint = logits_BHWFV[..., 0, tokens_V % 512] + logits_BHWFV[..., 1, tokens_V // 512]
    j = joint.reshape(1, 1, 1, 512, 512)
    advised = np.stack([np.log(np.exp(j).sum(3)), np.log(np.exp(j).sum(4))], 3)
    assert advised.shape == logits_BHWFV.shape
    difference = advised - logits_BHWFV
    np.testing.assert_allclose(difference, np.broadcast_to(difference[..., :1], difference.shape))


@pytest.mark.torch
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda logits: logits.requires_grad_(),
            r"on cpu of torch.float32.*\.detach\(\)\.float\(\)\.cpu\(\)",
        ),
        (lambda logits: logits.bfloat16(), r"of torch.bfloat16, which numpy cannot read"),
        (lambda logits: logits.to("meta"), r"on meta of torch.float32"),  # stands for a GPU
    ],
    ids=["with a gradient", "bfloat16", "elsewhere"],
)
def test_a_tensor_that_numpy_cannot_read_is_explained(
    guest_channel: Any, last_frame: type, spoil: Callable[[Any], Any], words: str
) -> None:
    import torch

    class Tensors(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            logits, tokens = super().predict()
            return spoil(torch.from_numpy(logits)), tokens

    assert re.search(words, what_it_says(guest_channel, Tensors))


@pytest.mark.torch
def test_tensors_that_numpy_can_read_are_taken(guest_channel: Any, last_frame: type) -> None:
    import torch

    class Tensors(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            logits, tokens = super().predict()
            return torch.from_numpy(logits), torch.from_numpy(tokens.astype(np.int64))

    with guest_channel(Tensors) as channel:
        ask_once(channel)


def test_double_precision_is_noted_in_the_log(
    guest_channel: Any, last_frame: type, capsys: pytest.CaptureFixture[str]
) -> None:
    class Double(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            logits, tokens = super().predict()
            return logits.astype(np.float64), tokens

    with guest_channel(Double) as channel:
        ask_once(channel)
    assert re.findall(
        rf"{guest.NOTE}predict\(\) returns float64; it is sent as float32", capsys.readouterr().err
    )


def test_float64_logits_are_sent_as_the_declared_type(guest_channel: Any, last_frame: type) -> None:
    class Half(last_frame):  # type: ignore[misc]
        logits_dtype = "float16"

        def predict(self) -> Any:
            logits, tokens = super().predict()
            return logits.astype(np.float64), tokens.astype(np.int64)

    with guest_channel(Half) as channel:
        ask_once(channel)


def test_a_predictor_that_cannot_be_made_says_why(guest_channel: Any) -> None:
    def broken() -> None:
        raise FileNotFoundError("weights.safetensors")

    assert what_it_says(guest_channel, broken) == "FileNotFoundError: weights.safetensors"


def test_an_unknown_logits_type_is_named(guest_channel: Any, last_frame: type) -> None:
    class Odd(last_frame):  # type: ignore[misc]
        logits_dtype = "bfloat16"

    assert "'bfloat16'; choose 'float32' or 'float16'" in what_it_says(guest_channel, Odd)
