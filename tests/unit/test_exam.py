"""One regime over a channel: what is asked, and whether cheating on the order shows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.clips import ACTION_WIDTHS, write_clip
from harness.data.windows import Schedule, serving_order
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


AR = Regime.FULLY_AUTOREGRESSIVE


@pytest.fixture
def two_rounds(make_clip: Callable[..., Path]) -> Callable[[int], Exam]:
    """Exams of segments that hold one window and two."""
    clip = make_clip((452, 226, 452))
    return lambda samples: set_exam(clip, Schedule.DISJOINT, seed=5, samples=samples)


def test_several_draws_leave_the_first_ones_figures_as_they_are(
    two_rounds: Callable[[int], Exam], sit: Any, last_frame: type
) -> None:
    once, thrice = (sit(two_rounds(samples), last_frame, AR) for samples in (1, 3))
    assert (len(once.sheets), len(thrice.sheets)) == (1, 3)
    assert (thrice.scores, thrice.state_probe, thrice.batch) == (once.scores, once.state_probe, once.batch)
    assert thrice.timing.frames == 3 * once.timing.frames == 3 * 5 * 8
    for sheet in thrice.sheets:
        np.testing.assert_array_equal(sheet.tokens_BTHW, once.sheets[0].tokens_BTHW)
        np.testing.assert_array_equal(sheet.nats_BTHW, once.sheets[0].nats_BTHW)


def test_draws_of_an_entry_that_draws_at_random_differ(
    two_rounds: Callable[[int], Exam], sit: Any, last_frame: type
) -> None:
    class Draws(last_frame):  # type: ignore[misc]
        rng = np.random.default_rng(0)

        def predict(self) -> Any:
            logits, tokens = super().predict()
            return logits, self.rng.integers(1 << 18, size=tokens.shape, dtype=np.uint32)

    first, second = sit(two_rounds(2), Draws, AR).sheets
    assert (first.tokens_BTHW != second.tokens_BTHW).any(axis=(1, 2, 3)).all()


def test_only_the_fully_autoregressive_regime_is_asked_several_times(
    two_rounds: Callable[[int], Exam], sit: Any, last_frame: type
) -> None:
    """Control: `Exam.draws`. In the other regimes a second serving is asked for what the first one revealed."""
    result = sit(two_rounds(3), last_frame, TTF)
    assert len(result.sheets) == 1
    assert result.timing.frames == 5 * 15


def test_several_draws_do_not_leak(two_rounds: Callable[[int], Exam]) -> None:
    assert not two_rounds(3).order_leaks


@pytest.mark.parametrize("controlled", [True, False])
def test_a_guest_that_remembers_prompts_knows_no_answer_in_a_later_draw(
    tmp_path: Path, sit: Any, last_frame: type, monkeypatch: pytest.MonkeyPatch, controlled: bool
) -> None:
    """Control: a round's draws come before the next round. Without it a later prompt begins where this window ends."""

    class Remembers(last_frame):  # type: ignore[misc]
        prompts: dict[int, set[bytes]] = {}  # noqa: RUF012 - survives reset, which is the point

        def reset(self, batch: int) -> None:
            super().reset(batch)
            self.mine: list[bytes] = []

        def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
            super().observe(frame_BHW, actions_BSA)
            if not self.mine:
                self.mine = [frame.tobytes() for frame in frame_BHW]
                for frame, content in zip(frame_BHW, self.mine, strict=True):
                    self.prompts.setdefault(int(frame[0, 0]), set()).add(content)

        def predict(self) -> Any:
            self.frame_BHW = self.frame_BHW.copy()
            for window, content in enumerate(self.mine):
                others = self.prompts.get(int(self.frame_BHW[window, 0, 0]), set()) - {content}
                for other in others:
                    self.frame_BHW[window] = np.frombuffer(other, "<u4").reshape(16, 16)
            return super().predict()

    Remembers.prompts.clear()
    exam = set_exam(_named_segments(tmp_path / "named"), Schedule.DISJOINT, seed=5, samples=2)
    if not controlled:
        monkeypatch.setattr(Exam, "batches", _one_draw_after_another)
    rounds_B = exam.truth.starts % 452 // 226
    in_rounds = [sheet.correct_BTHW[:, -1].all(axis=(1, 2)) for sheet in sit(exam, Remembers, AR).sheets]
    first_windows = [correct_B[rounds_B == 0].all() for correct_B in in_rounds]
    assert first_windows == ([False, False] if controlled else [False, True])


def _named_segments(folder: Path) -> Path:
    """Four segments of two windows; the first token of each frame names its segment, the rest changes."""
    rng = np.random.default_rng(0)
    tokens_NHW = np.repeat(rng.integers(1 << 18, size=(4 * 23, 16, 16), dtype=np.uint32), 20, axis=0)
    tokens_NHW = tokens_NHW.reshape(4, 460, 16, 16)[:, :452].reshape(-1, 16, 16)
    segment_ids_N = np.repeat(np.arange(4, dtype=np.int32), 452)
    tokens_NHW[:, 0, 0] = segment_ids_N
    actions = {key: np.zeros((len(tokens_NHW), width)) for key, width in ACTION_WIDTHS.items()}
    write_clip(
        folder, tokens_NHW=tokens_NHW, segment_ids_N=segment_ids_N, actions=actions, tokenizer_ckpt="none"
    )
    return folder


def _one_draw_after_another(
    exam: Exam, regime: Regime, max_batch: int, rng: np.random.Generator
) -> list[np.ndarray]:
    once = serving_order(exam.truth.starts, exam.segments, max_batch=max_batch, rng=rng)
    return [batch + draw * exam.num_windows for draw in range(exam.draws(regime)) for batch in once]


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
