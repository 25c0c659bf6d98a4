"""What a guest may answer, read by size and checked before anything else is revealed.

Every way an answer can be wrong is a GuestFailed with its own code; nothing here trusts a byte it has not checked.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import GuestFailed
from harness.protocol.guest import HEADER, LOGITS_DTYPES, MAGIC, TEXT_LIMIT, Kind
from harness.protocol.wire import Channel
from harness.spec import ChallengeSpec
from harness.text import printable

_LAST_WORDS_S = 1.0
_WRONG = {
    "magic": "guest.wrong_magic",
    "kind": "guest.wrong_kind",
    "t": "guest.wrong_t",
    "batch": "guest.wrong_batch",
    "size": "guest.wrong_size",
}
_CHUNK_BYTES = 1 << 20  # checked while it is still in the cache
_EXPONENTS = {"<f4": ("<u4", np.uint32(0x7F800000)), "<f2": ("<u2", np.uint16(0x7C00))}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What the guest asked for in READY.

    Attributes:
        max_batch: most windows it takes at once.
        logits_dtype: "<f4" or "<f2".
        causal: whether it answers token by token.
    """

    max_batch: int
    logits_dtype: str
    causal: bool


def receive_ready(channel: Channel, *, deadline: float) -> Terms:
    """The guest's terms, strictly checked."""
    size = _receive_header(channel, Kind.READY, 0, 0, deadline=deadline, max_size=TEXT_LIMIT)
    raw = _receive_bytes(channel, size, deadline)
    try:
        terms = json.loads(raw)
        parsed = Terms(
            max_batch=terms["max_batch"], logits_dtype=terms["logits_dtype"], causal=terms["causal"]
        )
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _bad_ready("READY is not a JSON object with max_batch, logits_dtype and causal") from error
    if type(parsed.max_batch) is not int or parsed.max_batch < 1:
        raise _bad_ready("max_batch is not a whole number of at least 1")
    if parsed.logits_dtype not in LOGITS_DTYPES or type(parsed.logits_dtype) is not str:
        raise _bad_ready(f"logits_dtype is none of {', '.join(LOGITS_DTYPES)}")
    if type(parsed.causal) is not bool:
        raise _bad_ready("causal is neither true nor false")
    return parsed


def receive_logits(
    channel: Channel,
    logits: NDArray[np.floating],
    tokens: NDArray[np.uint32] | None,
    *,
    t: int,
    batch: int,
    spec: ChallengeSpec,
    deadline: float,
) -> None:
    """Fill `logits` and, unless None, `tokens` (both contiguous) with one valid LOGITS reply."""
    size = logits.nbytes + (tokens.nbytes if tokens is not None else 0)
    _receive_header(channel, Kind.LOGITS, t, batch, deadline=deadline, exact_size=size)
    _receive_finite(channel, logits.reshape(-1), t, deadline)
    if tokens is None:
        return
    channel.receive_into(_bytes_of(tokens), deadline=deadline)
    if tokens.max() >= spec.vocab:
        raise GuestFailed(
            f"the entry predicted token {tokens.max()} for frame {t}; ids end at {spec.vocab - 1}",
            code="guest.token_out_of_range",
            fix=f"a token is factor_1 + {spec.factor_vocab} * factor_2, each factor in [0, {spec.factor_vocab})",
        )


def refuse_unsolicited(channel: Channel) -> None:
    """Raise GuestFailed if the guest has sent something it was not asked for; the report of an error is one."""
    if channel.has_unread():
        raise last_words(channel) or GuestFailed(
            "the entry sent a reply nobody asked for",
            code="guest.unsolicited",
            fix="answer each PREDICT once, after it came; wmc_guest.serve does this",
        )


def last_words(channel: Channel) -> GuestFailed | None:
    """The error that the guest reported before it went; None if it said nothing of the kind."""
    deadline = time.monotonic() + _LAST_WORDS_S
    try:
        magic, kind, _, _, size = HEADER.unpack(_receive_bytes(channel, HEADER.size, deadline))
        return _guest_exception(channel, size, deadline) if (magic, kind) == (MAGIC, Kind.FAILED) else None
    except GuestFailed:
        return None


def _receive_header(
    channel: Channel,
    kind: Kind,
    t: int,
    batch: int,
    *,
    deadline: float,
    exact_size: int | None = None,
    max_size: int = 0,
) -> int:
    """The payload size of a reply that is exactly of this kind, t and batch."""
    raw = _receive_bytes(channel, HEADER.size, deadline)
    got_magic, got_kind, got_t, got_batch, size = HEADER.unpack(raw)
    if got_magic != MAGIC:
        raise _wrong("magic", MAGIC, got_magic)
    if got_kind == Kind.FAILED:
        raise _guest_exception(channel, size, deadline)
    for what, expected, got in (("kind", int(kind), got_kind), ("t", t, got_t), ("batch", batch, got_batch)):
        if got != expected:
            raise _wrong(what, expected, got)
    if exact_size is not None and size != exact_size:
        raise _wrong("size", exact_size, size)
    if exact_size is None and size > max_size:
        raise _wrong("size", f"at most {max_size}", size)
    return int(size)


def _receive_finite(channel: Channel, values: NDArray[np.floating], t: int, deadline: float) -> None:
    step = _CHUNK_BYTES // values.itemsize
    for start in range(0, len(values), step):
        chunk = values[start : start + step]
        channel.receive_into(_bytes_of(chunk), deadline=deadline)
        if not _all_finite(chunk):
            raise GuestFailed(
                f"the entry's logits for frame {t} hold NaN or infinity",
                code="guest.not_finite",
                fix="use a large negative number, such as -1e4, where a value is impossible; "
                "float16 ends at 65,504",
            )


def _all_finite(values: NDArray[np.floating]) -> bool:
    """No exponent is all ones (IEEE 754); numpy's isfinite is 20 times slower on half precision."""
    bits_type, exponent = _EXPONENTS[values.dtype.str]
    return bool((values.view(bits_type) & exponent).max() < exponent)


def _receive_bytes(channel: Channel, size: int, deadline: float) -> bytes:
    buffer = bytearray(size)
    channel.receive_into(memoryview(buffer), deadline=deadline)
    return bytes(buffer)


def _bytes_of(array: NDArray[Any]) -> memoryview:
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # an array is a buffer; 3.10 can't say


def _wrong(what: str, expected: object, got: object) -> GuestFailed:
    return GuestFailed(
        f"the entry's reply has the wrong {what}: expected {expected!r}, got {got!r}",
        code=_WRONG[what],
        fix="answer through wmc_guest.serve, which keeps the format, and leave its socket alone",
    )


def _bad_ready(message: str) -> GuestFailed:
    return GuestFailed(
        message, code="guest.bad_ready", fix="let wmc_guest.serve send READY; set max_batch on the predictor"
    )


def _guest_exception(channel: Channel, size: int, deadline: float) -> GuestFailed:
    text = _receive_bytes(channel, min(size, TEXT_LIMIT), deadline).decode("utf-8", "replace")
    return GuestFailed(
        "the entry raised an exception, or gave what is no answer",
        code="guest.exception",
        fix="the entry's log ends with what went wrong: a traceback, or one line; `wmc check` shows it",
        guest_words=printable(text),
    )
