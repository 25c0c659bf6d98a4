"""How much better an entry knows the training set: measured alike for both kinds of windows, and blind to neither."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.copying import train_gap
from harness.copying.train_gap import WINDOWS, choose_windows, measure_train_gap, mixed_order
from harness.data.clips import ACTION_WIDTHS, Clip, open_clip, write_clip
from harness.data.noised import NoisedTruth
from harness.data.reveal import first_leak
from harness.data.windows import Schedule, Segments, find_segments, serving_order, window_starts
from harness.errors import DataInvalid, GuestFailed
from harness.exam import Exam, set_exam
from harness.progress import Silent
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.regimes import Regime
from harness.retrieval.report import TrainGap
from harness.spec import CHALLENGE

LIMITS = Limits(start_s=10, reply_s=20, regime_s=120)
S = 15


def write_drawn(
    folder: Path, *, lengths: tuple[int, ...], seed: int, hold: int = 1, has_actions: bool = True
) -> Path:
    """A clip of random frames that change every `hold` raw frames."""
    rng = np.random.default_rng(seed)
    frames = sum(lengths)
    scenes = rng.integers(1 << 18, size=(frames // hold + 1, 16, 16), dtype=np.uint32)
    widths = ACTION_WIDTHS if has_actions else {}
    write_clip(
        folder,
        tokens_NHW=np.repeat(scenes, hold, axis=0)[:frames],
        segment_ids_N=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        actions={name: rng.normal(size=(frames, width)) for name, width in widths.items()},
        tokenizer_ckpt="",
    )
    return folder


@pytest.fixture
def exam(tmp_path: Path) -> Exam:
    """Six windows in two rounds; no frame resembles another."""
    folder = write_drawn(tmp_path / "val", lengths=(226, 452, 226, 452), seed=1)
    return set_exam(folder, Schedule.DISJOINT, seed=5)


@pytest.fixture
def train(tmp_path: Path) -> Clip:
    return open_clip(write_drawn(tmp_path / "train", lengths=(226,) * 7, seed=2))


@pytest.fixture
def ask(guest_channel: Any) -> Callable[..., TrainGap]:
    def run(make_predictor: Any, exam: Exam, train: Clip) -> TrainGap:
        with guest_channel(make_predictor) as channel:
            conversation = Conversation(
                channel=channel, regime=Regime.TEMPORALLY_TEACHER_FORCED, limits=LIMITS
            )
            ready_by = time.monotonic() + LIMITS.start_s
            return measure_train_gap(conversation, exam, train, ready_by=ready_by, progress=Silent())

    return run


@pytest.fixture
def past_warm_up(last_frame: type) -> type:
    """Knows whether it is being asked about windows yet; the first batch is the warm-up's."""

    class PastWarmUp(last_frame):  # type: ignore[misc]
        served = 0

        def reset(self, batch: int) -> None:
            super().reset(batch)
            type(self).served += 1

        @property
        def is_asked(self) -> bool:
            return self.served > 1

    return PastWarmUp


def nearest(frame_HW: np.ndarray, frames_NHW: np.ndarray) -> int:
    """The most similar frame, by bits, through any noise."""
    return int(np.bitwise_count(frames_NHW ^ frame_HW).sum(axis=(1, 2), dtype=np.int64).argmin())


@pytest.fixture
def seeker(last_frame: type, train: Clip) -> type:
    """Holds the training clip, looks the last frame up in it and seeks ahead."""
    frames_NHW = np.array(train.tokens_NHW)

    class Seeker(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            found = [nearest(frame_HW, frames_NHW) + S for frame_HW in self.frame_BHW]
            self.frame_BHW = frames_NHW[np.minimum(found, len(frames_NHW) - 1)]
            return super().predict()

    return Seeker


@pytest.fixture
def exact_seeker(last_frame: type, train: Clip) -> type:
    """The same by exact match, of the frame or of the actions that led to it; honest where nothing matches."""
    frames_NHW, actions_NA = np.array(train.tokens_NHW), train.actions_at(np.arange(train.num_frames))

    class ExactSeeker(last_frame):  # type: ignore[misc]
        where = {  # noqa: RUF012 - a database
            **{frame_HW.tobytes(): n for n, frame_HW in enumerate(frames_NHW)},
            **{actions_A.tobytes(): n for n, actions_A in enumerate(actions_NA)},
        }
        hits = 0

        def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
            super().observe(frame_BHW.copy(), actions_BSA)
            for b, (frame_HW, actions_SA) in enumerate(zip(frame_BHW, actions_BSA, strict=True)):
                at = self.where.get(frame_HW.tobytes(), self.where.get(actions_SA[-1].tobytes()))
                if at is not None:
                    ExactSeeker.hits += 1
                    self.frame_BHW[b] = frames_NHW[min(at + S, len(frames_NHW) - 1)]

    return ExactSeeker


def test_an_honest_guest_has_no_gap_on_clips_drawn_alike(ask: Any, last_frame: type, tmp_path: Path) -> None:
    val, train = (
        write_drawn(tmp_path / name, lengths=(226,) * 12, seed=seed, hold=40)
        for name, seed in (("val", 3), ("train", 4))
    )
    gap = ask(last_frame, set_exam(val, Schedule.DISJOINT, seed=5), open_clip(train))
    low, high = gap.gap_ci
    assert low < 0 < high
    assert high - low < 1
    assert gap.gap == pytest.approx(gap.heldout_loss - gap.train_loss)
    assert gap.windows == 12
    assert gap.flipped_bits == 0.08


def test_targets_are_not_noised(ask: Any, last_frame: type, exam: Exam, train: Clip) -> None:
    """Who names the clean frame of either clip, whatever it is shown, pays as little as its doubt alone."""
    frames_NHW = np.concatenate([exam.clip.tokens_NHW, train.tokens_NHW])

    class KnowsBoth(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            self.frame_BHW = np.stack(
                [frames_NHW[nearest(frame_HW, frames_NHW) + S] for frame_HW in self.frame_BHW]
            )
            return super().predict()

    gap = ask(KnowsBoth, exam, train)
    doubt = 2 * np.log1p(511 * np.exp(-6.0))
    assert gap.heldout_loss == pytest.approx(doubt, rel=1e-5)
    assert gap.train_loss == pytest.approx(doubt, rel=1e-5)
    assert gap.gap == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("controlled", [True, False])
def test_no_window_counts_more_than_twice_what_guessing_costs(
    ask: Any, last_frame: type, exam: Exam, train: Clip, monkeypatch: pytest.MonkeyPatch, controlled: bool
) -> None:
    """The control is `MOST_NATS`: these answers cost no score, and without it the gap has any digits they choose."""
    if not controlled:
        monkeypatch.setattr(train_gap, "MOST_NATS", np.inf)

    class Shouts(last_frame):  # type: ignore[misc]
        def predict(self) -> Any:
            logits, tokens = super().predict()
            return logits * np.float32(2.0**40), tokens

    gap = ask(Shouts, exam, train)
    figures = (gap.gap, *gap.gap_ci, gap.heldout_loss, gap.train_loss)
    assert (max(map(abs, figures)) <= 2 * CHALLENGE.uniform_loss) is controlled


def test_a_guest_that_seeks_ahead_in_the_training_clip_has_a_large_gap_through_the_noise(
    ask: Any, last_frame: type, seeker: type, exam: Exam, train: Clip
) -> None:
    honest, seeking = ask(last_frame, exam, train), ask(seeker, exam, train)
    assert abs(honest.gap) < 0.1
    assert seeking.gap_ci[0] > 10
    assert seeking.heldout_loss == pytest.approx(honest.heldout_loss, abs=0.1)


@pytest.mark.parametrize("controlled", [True, False])
def test_a_database_of_exact_matches_finds_nothing_in_noise(
    ask: Any,
    exact_seeker: type,
    exam: Exam,
    train: Clip,
    monkeypatch: pytest.MonkeyPatch,
    controlled: bool,
) -> None:
    """Control: the noise. Without it a database can see that it is being asked about its own frames."""
    if not controlled:
        plain = partial(NoisedTruth, flipped_bits=0, action_noise=0)
        monkeypatch.setattr(train_gap, "NoisedTruth", plain)
    gap = ask(exact_seeker, exam, train)
    assert exact_seeker.hits == (0 if controlled else 6 * 15)
    assert (gap.gap > 10) is not controlled


def test_noise_on_frames_alone_leaves_the_actions_to_be_found(
    ask: Any, exact_seeker: type, exam: Exam, train: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the noise on actions."""
    monkeypatch.setattr(train_gap, "NoisedTruth", partial(NoisedTruth, action_noise=0))
    assert ask(exact_seeker, exam, train).gap > 10
    assert exact_seeker.hits == 6 * 15


@pytest.mark.parametrize("batch", [1, 4, 1000])
def test_no_heldout_frame_is_shown_before_its_prediction(
    ask: Any, past_warm_up: type, exam: Exam, train: Clip, batch: int
) -> None:
    """As the guest sees it: what it was shown of a segment when it is asked for one of the segment's frames."""
    frames_NHW = np.concatenate([exam.clip.tokens_NHW, train.tokens_NHW])
    latest = dict.fromkeys(range(4), -1)
    targets: list[int] = []

    class Watches(past_warm_up):  # type: ignore[misc]
        max_batch = batch

        def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
            super().observe(frame_BHW, actions_BSA)
            self.raw_B = [nearest(frame_HW, frames_NHW) for frame_HW in frame_BHW]
            for raw in self.raw_B if self.is_asked else ():
                if raw < exam.clip.num_frames:
                    segment = int(exam.segments.holding(np.array(raw)))
                    latest[segment] = max(latest[segment], raw)

        def predict(self) -> Any:
            for raw in self.raw_B if self.is_asked else ():
                if raw < exam.clip.num_frames:
                    assert latest[int(exam.segments.holding(np.array(raw)))] == raw
                    targets.append(raw + S)
            return super().predict()

    assert ask(Watches, exam, train).windows == 6
    assert sorted(targets) == sorted(start + S * t for start in exam.truth.starts for t in range(1, 16))


def test_the_guests_batches_change_nothing(ask: Any, past_warm_up: type, exam: Exam, train: Clip) -> None:
    shown: dict[int, list[bytes]] = {1: [], 5: []}

    def guest_of(batch: int) -> type:
        class Watches(past_warm_up):  # type: ignore[misc]
            max_batch = batch

            def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
                super().observe(frame_BHW, actions_BSA)
                if self.is_asked:
                    pairs = zip(frame_BHW, actions_BSA, strict=True)
                    shown[batch] += [frame.tobytes() + actions.tobytes() for frame, actions in pairs]

        return Watches

    alone, together = (ask(guest_of(batch), exam, train) for batch in shown)
    assert alone == together
    assert len(set(shown[1])) == 12 * 15
    assert sorted(shown[1]) == sorted(shown[5])


def test_the_seed_decides_everything_drawn(ask: Any, last_frame: type, exam: Exam, train: Clip) -> None:
    first, again, other = (
        ask(last_frame, exam, train),
        ask(last_frame, exam, train),
        ask(last_frame, replace(exam, seed=6), train),
    )
    assert first == again
    assert first.train_loss != other.train_loss


def test_the_warm_up_shows_nothing_of_either_clip(
    ask: Any, last_frame: type, exam: Exam, train: Clip
) -> None:
    frames_NHW = np.concatenate([exam.clip.tokens_NHW, train.tokens_NHW])
    bits_by_batch: list[list[int]] = []

    class Watches(last_frame):  # type: ignore[misc]
        def reset(self, batch: int) -> None:
            super().reset(batch)
            bits_by_batch.append([])

        def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
            super().observe(frame_BHW, actions_BSA)
            for frame_HW in frame_BHW:
                near_HW = frames_NHW[nearest(frame_HW, frames_NHW)]
                bits_by_batch[-1].append(int(np.bitwise_count(near_HW ^ frame_HW).sum()))

    ask(Watches, exam, train)
    warm_up, *asked = bits_by_batch
    assert min(warm_up) > 2000
    assert {bits for batch in asked for bits in batch} == {369}


def test_a_guest_that_fails_is_said_to_have_failed(
    ask: Any, last_frame: type, exam: Exam, train: Clip
) -> None:
    class Tires(last_frame):  # type: ignore[misc]
        served = 0

        def reset(self, batch: int) -> None:
            super().reset(batch)
            Tires.served += 1
            if Tires.served > 3:
                raise RuntimeError("enough")

    with pytest.raises(GuestFailed) as caught:
        ask(Tires, exam, train)
    assert caught.value.code == "guest.exception"


def test_a_training_clip_without_a_window_is_a_clear_error(exam: Exam, tmp_path: Path) -> None:
    short = open_clip(write_drawn(tmp_path / "short", lengths=(225, 100), seed=0))
    with pytest.raises(DataInvalid, match="long enough") as caught:
        choose_windows(exam, short, np.random.default_rng(0))
    assert caught.value.code == "data.no_window"


def test_clips_with_different_actions_are_a_clear_error(exam: Exam, tmp_path: Path) -> None:
    still = open_clip(write_drawn(tmp_path / "still", lengths=(226,), seed=0, has_actions=False))
    with pytest.raises(DataInvalid, match="action columns") as caught:
        choose_windows(exam, still, np.random.default_rng(0))
    assert caught.value.code == "data.other_actions"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two segments of a hundred frames too few, and forty windows between them."""
    folder = tmp_path_factory.mktemp("many") / "clip"
    return write_drawn(folder, lengths=(126, 20 * 226, 20 * 226, 126), seed=0)


def test_windows_are_as_many_of_each_kind_and_spread_over_both_clips(many: Path, train: Clip) -> None:
    exam = set_exam(many, Schedule.DISJOINT, seed=0)
    windows = choose_windows(exam, exam.clip, np.random.default_rng(0))
    for truth in (windows.heldout, windows.train):
        ranks = np.searchsorted(exam.truth.starts, truth.starts)
        np.testing.assert_array_equal(exam.truth.starts[ranks], truth.starts)
        assert len(truth.starts) == WINDOWS
        assert (np.diff(truth.starts) > 0).all()
        assert np.diff(ranks, prepend=-1, append=40).max() <= 3
    few = choose_windows(exam, train, np.random.default_rng(0))
    assert len(few.heldout.starts) == len(few.train.starts) == 7
    np.testing.assert_array_equal(few.train.starts, np.arange(7) * 226)


@pytest.mark.parametrize("schedule", Schedule)
def test_heldout_windows_are_disjoint_and_among_the_graded_ones(
    many: Path, train: Clip, schedule: Schedule
) -> None:
    graded = set_exam(many, schedule, seed=0, max_windows=3)
    heldout = choose_windows(graded, train, np.random.default_rng(0)).heldout
    disjoint = window_starts(graded.segments, Schedule.DISJOINT)
    assert set(heldout.starts) <= set(disjoint[disjoint <= graded.truth.starts[-1]])
    assert 1 <= len(heldout.starts) <= 3


def segments_of(lengths: list[int]) -> Segments:
    return find_segments(np.repeat(np.arange(len(lengths), dtype=np.int32), lengths))


LENGTHS = st.lists(st.integers(226, 1200), min_size=1, max_size=6)


def order_of(lengths: list[int], max_batch: int, seed: int) -> tuple[np.ndarray, Segments, list[np.ndarray]]:
    segments = segments_of(lengths)
    starts = window_starts(segments, Schedule.DISJOINT)
    rng = np.random.default_rng(seed)
    return starts, segments, mixed_order(starts, segments, max_batch=max_batch, rng=rng)


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 9))
def test_the_order_keeps_the_reveal_rule_and_shows_every_window_once(
    lengths: list[int], max_batch: int, seed: int
) -> None:
    starts, segments, batches = order_of(lengths, max_batch, seed)
    heldout = [own for batch in batches if len(own := batch[batch < len(starts)])]
    assert first_leak(starts, heldout, segments) is None
    served = np.concatenate(batches)
    assert sorted(served.tolist()) == list(range(2 * len(starts)))
    assert all(1 <= len(batch) <= max_batch for batch in batches)


def test_an_order_without_rounds_would_leak() -> None:
    """Control: the rounds."""
    starts, segments, batches = order_of([678, 452], 2, seed=0)
    shuffled = np.random.default_rng(0).permutation(np.concatenate(batches))
    heldout = shuffled[shuffled < len(starts)]
    assert first_leak(starts, [heldout[i : i + 1] for i in range(len(heldout))], segments) is not None


@settings(deadline=None)
@given(LENGTHS, st.integers(1, 9), st.integers(0, 9))
def test_every_round_has_as_many_windows_of_each_kind(lengths: list[int], max_batch: int, seed: int) -> None:
    starts, segments, batches = order_of(lengths, max_batch, seed)
    served = np.concatenate(batches)
    rounds = serving_order(starts, segments, max_batch=len(starts), rng=np.random.default_rng(0))
    ends = 2 * np.cumsum([len(members) for members in rounds])
    balance = np.cumsum(np.where(served < len(starts), 1, -1))
    assert not balance[ends - 1].any()


def test_neither_place_nor_batch_tells_the_kind() -> None:
    """Over many seeds, each place of each batch holds a held-out window half of the time."""
    orders = [order_of([226] * 3 + [452] * 2, 3, seed)[2] for seed in range(400)]
    assert len({tuple(map(len, batches)) for batches in orders}) == 1
    heldout_share = np.mean([np.concatenate(batches) < 7 for batches in orders], axis=0)
    np.testing.assert_allclose(heldout_share, 0.5, atol=0.12)
