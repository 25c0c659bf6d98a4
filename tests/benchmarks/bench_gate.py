"""How much the gate costs: socket throughput, and a graded run against the same predictor in one process.

Run: python tests/benchmarks/bench_gate.py
"""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from harness.data.truth import RandomTruth
from harness.protocol import guest
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.host import Prediction, play
from harness.protocol.regimes import Regime
from harness.protocol.wire import SocketChannel
from harness.scoring.sheet import ScoreSheet

BATCH = 16
BATCHES = 4
CALL_S = 0.050
REGIME = Regime.TEMPORALLY_TEACHER_FORCED
TARGETS = REGIME.targets()


class Predictor:
    """Takes `call_s` per call, as a model on an accelerator would: the processor is free meanwhile."""

    max_batch = BATCH

    def __init__(self, call_s: float, logits_dtype: str) -> None:
        self.call_s = call_s
        self.logits_dtype = logits_dtype
        rng = np.random.default_rng(0)
        self.logits = rng.normal(size=(BATCH, 16, 16, 2, 512)).astype(logits_dtype)
        self.tokens = np.zeros((BATCH, 16, 16), np.uint32)

    def reset(self, batch: int) -> None:
        pass

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
        pass

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        time.sleep(self.call_s)
        return self.logits, self.tokens


@contextmanager
def guest_process(make: Callable[[], Predictor]) -> Iterator[SocketChannel]:
    """A guest in a process of its own."""
    ours, theirs = socket.socketpair()
    process = multiprocessing.get_context("fork").Process(target=_serve, args=(theirs, ours, make))
    process.start()
    theirs.close()
    with ours:
        yield SocketChannel(ours)
    process.join()


def _serve(theirs: socket.socket, ours: socket.socket, make: Callable[[], Predictor]) -> None:
    ours.close()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, guest.SEND_BUFFER_BYTES)
    guest._Session(theirs).run(make)


def through_the_gate(call_s: float, logits_dtype: str, *, score: bool) -> float:
    """Seconds for all batches, warm-up left out."""
    truth = RandomTruth(num_actions=28, rng=np.random.default_rng(0))
    batches = [np.arange(BATCH) + BATCH * number for number in range(BATCHES)]
    sheet = ScoreSheet(num_windows=BATCH * BATCHES, targets=TARGETS)
    sink = sheet.record if score else _ignore
    with guest_process(lambda: Predictor(call_s, logits_dtype)) as channel:
        talk = Conversation(channel=channel, regime=REGIME, limits=Limits())
        talk.greet({"joint_pos": 28}, ready_by=time.monotonic() + 60)
        play(talk, truth, batches[:1], _ignore)
        seconds = play(talk, truth, batches, sink).total_s
        talk.say_goodbye()
    return seconds


def in_one_process(call_s: float, logits_dtype: str, *, score: bool) -> float:
    """The same calls on the same batches, one after the other."""
    predictor = Predictor(call_s, logits_dtype)
    truth = RandomTruth(num_actions=28, rng=np.random.default_rng(0))
    sheet = ScoreSheet(num_windows=BATCH * BATCHES, targets=TARGETS)
    begin = time.monotonic()
    for number in range(BATCHES):
        windows_B = np.arange(BATCH) + BATCH * number
        predictor.reset(BATCH)
        for t in TARGETS:
            predictor.observe(truth.tokens_at(windows_B, t - 1), truth.actions_until(windows_B, t - 1))
            logits, tokens = predictor.predict()
            if score:
                target_BHW = truth.tokens_at(windows_B, t)
                sheet.record(
                    Prediction(
                        windows_B=windows_B,
                        t=t,
                        target_BHW=target_BHW,
                        logits_BHWFV=logits,
                        tokens_BHW=tokens,
                    )
                )
    return time.monotonic() - begin


def _ignore(_prediction: Prediction) -> None:
    pass


def through_a_bare_socket(reply_bytes: int, calls: int) -> float:
    """Seconds to move as many replies of this size between two processes, each asked for by one byte."""
    ours, theirs = socket.socketpair()
    process = multiprocessing.get_context("fork").Process(
        target=_pour, args=(theirs, ours, reply_bytes, calls)
    )
    process.start()
    theirs.close()
    buffer = memoryview(bytearray(reply_bytes))
    with ours:
        begin = time.monotonic()
        for _ in range(calls):
            ours.send(b"?")
            ours.recv_into(buffer, reply_bytes, socket.MSG_WAITALL)
        seconds = time.monotonic() - begin
    process.join()
    return seconds


def _pour(theirs: socket.socket, ours: socket.socket, reply_bytes: int, calls: int) -> None:
    ours.close()
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, guest.SEND_BUFFER_BYTES)
    reply = memoryview(b"x" * reply_bytes)  # written: untouched zeros would all be one page
    for _ in range(calls):
        theirs.recv(1)
        theirs.sendall(reply)


def best_of(times: int, measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(times))


def main() -> None:
    calls = BATCHES * len(TARGETS)
    for dtype in ("float32", "float16"):
        reply_bytes = BATCH * 256 * 2 * 512 * np.dtype(dtype).itemsize
        bare = best_of(3, lambda size=reply_bytes: through_a_bare_socket(size, calls))
        gated = best_of(3, lambda dtype=dtype: through_the_gate(0.0, dtype, score=False))
        total_gb = calls * reply_bytes / 1e9
        print(
            f"{dtype}: {total_gb / gated:.2f} GB/s through the gate, checked, not scored; "
            f"{total_gb / bare:.2f} GB/s through a bare socket; gate/bare = {gated / bare:.2f} in time"
        )
    for dtype in ("float32", "float16"):
        alone = best_of(3, lambda dtype=dtype: in_one_process(CALL_S, dtype, score=False))
        scored = best_of(3, lambda dtype=dtype: in_one_process(CALL_S, dtype, score=True))
        graded = best_of(3, lambda dtype=dtype: through_the_gate(CALL_S, dtype, score=True))
        print(
            f"{dtype}: {calls} calls of {CALL_S * 1e3:.0f} ms, batch {BATCH}: "
            f"predictor alone {alone:.3f} s, predictor and scoring in one process {scored:.3f} s, "
            f"graded {graded:.3f} s; graded/alone = {graded / alone:.3f}, graded/scored = {graded / scored:.3f}"
        )


if __name__ == "__main__":
    main()
