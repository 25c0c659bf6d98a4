"""The entrant's side of the context gate: hand `serve` a predictor and it answers the host.

This file stands alone (Python 3.8+, standard library and numpy), because the harness puts it on an entry's path as
the module `wmc_guest`. It also defines the stream's format, which the host imports from here.

A predictor is any object with these methods (B windows, H = W = 16, S = 15 raw rows, A action columns):

    reset(batch: int)                              a new batch of B windows begins; forget the last
    observe(frame_BHW uint32, actions_BSA float32) one more frame of context
    predict() -> (logits_BHWFV, tokens_BHW)        the next frame: [B,16,16,2,512] and [B,16,16] uint32

and, if it is a causal language model over raster order (`causal = true` in wmc.toml):

    predict_token() -> logits_BFV                  the next token: [B,2,512]
    observe_token(token_B uint32)                  the true one

It may set `max_batch` (most windows at once, default 64), `logits_dtype` ("float32" or "float16") and `causal`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from enum import IntEnum
from itertools import permutations
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

MAGIC = b"WMC1"
HEADER = struct.Struct("<4sHHIQ")  # magic, kind, t, batch, payload bytes
TEXT_LIMIT = 4096  # bytes of READY and FAILED
SOCKET_NAME = "gate.sock"
SEND_BUFFER_BYTES = 8 << 20  # fewer hand-overs between the processes; the kernel may allow less
LOGITS_DTYPES = ("<f4", "<f2")
NOTE = "wmc_guest: note: "  # begins a line of the entry's log that `wmc check` repeats


class Kind(IntEnum):
    """What a message is."""

    HELLO = 1  # host: JSON with the regime and the shapes
    RESET = 2  # host: uint32, the number of windows B
    OBSERVE = 3  # host: uint32 tokens_BHW, then float32 actions_BSA
    PREDICT = 4  # host: empty
    OBSERVE_TOKEN = 5  # host: uint32 token_B
    PREDICT_TOKEN = 6  # host: empty
    BYE = 7  # host: empty
    READY = 16  # guest: JSON with max_batch, logits_dtype, causal
    LOGITS = 17  # guest: logits, then (for PREDICT) uint32 tokens_BHW
    FAILED = 18  # guest: text


def serve(make_predictor: Callable[[], Any], argv: list[str] | None = None) -> None:
    """Answer the host until it says goodbye; without a gate in `--val_data_dir`, check against that clip instead.

    `make_predictor` is called without arguments; the predictor's class will do.
    """
    parser = argparse.ArgumentParser(description="Predict robot video for the 1X World Model Challenge.")
    parser.add_argument("--val_data_dir", type=Path, required=True, help="where the gate (or a clip) is")
    data_dir = parser.parse_args(argv).val_data_dir
    if (data_dir / SOCKET_NAME).exists():
        _answer_host(make_predictor, data_dir)
    else:
        _check_by_hand(make_predictor, data_dir)


def _answer_host(make_predictor: Callable[[], Any], gate: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        stream.connect(str(gate / SOCKET_NAME))
        _Session(stream).run(make_predictor)


def _check_by_hand(make_predictor: Callable[[], Any], clip: Path) -> NoReturn:
    """Let the grader's own host, in a second process, play an ordinary clip; it prints the scores."""
    with tempfile.TemporaryDirectory(prefix="wmc-") as gate:
        host = subprocess.Popen([sys.executable, "-m", "harness", "host", str(clip), "--gate", gate])
        while not (Path(gate) / SOCKET_NAME).exists():
            if host.poll() is not None:
                sys.exit(host.returncode)
            time.sleep(0.05)
        try:
            with contextlib.suppress(SystemExit):  # how the host ended is what counts
                _answer_host(make_predictor, Path(gate))
        finally:
            code = host.wait()
    sys.exit(code)


class _HostGoneError(Exception):
    """The host closed the connection."""


class _AnswerError(Exception):
    """A predictor answers in another form than it should; in words that need no traceback of this file."""


class _Session:
    """One connection: reads the host's messages in order and answers them."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.hello: dict[str, Any] = {}
        self.windows = 0
        self.logits_dtype = np.dtype("<f4")
        self.noted_double = False

    def run(self, make_predictor: Callable[[], Any]) -> None:
        try:
            self.hello = json.loads(self._receive()[-1])
            predictor = make_predictor()
            self._send(Kind.READY, 0, 0, json.dumps(self._terms(predictor)).encode())
            while self._answer(predictor):
                pass
        except (BrokenPipeError, ConnectionResetError, _HostGoneError):
            sys.exit("wmc_guest: the host closed the connection")
        except _AnswerError as error:
            self._tell(str(error))
            sys.stderr.write(f"wmc_guest: {error}\n")
            sys.exit(1)
        except Exception as error:
            self._tell(f"{type(error).__name__}: {error}")
            raise

    def _tell(self, failure: str) -> None:
        with contextlib.suppress(OSError):  # without a host, the log has to do
            self._send(Kind.FAILED, 0, 0, failure.encode("utf-8", "replace")[:TEXT_LIMIT])

    def _terms(self, predictor: Any) -> dict[str, Any]:
        logits_dtype = getattr(predictor, "logits_dtype", "float32")
        if logits_dtype not in ("float32", "float16"):
            raise _AnswerError(f"logits_dtype is {logits_dtype!r}; choose 'float32' or 'float16'")
        self.logits_dtype = np.dtype(logits_dtype).newbyteorder("<")
        return {
            "max_batch": int(getattr(predictor, "max_batch", 64)),
            "logits_dtype": self.logits_dtype.str,
            "causal": bool(getattr(predictor, "causal", False)),
        }

    def _answer(self, predictor: Any) -> bool:
        """Act on one message; False after the last."""
        kind, t, batch, payload = self._receive()
        if kind == Kind.RESET:
            (self.windows,) = struct.unpack("<I", payload)
            predictor.reset(self.windows)
        elif kind == Kind.OBSERVE:
            predictor.observe(*self._split_observation(payload))
        elif kind == Kind.PREDICT:
            self._send(Kind.LOGITS, t, batch, *self._checked_frame(predictor.predict()))
        elif kind == Kind.OBSERVE_TOKEN:
            predictor.observe_token(np.frombuffer(payload, "<u4"))
        elif kind == Kind.PREDICT_TOKEN:
            logits_BFV = self._checked_logits("predict_token", predictor.predict_token(), ())
            self._send(Kind.LOGITS, t, batch, logits_BFV)
        elif kind != Kind.BYE:
            raise RuntimeError(
                f"wmc_guest does not know message kind {kind}: the host is newer than this file"
            )
        return kind != Kind.BYE

    def _split_observation(self, payload: bytearray) -> tuple[np.ndarray, np.ndarray]:
        height, width, stride = self.hello["height"], self.hello["width"], self.hello["stride"]
        columns = sum(self.hello["action_widths"].values())
        values = np.frombuffer(payload, "<u4")
        split = self.windows * height * width
        frame_BHW = values[:split].reshape(self.windows, height, width)
        actions_BSA = values[split:].view("<f4").reshape(self.windows, stride, columns)
        return frame_BHW, actions_BSA

    def _checked_frame(self, prediction: Any) -> tuple[np.ndarray, np.ndarray]:
        if not isinstance(prediction, (tuple, list)) or len(prediction) != 2:
            raise _AnswerError(
                f"predict() returned {type(prediction).__name__}; expected a pair (logits, tokens)"
            )
        grid = (self.hello["height"], self.hello["width"])
        logits = _as_array("predict() returned logits", prediction[0])
        tokens = _as_array("predict() returned tokens", prediction[1])
        if tokens.shape == self._logits_shape(grid):
            raise _AnswerError("predict() returned (tokens, logits); expected the pair (logits, tokens)")
        logits_BHWFV = self._checked_logits("predict", logits, grid)
        return logits_BHWFV, self._checked_tokens(tokens, (self.windows, *grid))

    def _checked_tokens(self, tokens: np.ndarray, expected: tuple[int, ...]) -> np.ndarray:
        got = f"predict() returned tokens of shape {list(tokens.shape)} and type {tokens.dtype}"
        factors, factor_vocab, vocab = (self.hello[key] for key in ("factors", "factor_vocab", "vocab"))
        if sorted(tokens.shape) == sorted((*expected, factors)):
            advice = f"these are the factors of tokens: return factor_0 + {factor_vocab} * factor_1"
            raise _AnswerError(f"{got}; expected {list(expected)} of uint32: {advice}")
        if tokens.shape != expected:
            raise _AnswerError(
                f"{got}; expected {list(expected)} of uint32{_fitting(tokens.shape, expected)}"
            )
        if tokens.dtype.kind not in "iu":
            raise _AnswerError(f"{got}; expected uint32: return tokens.astype(np.uint32)")
        for extreme in (int(tokens.min()), int(tokens.max())):
            if not 0 <= extreme < vocab:
                mask = ", which 1X's code uses for masked positions: fill them all" * (extreme == vocab)
                raise _AnswerError(f"predict() returned the token {extreme}, outside [0, {vocab}){mask}")
        return np.ascontiguousarray(tokens, "<u4")

    def _checked_logits(self, method: str, logits: Any, grid: tuple[int, ...]) -> np.ndarray:
        logits, expected = _as_array(f"{method}() returned logits", logits), self._logits_shape(grid)
        got = f"{method}() returned logits of shape {list(logits.shape)} and type {logits.dtype}"
        name = self.logits_dtype.name
        if logits.shape != expected:
            advice = self._factored(logits.shape, grid) or _fitting(logits.shape, expected)
            raise _AnswerError(f"{got}; expected {list(expected)} of {name}{advice}")
        if logits.dtype.kind != "f":
            raise _AnswerError(f"{got}; expected {name}: what goes into a softmax")
        if logits.dtype.itemsize > 4 and not self.noted_double:
            self.noted_double = True
            sys.stderr.write(
                f"{NOTE}{method}() returns {logits.dtype}; it is sent as {name}: compute in that, it is faster\n"
            )
        return np.ascontiguousarray(logits, self.logits_dtype)

    def _factored(self, shape: tuple[int, ...], grid: tuple[int, ...]) -> str:
        """How logits of whole tokens become those of their factors; empty for others."""
        vocab, values = self.hello["vocab"], self.hello["factor_vocab"]
        if vocab not in shape:
            return ""
        moved = f"move the axis of {vocab} to the end, then: " if shape[-1] != vocab else ""
        axis = 1 + len(grid)
        return (
            f"; these are logits of whole tokens, and the loss is that of their two factors. {moved}"
            f"j = logits.reshape{(self.windows, *grid, values, values)} stands as [..., token // {values}, "
            f"token % {values}]; return np.stack([logsumexp(j, {axis}), logsumexp(j, {axis + 1})], {axis}) "
            "(scipy.special.logsumexp; torch.logsumexp and torch.stack), or predict the factors"
        )

    def _logits_shape(self, grid: tuple[int, ...]) -> tuple[int, ...]:
        return (self.windows, *grid, self.hello["factors"], self.hello["factor_vocab"])

    def _receive(self) -> tuple[int, int, int, bytearray]:
        magic, kind, t, batch, size = HEADER.unpack(self._read(HEADER.size))
        if magic != MAGIC:
            raise RuntimeError("wmc_guest lost its place in the stream; does something else read its socket?")
        return kind, t, batch, self._read(size)

    def _read(self, size: int) -> bytearray:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view.nbytes:
            count = self.stream.recv_into(view)
            if not count:
                raise _HostGoneError
            view = view[count:]
        return buffer

    def _send(self, kind: Kind, t: int, batch: int, *payload: Any) -> None:
        parts = [memoryview(part).cast("B") for part in payload]
        self.stream.sendall(HEADER.pack(MAGIC, kind, t, batch, sum(part.nbytes for part in parts)))
        for part in parts:
            self.stream.sendall(part)


def _as_array(what: str, value: Any) -> np.ndarray:
    """`value` for numpy, or words about what keeps numpy from reading it."""
    try:
        return np.asarray(value)
    except Exception as error:  # a foreign type raises what it likes: torch a TypeError or a RuntimeError
        if type(value).__module__.split(".")[0] != "torch":
            raise _AnswerError(f"{what} that numpy cannot read ({error})") from error
        raise _AnswerError(
            f"{what} as a torch tensor on {value.device} of {value.dtype}, which numpy cannot read: "
            f"return it as .detach(){'.float()' * value.is_floating_point()}.cpu().numpy()"
        ) from error


def _fitting(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What would bring an array into the expected shape; empty where that is anybody's guess."""
    if sorted(shape) == sorted(expected):
        order = next(
            order
            for order in permutations(range(len(shape)))
            if tuple(shape[axis] for axis in order) == expected
        )
        return f"; the axes stand in another order: .transpose{order} fits (torch: .permute{order})"
    for axis in range(len(shape)):
        if shape[:axis] + shape[axis + 1 :] == expected:
            return f"; axis {axis} is one too many: one frame is asked for, the next"
    if shape == expected[1:]:
        return "; the first axis is missing: reset(batch) says how many windows there are"
    if int(np.prod(shape)) == int(np.prod(expected)):
        return f"; .reshape{expected} fits, if the axes stand in that order"
    if shape[:1] != expected[:1] and shape[1:] == expected[1:]:
        return f"; the batch has {expected[0]} windows, as reset(batch) said"
    return ""
