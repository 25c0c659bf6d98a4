"""What a guest may not answer: each mistake is a named error, whatever bytes come."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import GuestFailed
from harness.protocol.guest import HEADER, MAGIC, Kind
from harness.protocol.replies import receive_logits, receive_ready, refuse_unsolicited
from harness.protocol.wire import SocketChannel
from harness.spec import CHALLENGE

SHAPE = (1, 16, 16, 2, 512)
LOGITS = np.zeros(SHAPE, "<f4").tobytes()
TOKENS = np.zeros((1, 16, 16), "<u4").tobytes()


def header(
    *,
    magic: bytes = MAGIC,
    kind: int = Kind.LOGITS,
    t: int = 1,
    batch: int = 1,
    size: int = len(LOGITS + TOKENS),
) -> bytes:
    return HEADER.pack(magic, kind, t, batch, size)


def saying(message: bytes) -> Callable[[socket.socket], None]:
    def say(peer: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the host may hang up before the end
            peer.sendall(message)
            peer.shutdown(socket.SHUT_WR)

    return say


def ask(channel: SocketChannel) -> None:
    receive_logits(
        channel,
        np.empty(SHAPE, "<f4"),
        np.empty((1, 16, 16), "<u4"),
        t=1,
        batch=1,
        spec=CHALLENGE,
        deadline=time.monotonic() + 60,
    )


def with_value(value: float, dtype: str = "<f4", at: int = -1) -> bytes:
    logits = np.zeros(SHAPE, dtype)
    logits.flat[at] = value
    return logits.tobytes()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (header(magic=b"WMC2") + LOGITS + TOKENS, "guest.wrong_magic"),
        (header(kind=Kind.READY) + LOGITS + TOKENS, "guest.wrong_kind"),
        (header(kind=Kind.PREDICT) + LOGITS + TOKENS, "guest.wrong_kind"),
        (header(t=2) + LOGITS + TOKENS, "guest.wrong_t"),
        (header(batch=2) + LOGITS + TOKENS, "guest.wrong_batch"),
        (header(size=len(LOGITS)) + LOGITS, "guest.wrong_size"),
        (header(size=1 << 62), "guest.wrong_size"),
        (header(size=0), "guest.wrong_size"),
        (header()[:7], "guest.closed"),
        (header() + LOGITS[:100], "guest.closed"),
        (header() + LOGITS + TOKENS[:-1], "guest.closed"),
        (header() + with_value(float("nan")) + TOKENS, "guest.not_finite"),
        (header() + with_value(float("inf"), at=0) + TOKENS, "guest.not_finite"),
        (header() + with_value(float("-inf"), at=1000) + TOKENS, "guest.not_finite"),
        (header() + LOGITS + np.full((1, 16, 16), 1 << 18, "<u4").tobytes(), "guest.token_out_of_range"),
        (header() + LOGITS + b"\xff" * len(TOKENS), "guest.token_out_of_range"),
        (header(kind=Kind.FAILED, size=4) + b"oops", "guest.exception"),
        (header(kind=Kind.FAILED, size=1 << 40) + b"x" * 5000, "guest.exception"),
        (b"\x80\x04\x95pickled nonsense that is longer", "guest.wrong_magic"),
    ],
)
def test_a_malformed_reply_is_named(script_channel: Any, message: bytes, code: str) -> None:
    with script_channel(saying(message)) as channel, pytest.raises(GuestFailed) as caught:
        ask(channel)
    assert caught.value.code == code
    assert caught.value.fix


def test_a_good_reply_is_accepted(script_channel: Any) -> None:
    with script_channel(saying(header() + LOGITS + TOKENS)) as channel:
        ask(channel)


def test_half_precision_infinity_is_found(script_channel: Any) -> None:
    logits = with_value(float("inf"), "<f2")
    with (
        script_channel(saying(header(size=len(logits)) + logits)) as channel,
        pytest.raises(GuestFailed, match="NaN or infinity"),
    ):
        receive_logits(
            channel,
            np.empty(SHAPE, "<f2"),
            None,
            t=1,
            batch=1,
            spec=CHALLENGE,
            deadline=time.monotonic() + 60,
        )


def test_an_entrants_error_text_is_made_printable(script_channel: Any) -> None:
    text = b"\x1b[2J\x1b]0;owned\x07 \xff\xfe \xe2\x80\xae"
    message = header(kind=Kind.FAILED, size=len(text)) + text
    with script_channel(saying(message)) as channel, pytest.raises(GuestFailed) as caught:
        ask(channel)
    assert caught.value.guest_words.isprintable()
    assert "owned" not in caught.value.message


def test_a_reply_nobody_asked_for_ends_the_grade(script_channel: Any) -> None:
    """Control: the stream is empty whenever the host asks."""
    with script_channel(saying(header())) as channel:
        select.select([channel._stream], [], [], 30)
        with pytest.raises(GuestFailed) as caught:
            refuse_unsolicited(channel)
    assert caught.value.code == "guest.unsolicited"


def ready(value: object) -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return header(kind=Kind.READY, t=0, batch=0, size=len(body)) + body


GOOD: dict[str, object] = {"max_batch": 4, "logits_dtype": "<f4", "causal": False}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not json",
        b"\xff",
        b"[" * 4000,
        [],
        None,
        {},
        GOOD | {"max_batch": 0},
        GOOD | {"max_batch": -1},
        GOOD | {"max_batch": 2.0},
        GOOD | {"max_batch": True},
        GOOD | {"max_batch": "4"},
        GOOD | {"logits_dtype": "<f8"},
        GOOD | {"logits_dtype": "O"},
        GOOD | {"logits_dtype": ["<f4"]},
        GOOD | {"causal": 1},
    ],
)
def test_bad_terms_are_refused(script_channel: Any, value: object) -> None:
    with script_channel(saying(ready(value))) as channel, pytest.raises(GuestFailed) as caught:
        receive_ready(channel, deadline=time.monotonic() + 60)
    assert caught.value.code == "guest.bad_ready"


def test_terms_longer_than_the_limit_are_not_even_read(script_channel: Any) -> None:
    with script_channel(saying(ready(b" " * 4097))) as channel, pytest.raises(GuestFailed) as caught:
        receive_ready(channel, deadline=time.monotonic() + 60)
    assert caught.value.code == "guest.wrong_size"


SMALL_SHAPE = (1, 1, 1, 2, 4)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.tuples(
        st.sampled_from([MAGIC, b"WMC0"]),
        st.sampled_from([*map(int, Kind), 0, 65535]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.sampled_from([0, 31, 32, 36, 37, 1 << 63]),
    ),
    body=st.binary(max_size=64),
)
def test_any_bytes_are_a_valid_reply_or_a_named_error(script_channel: Any, head: Any, body: bytes) -> None:
    message = HEADER.pack(*head) + body
    logits, tokens = np.empty(SMALL_SHAPE, "<f4"), np.empty((1, 1, 1), "<u4")
    failure = None
    with script_channel(saying(message)) as channel:
        try:
            receive_logits(
                channel, logits, tokens, t=1, batch=1, spec=CHALLENGE, deadline=time.monotonic() + 60
            )
        except GuestFailed as error:
            failure = error.code
    if failure is None:
        assert head == (MAGIC, Kind.LOGITS, 1, 1, 36)
        assert np.isfinite(logits).all()
        assert tokens.max() < CHALLENGE.vocab
    else:
        assert failure.startswith("guest.")
