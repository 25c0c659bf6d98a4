"""What hostile entries share; it lies beside each of them as `kit.py`. Standard library, numpy and the guest's module.

Axes: B windows, H = W = 16, F = 2 factors of a token, V = 512 values of a factor.
"""

import errno
import json
import socket
import sys
import time

import numpy as np

import wmc_guest
from wmc_guest import HEADER, MAGIC, Kind

GATE = "/held_out/gate.sock"
STRIKE_AT = 3  # the frame at whose prediction a liar lies, in a batch that counts
_WARM_UP = 1  # the first batch is not scored
_BYTES_PER_TOKEN = 2
_TOKENS_PER_FRAME = 256


class Twin:
    """The innocent twin of every entry here: the next frame is the last one, with a little doubt."""

    max_batch = 4
    causal = False

    def reset(self, batch):
        self.last_BHW = np.zeros((batch, 16, 16), np.uint32)
        self.frames_seen = 0

    def observe(self, frame_BHW, actions_BSA):
        self.last_BHW = frame_BHW
        self.frames_seen += 1

    def predict(self):
        return likely(self.last_BHW), self.last_BHW


class Telling(Twin):
    """Predicts as its twin does, and says what it found in the one thing it may send: the tokens it predicts."""

    def __init__(self, findings):
        self.findings = findings

    def predict(self):
        logits_BHWFV, tokens_BHW = super().predict()
        return logits_BHWFV, spelled(self.findings, self.frames_seen - 1, len(tokens_BHW))


def likely(tokens_BHW, strength=6.0):
    """Logits that favour these tokens."""
    factors = np.stack([tokens_BHW % 512, tokens_BHW // 512], axis=-1)
    return np.where(np.arange(512) == factors[..., None], strength, 0).astype(np.float32)


def spelled(findings, index, windows):
    """The part number `index` of the findings as a frame of tokens, the same for each window."""
    raw = json.dumps(findings).encode()
    numbers = np.zeros(15 * _TOKENS_PER_FRAME, "<u2")
    raw = raw.ljust(-(-len(raw) // _BYTES_PER_TOKEN) * _BYTES_PER_TOKEN)[: numbers.nbytes]
    numbers[: len(raw) // _BYTES_PER_TOKEN] = np.frombuffer(raw, "<u2")
    frame = numbers.reshape(15, 16, 16)[index % 15].astype(np.uint32)
    return np.repeat(frame[None], windows, axis=0)


def tell(findings):
    """Answer the host as a twin that tells `findings`."""
    wmc_guest.serve(lambda: Telling(findings))


def tried(attempt, *arguments):
    """`worked`, or the name of the error that the attempt ended in."""
    try:
        attempt(*arguments)
    except socket.gaierror:
        return "unresolved"
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))
    return "worked"


class _Liar(wmc_guest._Session):
    def __init__(self, stream, lie):
        super().__init__(stream)
        self.lie = lie

    def _send(self, kind, t, batch, *payload):
        if kind == Kind.LOGITS and batch > _WARM_UP and t == STRIKE_AT:
            body = b"".join(bytes(memoryview(part).cast("B")) for part in payload)
            self.lie(self.stream, t, batch, body)
        else:
            super()._send(kind, t, batch, *payload)


def lie(how, predictor=Twin):
    """Answer as `predictor` does until the fourth frame of the first batch that counts; `how` sends that reply."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(GATE)
        _Liar(stream, how).run(predictor)


def reply(t, batch, body, *, magic=MAGIC, kind=Kind.LOGITS, size=None):
    """A reply's bytes, header and all."""
    return HEADER.pack(magic, kind, t, batch, len(body) if size is None else size) + body


def ready(stream, text=None):
    """Take the greeting and send READY, or another text in its place."""
    size = HEADER.unpack(exactly(stream, HEADER.size))[-1]
    exactly(stream, size)
    terms = {"max_batch": 4, "logits_dtype": "<f4", "causal": False}
    body = json.dumps(terms).encode() if text is None else text
    stream.sendall(reply(0, 0, body, kind=Kind.READY))


def exactly(stream, size):
    """The next `size` bytes."""
    received = b""
    while len(received) < size:
        received += stream.recv(size - len(received)) or sys.exit("the host is gone")
    return received


def sleep_for_ever():
    """Until somebody kills it."""
    while True:
        time.sleep(60)
