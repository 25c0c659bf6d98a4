"""Scripts of regimes: their length, and the gate they keep."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.protocol.regimes import DISCLOSURE_ORDER, Action, Move, Regime, script
from harness.spec import CHALLENGE


def index_of(moves: list[Move], action: Action, t: int, position: int = 0) -> int:
    return moves.index(Move(action=action, t=t, position=position))


@pytest.mark.parametrize("regime", Regime)
def test_a_frame_is_revealed_only_after_its_prediction(regime: Regime) -> None:
    moves = list(script(regime))
    reveals = {Action.OBSERVE: Action.PREDICT, Action.OBSERVE_TOKEN: Action.PREDICT_TOKEN}
    for number, move in enumerate(moves):
        if move.action in reveals and move.t in regime.targets():
            assert index_of(moves, reveals[move.action], move.t, move.position) < number


@pytest.mark.parametrize("regime", Regime)
def test_every_target_is_predicted_once(regime: Regime) -> None:
    asked = Counter(move.t for move in script(regime) if "predict" in move.action.value)
    per_frame = CHALLENGE.tokens_per_frame if regime is Regime.FULLY_TEACHER_FORCED else 1
    assert asked == dict.fromkeys(regime.targets(), per_frame)


def test_autoregression_reveals_the_prompt_and_then_nothing() -> None:
    moves = list(script(Regime.FULLY_AUTOREGRESSIVE))
    assert [move.t for move in moves if move.action is Action.OBSERVE] == list(range(CHALLENGE.prompt_frames))
    assert [move.t for move in moves if move.action is Action.OBSERVE_OWN] == list(range(8, 15))


def test_the_last_frame_is_never_revealed() -> None:
    for regime in Regime:
        assert not [move for move in script(regime) if move.action is Action.OBSERVE and move.t == 15]
    last = list(script(Regime.FULLY_TEACHER_FORCED))[-1]
    assert last == Move(action=Action.PREDICT_TOKEN, t=15, position=255)


def test_the_least_disclosing_regime_goes_first() -> None:
    assert DISCLOSURE_ORDER[0] is Regime.FULLY_AUTOREGRESSIVE
    assert DISCLOSURE_ORDER[-1] is Regime.FULLY_TEACHER_FORCED
