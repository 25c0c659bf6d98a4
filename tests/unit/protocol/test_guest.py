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
    assert caught.value.message == "the entry raised an exception"
    return caught.value.guest_words


Mistake = Callable[[np.ndarray, np.ndarray], tuple[Any, Any]]


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (
            lambda logits, tokens: (logits.transpose(0, 3, 4, 1, 2), tokens),
            r"\[2, 2, 512, 16, 16\].*expected",
        ),
        (lambda logits, tokens: (logits.astype(int), tokens), "int64"),
        (lambda logits, tokens: (logits, tokens.astype(float)), "float64"),
        (lambda logits, tokens: (logits, tokens[0]), r"shape \[16, 16\]"),
        (lambda logits, tokens: (logits, tokens + (1 << 18)), r"outside \[0, 262144\)"),
        (lambda logits, tokens: logits, "ndarray; expected a pair"),
    ],
    ids=["transposed", "whole numbers", "float tokens", "no batch axis", "token too large", "no tokens"],
)
def test_a_wrong_prediction_is_explained(
    guest_channel: Any, last_frame: type, mistake: Mistake, words: str
) -> None:
    class Mistaken(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            return mistake(*super().predict())

    assert re.search(words, what_it_says(guest_channel, Mistaken))


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
