"""The context gate: a frame is revealed only after its prediction has been committed.

The host plays a regime's script, batch by batch. A reply is copied into a buffer of ours, validated and committed
before the next move is sent; it is scored in a second thread while the guest computes on.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import cycle
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data.tokens import unfactorize
from harness.protocol.conversation import Conversation
from harness.protocol.guest import Kind
from harness.protocol.log_softmax import LogSoftmax, log_softmax
from harness.protocol.regimes import Action, Move, script

_FRAMES_IN_FLIGHT = 2  # one being scored, one being received


class Truth(Protocol):
    """Where the host's frames come from; windows are named by index."""

    @property
    def num_actions(self) -> int:
        """Action columns (A)."""
        ...

    def tokens_at(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.uint32]:
        """Frame t of these windows: uint32 `[B, H, W]`."""
        ...

    def actions_until(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.float32]:
        """The raw actions up to and including frame t: float32 `[B, S, A]`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One committed prediction; the arrays are valid only until the call they are passed to returns.

    Attributes:
        windows_B: indices of the windows.
        t: the frame of the window that was predicted.
        target_BHW: the truth, uint32.
        logits_BHWFV: the guest's, float32 or float16, finite.
        tokens_BHW: the guest's, uint32 in [0, vocab).
    """

    windows_B: NDArray[np.int64]
    t: int
    target_BHW: NDArray[np.uint32]
    logits_BHWFV: NDArray[np.floating]
    tokens_BHW: NDArray[np.uint32]

    @cached_property
    def log_softmax(self) -> LogSoftmax:
        """Of the logits, their axes B, H, W and F as one; made once for all who score the prediction."""
        return log_softmax(self.logits_BHWFV)


Sink = Callable[[Prediction], None]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long the guest took, on the host's clock.

    Attributes:
        total_s: from the first RESET to the last LOGITS, without gaps.
        frames: predicted in that time, over all windows.
        replies_s: latency of every reply, PREDICT sent to LOGITS received, `[R]`.
    """

    total_s: float
    frames: int
    replies_s: NDArray[np.float64]

    @property
    def seconds_per_frame(self) -> float:
        """Seconds per predicted frame of one window."""
        return self.total_s / self.frames


def play(
    conversation: Conversation, truth: Truth, batches: Sequence[NDArray[np.int64]], sink: Sink
) -> Timing:
    """Play every batch of window indices in order; `sink` gets each committed prediction, in a second thread.

    Raises: GuestFailed, and whatever `sink` raises.
    """
    spec = conversation.spec
    replies_s: list[float] = []
    grid = (max(map(len, batches)), spec.height, spec.width)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="scoring") as scorer:
        buffers = [
            _FrameBuffer(
                logits_BHWFV=np.zeros(
                    (*grid, spec.factors, spec.factor_vocab), conversation.terms.logits_dtype
                ),
                tokens_BHW=np.zeros(grid, "<u4"),
                scorer=scorer,
            )
            for _ in range(_FRAMES_IN_FLIGHT)
        ]
        next_buffer = cycle(buffers).__next__
        begin = time.monotonic()
        for windows_B in batches:
            conversation.batch += 1
            batch = _Batch(conversation, truth, windows_B, sink, replies_s, next_buffer)
            batch.play()
        end = time.monotonic()
        for buffer in buffers:
            buffer.wait()
    frames = sum(map(len, batches)) * len(conversation.regime.targets(spec))
    return Timing(total_s=end - begin, frames=frames, replies_s=np.array(replies_s))


@dataclass(kw_only=True)
class _FrameBuffer:
    """Room for one frame's reply, and the scoring that may still read it."""

    logits_BHWFV: NDArray[np.floating]
    tokens_BHW: NDArray[np.uint32]
    scorer: ThreadPoolExecutor
    scoring: Future[None] | None = None

    def wait(self) -> None:
        """Return when nobody reads the buffer; an error of the scoring surfaces here."""
        if self.scoring is not None:
            self.scoring.result()

    def score(self, sink: Sink, prediction: Prediction) -> None:
        self.scoring = self.scorer.submit(sink, prediction)


@dataclass
class _Batch:
    """One batch, from RESET to its last prediction."""

    conversation: Conversation
    truth: Truth
    windows_B: NDArray[np.int64]
    sink: Sink
    replies_s: list[float]
    next_buffer: Callable[[], _FrameBuffer]
    buffer: _FrameBuffer = field(init=False)

    def play(self) -> None:
        moves = {
            Action.OBSERVE: self._observe,
            Action.OBSERVE_OWN: self._observe_own,
            Action.PREDICT: self._predict,
            Action.PREDICT_TOKEN: self._predict_token,
            Action.OBSERVE_TOKEN: self._observe_token,
        }
        self.conversation.send(Kind.RESET, 0, struct.pack("<I", len(self.windows_B)))
        for move in script(self.conversation.regime, self.conversation.spec):
            moves[move.action](move)

    def _observe(self, move: Move) -> None:
        tokens_BHW = self.truth.tokens_at(self.windows_B, move.t)
        self._show(move.t, tokens_BHW, self.truth.actions_until(self.windows_B, move.t))

    def _observe_own(self, move: Move) -> None:
        shape = (len(self.windows_B), self.conversation.spec.stride, self.truth.num_actions)
        self._show(move.t, self._own_tokens, np.zeros(shape, np.float32))

    def _show(self, t: int, tokens_BHW: NDArray[np.uint32], actions_BSA: NDArray[np.float32]) -> None:
        payload = np.ascontiguousarray(tokens_BHW, "<u4"), np.ascontiguousarray(actions_BSA, "<f4")
        self.conversation.send(Kind.OBSERVE, t, *payload)

    def _predict(self, move: Move) -> None:
        self._take_buffer()
        latency_s = self.conversation.ask(Kind.PREDICT, move.t, self._logits, self._own_tokens)
        self.replies_s.append(latency_s)
        self._commit(move.t)

    def _predict_token(self, move: Move) -> None:
        if move.position == 0:
            self._take_buffer()
        row, column = divmod(move.position, self.conversation.spec.width)
        logits_BFV = np.empty_like(self._logits[:, row, column], order="C")
        self.replies_s.append(
            self.conversation.ask(Kind.PREDICT_TOKEN, self._token_index(move), logits_BFV, None)
        )
        self._logits[:, row, column] = logits_BFV
        if move.position + 1 == self.conversation.spec.tokens_per_frame:
            self._own_tokens[:] = unfactorize(self._logits.argmax(-1), self.conversation.spec)
            self._commit(move.t)

    def _observe_token(self, move: Move) -> None:
        row, column = divmod(move.position, self.conversation.spec.width)
        token_B = self.truth.tokens_at(self.windows_B, move.t)[:, row, column]
        self.conversation.send(
            Kind.OBSERVE_TOKEN, self._token_index(move), np.ascontiguousarray(token_B, "<u4")
        )

    def _token_index(self, move: Move) -> int:
        return move.t * self.conversation.spec.tokens_per_frame + move.position

    @property
    def _logits(self) -> NDArray[np.floating]:
        return self.buffer.logits_BHWFV[: len(self.windows_B)]

    @property
    def _own_tokens(self) -> NDArray[np.uint32]:
        return self.buffer.tokens_BHW[: len(self.windows_B)]

    def _take_buffer(self) -> None:
        self.buffer = self.next_buffer()
        self.buffer.wait()

    def _commit(self, t: int) -> None:
        prediction = Prediction(
            windows_B=self.windows_B,
            t=t,
            target_BHW=self.truth.tokens_at(self.windows_B, t),
            logits_BHWFV=self._logits,
            tokens_BHW=self._own_tokens,
        )
        self.buffer.score(self.sink, prediction)
