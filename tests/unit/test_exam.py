"""One regime over a channel: what is asked, and whether cheating on the order shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.windows import Schedule
from harness.errors import DataInvalid
from harness.exam import Exam, Result, examine, set_exam
from harness.progress import Silent
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.regimes import Regime

TTF = Regime.TEMPORALLY_TEACHER_FORCED
LIMITS = Limits(start_s=10, reply_s=20, regime_s=120)


@pytest.fixture
def sit(guest_channel: Any) -> Callable[..., Result]:
    def run(exam: Exam, make_predictor: Any, regime: Regime = TTF, limits: Limits = LIMITS) -> Result:
        with guest_channel(make_predictor) as channel:
            conversation = Conversation(channel=channel, regime=regime, limits=limits)
            return examine(conversation, exam, ready_by=time.monotonic() + limits.start_s, progress=Silent())

    return run


@pytest.fixture
def exam(make_clip: Callable[..., Path]) -> Exam:
    return set_exam(make_clip((226,) * 10), Schedule.DISJOINT, seed=5)


@pytest.mark.parametrize("regime", Regime)
def test_an_honest_guest_is_scored_and_clean(
    make_clip: Callable[..., Path], sit: Any, last_frame: type, regime: Regime
) -> None:
    result = sit(set_exam(make_clip((226,) * 4), Schedule.DISJOINT, seed=5), last_frame, regime)
    assert result.scores.windows == 4
    assert 0 < result.scores.token_accuracy < 1
    assert len(result.scores.loss_by_frame) == len(regime.targets())
    assert result.batch == 3
    assert not result.state_probe.carried_state
    assert result.state_probe.largest_change == 0


def test_the_same_seed_gives_the_same_grade(exam: Exam, sit: Any, last_frame: type) -> None:
    first, second = sit(exam, last_frame), sit(exam, last_frame)
    assert first.scores == second.scores
    assert first.state_probe == second.state_probe


def test_the_hosts_limit_on_the_batch_is_kept(exam: Exam, sit: Any, last_frame: type) -> None:
    batches = []

    class Greedy(last_frame):  # type: ignore[misc]
        max_batch = 1000

        def reset(self, batch: int) -> None:
            batches.append(batch)
            super().reset(batch)

    result = sit(exam, Greedy, limits=Limits(start_s=10, reply_s=20, regime_s=120, max_batch=4))
    assert max(batches) == result.batch == 4


def test_a_guest_that_remembers_revealed_truth_gains_nothing_and_is_flagged(
    make_clip: Callable[..., Path], sit: Any, last_frame: type
) -> None:
    """Controls: the reveal order, and the state probe. The first serving cannot profit; the second does, and shows."""
    exam = set_exam(make_clip((226,) * 10, hold=1), Schedule.DISJOINT, seed=5)

    class Remembers(last_frame):  # type: ignore[misc]
        followers: dict[bytes, np.ndarray] = {}  # noqa: RUF012 - survives reset, which is the point

        def reset(self, batch: int) -> None:
            super().reset(batch)
            self.before: np.ndarray | None = None

        def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
            if self.before is not None:
                for old, new in zip(self.before, frame_BHW, strict=True):
                    self.followers[old.tobytes()] = new
            self.before = frame_BHW
            super().observe(frame_BHW, actions_BSA)

        def predict(self) -> Any:
            guess = np.stack([self.followers.get(frame.tobytes(), frame) for frame in self.frame_BHW])
            self.frame_BHW = guess
            return super().predict()

    honest, cheating = sit(exam, last_frame), sit(exam, Remembers)
    assert cheating.state_probe.carried_state
    assert cheating.scores.loss == pytest.approx(honest.scores.loss, abs=1e-9)


def test_a_guest_that_fails_only_while_it_is_probed_keeps_its_scores(
    exam: Exam, sit: Any, last_frame: type
) -> None:
    class Tires(last_frame):  # type: ignore[misc]
        served = 0

        def reset(self, batch: int) -> None:
            super().reset(batch)
            Tires.served += 1
            if Tires.served > 1 + 4:  # the warm-up, and all ten windows by threes
                raise RuntimeError("enough")

    honest, tired = sit(exam, last_frame), sit(exam, Tires)
    assert tired.scores == honest.scores
    assert tired.state_probe.failure == "guest.exception"


def test_a_guest_that_looks_at_its_batch_neighbours_is_flagged(
    exam: Exam, sit: Any, last_frame: type
) -> None:
    class Averages(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            logits, tokens = super().predict()
            return np.broadcast_to(logits.mean(axis=0), logits.shape), tokens

    assert sit(exam, Averages).state_probe.depends_on_neighbours


def test_the_warm_up_shows_nothing_of_the_clip(exam: Exam, sit: Any, last_frame: type) -> None:
    seen: list[np.ndarray] = []

    class Watches(last_frame):  # type: ignore[misc]
        def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
            seen.append(frame_BHW.copy())
            super().observe(frame_BHW, actions_BSA)

    sit(exam, Watches)
    known = {frame.tobytes() for frame in exam.clip.tokens_NHW}
    warm_up, first_scored = seen[:15], seen[15]
    assert not any(frame.tobytes() in known for batch in warm_up for frame in batch)
    assert all(frame.tobytes() in known for frame in first_scored)


def test_disjoint_windows_do_not_leak_and_upstreams_do(make_clip: Callable[..., Path]) -> None:
    clip = make_clip((700, 226))
    assert not set_exam(clip, Schedule.DISJOINT, seed=0).order_leaks
    assert set_exam(clip, Schedule.UPSTREAM, seed=0).order_leaks


def test_upstream_windows_of_the_public_val_split_do_not_leak(make_clip: Callable[..., Path]) -> None:
    assert not set_exam(make_clip((226,) * 5), Schedule.UPSTREAM, seed=0).order_leaks


def test_a_clip_without_a_window_is_a_clear_error(make_clip: Callable[..., Path]) -> None:
    with pytest.raises(DataInvalid, match="at least 226") as caught:
        set_exam(make_clip((225, 100)), Schedule.DISJOINT, seed=0)
    assert caught.value.code == "data.no_window"
