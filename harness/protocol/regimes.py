"""The three regimes: what the guest has seen when it predicts, as a script of moves.

A script is the whole story of one batch. Whoever plays it in order keeps the gate: a frame is revealed by a move
that stands after the move in which it was predicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from harness.spec import CHALLENGE, ChallengeSpec


class Regime(str, Enum):
    """What a prediction is conditioned on."""

    FULLY_AUTOREGRESSIVE = "fully_autoregressive"
    TEMPORALLY_TEACHER_FORCED = "temporally_teacher_forced"
    FULLY_TEACHER_FORCED = "fully_teacher_forced"

    @property
    def in_words(self) -> str:
        """As it is written in prose."""
        return self.value.replace("_", " ").replace("teacher forced", "teacher-forced")

    def first_target(self, spec: ChallengeSpec = CHALLENGE) -> int:
        """The first frame of a window that is predicted."""
        return spec.prompt_frames if self is Regime.FULLY_AUTOREGRESSIVE else 1

    def targets(self, spec: ChallengeSpec = CHALLENGE) -> range:
        """The frames of a window that are predicted."""
        return range(self.first_target(spec), spec.window)


DISCLOSURE_ORDER = (
    Regime.FULLY_AUTOREGRESSIVE,
    Regime.TEMPORALLY_TEACHER_FORCED,
    Regime.FULLY_TEACHER_FORCED,
)
"""The least disclosing first, so that nothing seen in one regime answers a question of a later one."""


class Action(str, Enum):
    """One kind of move."""

    OBSERVE = "observe"
    OBSERVE_OWN = "observe_own"
    PREDICT = "predict"
    PREDICT_TOKEN = "predict_token"
    OBSERVE_TOKEN = "observe_token"


@dataclass(frozen=True, kw_only=True)
class Move:
    """`action` on frame `t` of the window, for token moves at `position` in raster order."""

    action: Action
    t: int
    position: int = 0


def script(regime: Regime, spec: ChallengeSpec = CHALLENGE) -> Iterator[Move]:
    """The moves of one batch, in order."""
    first = regime.first_target(spec)
    for t in range(first):
        yield Move(action=Action.OBSERVE, t=t)
    for t in regime.targets(spec):
        if regime is Regime.FULLY_TEACHER_FORCED:
            yield from _token_by_token(t, spec)
            continue
        yield Move(action=Action.PREDICT, t=t)
        if t + 1 < spec.window:
            own = regime is Regime.FULLY_AUTOREGRESSIVE
            yield Move(action=Action.OBSERVE_OWN if own else Action.OBSERVE, t=t)


def _token_by_token(t: int, spec: ChallengeSpec) -> Iterator[Move]:
    for position in range(spec.tokens_per_frame):
        yield Move(action=Action.PREDICT_TOKEN, t=t, position=position)
        if (t, position) != (spec.window - 1, spec.tokens_per_frame - 1):
            yield Move(action=Action.OBSERVE_TOKEN, t=t, position=position)
