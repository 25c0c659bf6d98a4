"""One conversation with one guest: the greeting, questions with deadlines, and the goodbye."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import GuestFailed
from harness.protocol.guest import Kind
from harness.protocol.regimes import Regime
from harness.protocol.replies import Terms, last_words, receive_logits, receive_ready, refuse_unsolicited
from harness.protocol.wire import Channel
from harness.spec import CHALLENGE, ChallengeSpec

GATE_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a guest may take, in seconds, and how many windows the host holds at once.

    Attributes:
        start_s: from its start until READY.
        reply_s: for each single answer.
        regime_s: for all questions that count, as often as they are asked; warm-up and probe may take as long again,
            each.
        max_batch: windows in one batch, whatever the guest asks for.
    """

    start_s: float = 600.0
    reply_s: float = 300.0
    regime_s: float = 6 * 3600.0
    max_batch: int = 256


@dataclass(kw_only=True)
class Conversation:
    """Speaks to one guest in one regime.

    Attributes:
        terms: what the guest asked for, known after `greet`.
        batch: number of the batch that messages belong to; replies must carry it.
    """

    channel: Channel
    regime: Regime
    limits: Limits
    spec: ChallengeSpec = CHALLENGE
    terms: Terms = field(init=False)
    batch: int = field(init=False, default=0)
    _part_ends: float = field(init=False, default=math.inf)
    _part_s: float = field(init=False, default=math.inf)

    def greet(self, action_widths: Mapping[str, int], *, ready_by: float) -> Terms:
        """Say HELLO and wait for READY until `ready_by`, on the monotonic clock.

        Raises: GuestFailed.
        """
        hello = {
            **asdict(self.spec),
            "vocab": self.spec.vocab,
            "gate": GATE_VERSION,
            "regime": self.regime.value,
            "action_widths": dict(action_widths),
        }
        try:
            self.channel.send(Kind.HELLO, 0, 0, json.dumps(hello).encode(), deadline=ready_by)
            self.terms = receive_ready(self.channel, deadline=ready_by)
        except GuestFailed as error:
            if error.code == "guest.timeout":
                raise _late("was not ready", "start", self.limits.start_s) from error
            raise
        if self.regime is Regime.FULLY_TEACHER_FORCED and not self.terms.causal:
            raise GuestFailed(
                "wmc.toml declares causal = true, the predictor does not",
                code="guest.not_causal",
                fix="set causal = True on the predictor and write predict_token and observe_token, "
                "or set causal = false in wmc.toml",
            )
        return self.terms

    @property
    def max_batch(self) -> int:
        """The most windows at once that both sides can hold; known after `greet`."""
        return min(self.terms.max_batch, self.limits.max_batch)

    def begin(self, *, servings: int = 1) -> None:
        """A new part of the examination begins: it may take `limits.regime_s` for each serving of the windows."""
        self._part_s = servings * self.limits.regime_s
        self._part_ends = time.monotonic() + self._part_s

    def send(self, kind: Kind, t: int, *payload: Any) -> None:
        """Send one message of the current batch."""
        with self._on_time():
            try:
                self.channel.send(kind, t, self.batch, *payload, deadline=self._reply_by())
            except GuestFailed as error:
                said = last_words(self.channel) if error.code == "guest.closed" else None
                raise said or error from None

    def ask(
        self, kind: Kind, t: int, logits: NDArray[np.floating], tokens: NDArray[np.uint32] | None
    ) -> float:
        """Ask for a prediction and fill the buffers with a valid reply; returns its latency in seconds."""
        refuse_unsolicited(self.channel)
        self.send(kind, t)
        asked = time.monotonic()
        with self._on_time():
            receive_logits(
                self.channel,
                logits,
                tokens,
                t=t,
                batch=self.batch,
                spec=self.spec,
                deadline=self._reply_by(),
            )
        return time.monotonic() - asked

    def say_goodbye(self) -> None:
        """End the conversation; a reply that is still in the pipe is an error of the guest."""
        refuse_unsolicited(self.channel)
        self.send(Kind.BYE, 0)

    def _reply_by(self) -> float:
        return min(time.monotonic() + self.limits.reply_s, self._part_ends)

    @contextmanager
    def _on_time(self) -> Iterator[None]:
        """Say which limit a late answer broke."""
        try:
            yield
        except GuestFailed as error:
            if error.code != "guest.timeout":
                raise
            if time.monotonic() >= self._part_ends:
                raise _late("did not finish", "regime", self._part_s) from error
            raise _late("did not answer", "reply", self.limits.reply_s) from error


def _late(what: str, which: str, limit_s: float) -> GuestFailed:
    advice = (
        "load less or faster in __init__"
        if which == "start"
        else "predict faster, or in smaller batches (max_batch)"
    )
    return GuestFailed(
        f"the entry {what} within {limit_s:g} s, the limit for its {which}",
        code="guest.timeout",
        fix=f"{advice}; --{which}-timeout sets the limit",
    )
