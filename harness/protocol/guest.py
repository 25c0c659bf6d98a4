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

import argparse
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from enum import IntEnum
from pathlib import Path

import numpy as np

MAGIC = b"WMC1"
HEADER = struct.Struct("<4sHHIQ")  # magic, kind, t, batch, payload bytes
TEXT_LIMIT = 4096  # bytes of READY and FAILED
SOCKET_NAME = "gate.sock"
LOGITS_DTYPES = ("<f4", "<f2")


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


def serve(make_predictor, argv=None):
    """Answer the host until it says goodbye; without a gate in `--val_data_dir`, check against that data instead.

    `make_predictor` is called without arguments; the predictor's class will do.
    """
    parser = argparse.ArgumentParser(description="Predict robot video for the 1X World Model Challenge.")
    parser.add_argument("--val_data_dir", type=Path, required=True, help="where the gate (or a clip) is")
    data_dir = parser.parse_args(argv).val_data_dir
    if (data_dir / SOCKET_NAME).exists():
        _Session(_connect(data_dir / SOCKET_NAME)).run(make_predictor)
    else:
        _check_by_hand(make_predictor, data_dir)


class _Session:
    """One connection: reads the host's messages in order and answers them."""

    def __init__(self, stream):
        self.stream = stream
        self.hello = {}
        self.windows = 0

    def run(self, make_predictor):
        try:
            self.hello = json.loads(self._expect(Kind.HELLO))
            predictor = make_predictor()
            self.logits_dtype = np.dtype(getattr(predictor, "logits_dtype", "float32")).newbyteorder("<")
            ready = {
                "max_batch": int(getattr(predictor, "max_batch", 64)),
                "logits_dtype": self.logits_dtype.str,
                "causal": bool(getattr(predictor, "causal", False)),
            }
            self._send(Kind.READY, 0, 0, json.dumps(ready).encode())
            while self._answer(predictor):
                pass
        except (BrokenPipeError, ConnectionResetError, _HostGone):
            sys.exit("wmc_guest: the host closed the connection")
        except Exception as error:
            self._report(error)
            raise

    def _answer(self, predictor):
        kind, t, batch, payload = self._receive()
        if kind == Kind.RESET:
            (self.windows,) = struct.unpack("<I", payload)
            predictor.reset(self.windows)
        elif kind == Kind.OBSERVE:
            predictor.observe(*self._split_observation(payload))
        elif kind == Kind.PREDICT:
            logits, tokens = predictor.predict()
            self._send(Kind.LOGITS, t, batch, *self._check_frame(logits, tokens))
        elif kind == Kind.OBSERVE_TOKEN:
            predictor.observe_token(np.frombuffer(payload, "<u4"))
        elif kind == Kind.PREDICT_TOKEN:
            self._send(Kind.LOGITS, t, batch, self._check_logits("predict_token", predictor.predict_token(), ()))
        elif kind != Kind.BYE:
            raise RuntimeError("wmc_guest does not know message kind %r: the host is newer than this file" % kind)
        return kind != Kind.BYE

    def _split_observation(self, payload):
        height, width, stride = self.hello["height"], self.hello["width"], self.hello["stride"]
        frame_bytes = 4 * self.windows * height * width
        frame_BHW = np.frombuffer(payload[:frame_bytes], "<u4").reshape(self.windows, height, width)
        actions_BSA = np.frombuffer(payload[frame_bytes:], "<f4").reshape(self.windows, stride, -1)
        return frame_BHW, actions_BSA

    def _check_frame(self, logits, tokens):
        grid = (self.hello["height"], self.hello["width"])
        logits = self._check_logits("predict", logits, grid)
        tokens = np.asarray(tokens)
        if tokens.shape != (self.windows, *grid) or tokens.dtype.kind not in "iu":
            raise ValueError(
                "predict() returned tokens of shape %s and type %s; expected %s of uint32"
                % (list(tokens.shape), tokens.dtype, [self.windows, *grid])
            )
        if tokens.size and not 0 <= int(tokens.min()) <= int(tokens.max()) < self.hello["vocab"]:
            raise ValueError("predict() returned a token outside [0, %d)" % self.hello["vocab"])
        return logits, np.ascontiguousarray(tokens, "<u4")

    def _check_logits(self, method, logits, grid):
        logits = np.asarray(logits)
        expected = (self.windows, *grid, self.hello["factors"], self.hello["factor_vocab"])
        if logits.shape != expected or logits.dtype.kind != "f":
            raise ValueError(
                "%s() returned logits of shape %s and type %s; expected %s of %s"
                % (method, list(logits.shape), logits.dtype, list(expected), self.logits_dtype.name)
            )
        return np.ascontiguousarray(logits, self.logits_dtype)

    def _report(self, error):
        text = "%s: %s" % (type(error).__name__, error)
        try:
            self._send(Kind.FAILED, 0, 0, text.encode("utf-8", "replace")[:TEXT_LIMIT])
        except OSError:
            pass  # the host is gone; the traceback in the log has to do

    def _expect(self, kind):
        received, _, _, payload = self._receive()
        if received != kind:
            raise RuntimeError("wmc_guest expected message kind %r and got %r" % (kind, received))
        return payload

    def _receive(self):
        magic, kind, t, batch, size = HEADER.unpack(self._read(HEADER.size))
        if magic != MAGIC:
            raise RuntimeError("wmc_guest lost its place in the stream")
        return kind, t, batch, self._read(size)

    def _read(self, size):
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view.nbytes:
            count = self.stream.recv_into(view)
            if not count:
                raise _HostGone
            view = view[count:]
        return buffer

    def _send(self, kind, t, batch, *payload):
        payload = [memoryview(part).cast("B") for part in payload if memoryview(part).nbytes]
        size = sum(part.nbytes for part in payload)
        self.stream.sendall(HEADER.pack(MAGIC, kind, t, batch, size))
        for part in payload:
            self.stream.sendall(part)


class _HostGone(Exception):
    pass


def _connect(path):
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.connect(str(path))
    return stream


def _check_by_hand(make_predictor, data_dir):
    """Play the grader's own host, in a second process, from an ordinary clip; it prints the scores."""
    with tempfile.TemporaryDirectory(prefix="wmc-") as gate:
        command = [sys.executable, "-m", "harness", "host", str(data_dir), "--gate", gate]
        host = subprocess.Popen(command)
        try:
            while not os.path.exists(os.path.join(gate, SOCKET_NAME)):
                if host.poll() is not None:
                    sys.exit(host.returncode)
                time.sleep(0.05)
            _Session(_connect(os.path.join(gate, SOCKET_NAME))).run(make_predictor)
        finally:
            code = host.wait()
        sys.exit(code)
