"""The context gate: what goes over the wire, and when."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.clips import Clip, open_clip
from harness.data.truth import ClipTruth
from harness.data.windows import Schedule, find_segments, window_starts
from harness.errors import GuestFailed
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.guest import HEADER, MAGIC, Kind
from harness.protocol.host import Prediction, play
from harness.protocol.regimes import Regime
from harness.protocol.replies import Terms

LIMITS = Limits(start_s=60, reply_s=60, regime_s=240)


@dataclass
class RecordingChannel:
    """A guest that answers zeros, and a record of everything sent and asked."""

    windows: int = 0
    events: list[tuple[Kind, int, bytes]] = field(default_factory=list)
    pending: bytes = b""

    def send(self, kind: Kind, t: int, batch: int, *payload: Any, deadline: float) -> None:
        body = b"".join(bytes(memoryview(part).cast("B")) for part in payload)
        self.events.append((kind, t, body))
        if kind is Kind.RESET:
            self.windows = int.from_bytes(body, "little")
        if kind in {Kind.PREDICT, Kind.PREDICT_TOKEN}:
            cells = 256 if kind is Kind.PREDICT else 1
            reply = bytes(self.windows * cells * 2 * 512 * 4)
            if kind is Kind.PREDICT:
                reply += np.full((self.windows, 16, 16), 1000 + t, "<u4").tobytes()
            self.pending = HEADER.pack(MAGIC, Kind.LOGITS, t, batch, len(reply)) + reply

    def receive_into(self, view: memoryview, *, deadline: float) -> None:
        view[:] = self.pending[: view.nbytes]
        self.pending = self.pending[view.nbytes :]

    def has_unread(self) -> bool:
        return bool(self.pending)


def conversation(channel: Any, regime: Regime) -> Conversation:
    talk = Conversation(channel=channel, regime=regime, limits=LIMITS)
    talk.terms = Terms(max_batch=2, logits_dtype="<f4", causal=True)
    return talk


@pytest.fixture
def truth(make_clip: Callable[..., Path]) -> ClipTruth:
    return truth_of(open_clip(make_clip()))


def truth_of(clip: Clip) -> ClipTruth:
    return ClipTruth(clip=clip, starts=window_starts(find_segments(clip.segment_ids_N), Schedule.DISJOINT))


@pytest.mark.parametrize("regime", [Regime.TEMPORALLY_TEACHER_FORCED, Regime.FULLY_AUTOREGRESSIVE])
def test_no_byte_of_a_frame_is_sent_before_its_prediction_was_committed(
    make_clip: Callable[..., Path], regime: Regime
) -> None:
    """The disclosure invariant, on every byte: frame t of a window is not in anything sent before PREDICT t."""
    truth = truth_of(open_clip(make_clip(hold=1)))
    channel, windows = RecordingChannel(), np.array([0, 2])
    play(conversation(channel, regime), truth, [windows], lambda _prediction: None)
    sent = b""
    for kind, t, body in channel.events:
        if kind is Kind.PREDICT:
            for later in range(t, 16):
                assert truth.tokens_at(windows, later)[0, 0].tobytes() not in sent
        sent += body


def test_actions_after_the_observed_frame_are_never_sent(truth: ClipTruth) -> None:
    channel, windows = RecordingChannel(), np.array([1])
    play(conversation(channel, Regime.TEMPORALLY_TEACHER_FORCED), truth, [windows], lambda _prediction: None)
    observed = [(t, body[1024:]) for kind, t, body in channel.events if kind is Kind.OBSERVE]
    assert [t for t, _ in observed] == list(range(15))
    for t, body in observed:
        frame = int(truth.starts[1]) + 15 * t
        rows = np.arange(frame - 14, frame + 1) if t else np.full(15, frame)
        assert body == truth.clip.actions_at(rows).astype("<f4").tobytes()


def test_autoregression_feeds_back_the_guests_own_tokens_and_resting_actions(truth: ClipTruth) -> None:
    channel, windows = RecordingChannel(), np.array([0, 1])
    play(conversation(channel, Regime.FULLY_AUTOREGRESSIVE), truth, [windows], lambda _prediction: None)
    fed_back = {t: body for kind, t, body in channel.events if kind is Kind.OBSERVE and t >= 8}
    assert list(fed_back) == list(range(8, 15))
    for t, body in fed_back.items():
        assert body[:2048] == np.full(512, 1000 + t, "<u4").tobytes()
        assert not any(body[2048:])


def test_a_true_token_follows_its_own_question(truth: ClipTruth) -> None:
    channel, windows = RecordingChannel(), np.array([0, 1, 3])
    play(conversation(channel, Regime.FULLY_TEACHER_FORCED), truth, [windows], lambda _prediction: None)
    answered = set()
    for kind, index, body in channel.events:
        if kind is Kind.PREDICT_TOKEN:
            answered.add(index)
        elif kind is Kind.OBSERVE_TOKEN:
            assert index in answered
            expected = truth.tokens_at(windows, index // 256).reshape(3, 256)[:, index % 256]
            assert body == expected.astype("<u4").tobytes()
    assert answered == set(range(256, 4096))


@pytest.mark.parametrize("regime", Regime)
def test_every_target_of_every_window_is_scored_once_against_the_truth(
    truth: ClipTruth, guest_channel: Any, last_frame: type, regime: Regime
) -> None:
    seen: list[tuple[int, int]] = []

    def check(prediction: Prediction) -> None:
        time.sleep(0.002)  # a slow scorer must still find its buffers untouched
        expected_BHW = truth.tokens_at(prediction.windows_B, prediction.t)
        np.testing.assert_array_equal(prediction.target_BHW, expected_BHW)
        favoured = prediction.logits_BHWFV.argmax(-1)
        if regime is not Regime.FULLY_TEACHER_FORCED:
            np.testing.assert_array_equal(favoured @ [1, 512], prediction.tokens_BHW)
        seen.extend((int(window), prediction.t) for window in prediction.windows_B)

    with guest_channel(last_frame) as channel:
        talk = Conversation(channel=channel, regime=regime, limits=LIMITS)
        talk.greet(truth.clip.action_widths, ready_by=time.monotonic() + 60)
        timing = play(talk, truth, [np.array([2, 0, 1]), np.array([3])], check)
        talk.say_goodbye()
    assert sorted(seen) == [(window, t) for window in range(4) for t in regime.targets()]
    assert timing.frames == len(seen)
    assert timing.seconds_per_frame == pytest.approx(timing.total_s / len(seen))
    assert (timing.replies_s > 0).all()
    assert timing.replies_s.sum() <= timing.total_s


def test_scoring_overlaps_the_guests_next_step(
    truth: ClipTruth, guest_channel: Any, last_frame: type
) -> None:
    """The next question has been sent, and answered, while an earlier prediction is still being scored."""
    asked_again = threading.Event()

    class Noting(last_frame):  # type: ignore[misc]
        count = 0

        def predict(self) -> Any:
            self.count += 1
            if self.count == 2:
                asked_again.set()
            return super().predict()

    overlapped = []

    def score(prediction: Prediction) -> None:
        if prediction.t == 1:
            overlapped.append(asked_again.wait(10))

    with guest_channel(Noting) as channel:
        talk = Conversation(channel=channel, regime=Regime.TEMPORALLY_TEACHER_FORCED, limits=LIMITS)
        talk.greet(truth.clip.action_widths, ready_by=time.monotonic() + 60)
        play(talk, truth, [np.array([0])], score)
    assert overlapped == [True]


def test_an_error_of_the_scoring_is_not_swallowed(truth: ClipTruth) -> None:
    def broken(_prediction: Prediction) -> None:
        raise ZeroDivisionError("scoring broke")

    with pytest.raises(ZeroDivisionError, match="scoring broke"):
        play(
            conversation(RecordingChannel(), Regime.TEMPORALLY_TEACHER_FORCED), truth, [np.array([0])], broken
        )


def test_the_regimes_time_limit_ends_a_guest_that_is_in_time_for_every_reply(
    truth: ClipTruth, guest_channel: Any, last_frame: type
) -> None:
    class Slow(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            time.sleep(0.1)
            return super().predict()

    limits = Limits(start_s=10, reply_s=10, regime_s=0.5)
    with guest_channel(Slow) as channel:
        talk = Conversation(channel=channel, regime=Regime.TEMPORALLY_TEACHER_FORCED, limits=limits)
        talk.greet(truth.clip.action_widths, ready_by=time.monotonic() + 60)
        talk.begin()
        with pytest.raises(GuestFailed, match=r"within 0\.5 s, the limit for its regime") as caught:
            play(talk, truth, [np.array([0])], lambda _prediction: None)
    assert caught.value.code == "guest.timeout"
    assert "--regime-timeout" in caught.value.fix


def test_each_serving_of_the_windows_may_take_the_regimes_time(
    truth: ClipTruth, guest_channel: Any, last_frame: type
) -> None:
    class Slow(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            time.sleep(0.1)
            return super().predict()

    limits = Limits(start_s=10, reply_s=10, regime_s=0.02)
    with guest_channel(Slow) as channel:
        talk = Conversation(channel=channel, regime=Regime.FULLY_AUTOREGRESSIVE, limits=limits)
        talk.greet(truth.clip.action_widths, ready_by=time.monotonic() + 60)
        talk.begin(servings=1000)
        play(talk, truth, [np.array([0])], lambda _prediction: None)
        talk.begin(servings=5)
        with pytest.raises(GuestFailed, match=r"within 0\.1 s, the limit for its regime"):
            play(talk, truth, [np.array([0])], lambda _prediction: None)


def test_a_late_start_and_a_late_reply_name_their_own_limit(
    truth: ClipTruth, guest_channel: Any, last_frame: type
) -> None:
    too_late = threading.Event()

    class Slow(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            too_late.wait(30)
            return super().predict()

    limits = Limits(start_s=0.2, reply_s=0.3, regime_s=60)
    with guest_channel(lambda: too_late.wait(30)) as channel:
        talk = Conversation(channel=channel, regime=Regime.TEMPORALLY_TEACHER_FORCED, limits=limits)
        with pytest.raises(GuestFailed, match=r"not ready within 0\.2 s") as caught:
            talk.greet({}, ready_by=time.monotonic() + limits.start_s)
        too_late.set()
        assert "--start-timeout" in caught.value.fix
    too_late.clear()
    with guest_channel(Slow) as channel:
        talk = Conversation(channel=channel, regime=Regime.TEMPORALLY_TEACHER_FORCED, limits=limits)
        talk.greet(truth.clip.action_widths, ready_by=time.monotonic() + 60)
        with pytest.raises(GuestFailed, match=r"did not answer within 0\.3 s") as caught:
            play(talk, truth, [np.array([0])], lambda _prediction: None)
        too_late.set()
        assert "--reply-timeout" in caught.value.fix


@pytest.mark.parametrize("method", ["reset", "observe", "observe_token", "predict", "predict_token"])
def test_an_exception_is_reported_as_one_wherever_it_is_raised(
    truth: ClipTruth, guest_channel: Any, last_frame: type, method: str
) -> None:
    """The guest's report races our next message; whoever wins, the entry hears of its own error."""

    def fail(*_arguments: Any) -> None:
        raise ValueError("mine")

    class Broken(last_frame):  # type: ignore[misc]
        pass

    setattr(Broken, method, fail)
    by_token = "token" in method
    regime = Regime.FULLY_TEACHER_FORCED if by_token else Regime.TEMPORALLY_TEACHER_FORCED
    for _ in range(10):
        with guest_channel(Broken) as channel:
            talk = Conversation(channel=channel, regime=regime, limits=LIMITS)
            talk.greet(truth.clip.action_widths, ready_by=time.monotonic() + 60)
            with pytest.raises(GuestFailed) as caught:
                play(talk, truth, [np.array([0])], lambda _prediction: None)
        assert (caught.value.code, caught.value.guest_words) == ("guest.exception", "ValueError: mine")


def test_a_causal_manifest_needs_a_causal_predictor(guest_channel: Any, last_frame: type) -> None:
    class FrameOnly(last_frame):  # type: ignore[misc]
        causal = False

    with guest_channel(FrameOnly) as channel, pytest.raises(GuestFailed, match="causal") as caught:
        Conversation(channel=channel, regime=Regime.FULLY_TEACHER_FORCED, limits=LIMITS).greet(
            {}, ready_by=time.monotonic() + 60
        )
    assert caught.value.code == "guest.not_causal"
