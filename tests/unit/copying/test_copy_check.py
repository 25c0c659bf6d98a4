"""The retrieval check of one grade, from its preparation to its verdict, with answers of our own making."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.copying.copy_check import SOURCES, CopyCheck, open_copy_check
from harness.data.clips import clip_sha256, open_clip, write_clip
from harness.data.windows import Schedule, window_frames
from harness.errors import GuestFailed, UsageError
from harness.exam import Exam, Predicted, set_exam
from harness.progress import Silent
from harness.protocol.host import Prediction
from harness.protocol.regimes import Regime
from harness.results.record import Record
from harness.results.store import Store
from harness.retrieval.report import EntryScan, RetrievalReport, TrainGap, Verdict
from harness.spec import CHALLENGE

TTF = Regime.TEMPORALLY_TEACHER_FORCED
GAP = TrainGap(gap=0.1, gap_ci=(0.0, 0.2), heldout_loss=9.0, train_loss=8.9, windows=2, flipped_bits=0.08)
SCAN = EntryScan(size_bytes=10, num_files=1, sent_bytes=10)
SEGMENTS, FRAMES = 5, CHALLENGE.raw_span + 30


def film(rng: np.random.Generator) -> np.ndarray:
    """Segments whose tokens change slowly, each its own scene: uint32 [N, H, W]."""
    shots = []
    for _ in range(SEGMENTS):
        scenes = rng.integers(1 << 18, size=(FRAMES // 40 + 2, 16, 16), dtype=np.uint32)
        moves = rng.integers(40, size=(16, 16))
        at_NHW = (np.arange(FRAMES)[:, None, None] + moves) // 40
        shots.append(np.take_along_axis(scenes, at_NHW.astype(np.int64), axis=0))
    return np.concatenate(shots)


def seen_again(tokens_NHW: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same places on another day: a tenth of the tokens is another one, for ten frames at a time."""
    changed = rng.random((len(tokens_NHW) // 10 + 1, 16, 16)).repeat(10, axis=0)[: len(tokens_NHW)] < 0.1
    return np.where(changed, rng.integers(1 << 18, size=tokens_NHW.shape, dtype=np.uint32), tokens_NHW)


@pytest.fixture
def clips(tmp_path: Path) -> SimpleNamespace:
    """Folders: train, and held-out film of the same places."""
    rng = np.random.default_rng(0)
    tokens_NHW = film(rng)
    for name in ("train", "heldout"):
        write_clip(
            tmp_path / name,
            tokens_NHW=seen_again(tokens_NHW, rng),
            segment_ids_N=np.repeat(np.arange(SEGMENTS), FRAMES).astype(np.int32),
            actions={},
            tokenizer_ckpt="none",
        )
    return SimpleNamespace(train=tmp_path / "train", heldout=tmp_path / "heldout")


@pytest.fixture
def exam(clips: SimpleNamespace) -> Exam:
    return set_exam(clips.heldout, Schedule.DISJOINT, 0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def prepared(clips: SimpleNamespace, exam: Exam, store: Store) -> Callable[..., CopyCheck]:
    def prepare(**changes: Any) -> CopyCheck:
        given = {
            "data_sha256": clip_sha256(exam.clip),
            "panel": None,
            "store": store,
            "progress": Silent(),
            **changes,
        }
        return open_copy_check(clips.train, exam, **given)

    return prepare


@pytest.fixture
def record(store: Store) -> Record:
    return Record(provenance=SimpleNamespace(submission_sha256="ab" * 32))  # type: ignore[arg-type]


def answers(check: CopyCheck, exam: Exam, copied: float) -> np.ndarray:
    """Every prediction, as the check hears it: the last frame, mixed with what follows its likeness in train."""
    tap = check.tap(TTF)
    assert tap
    windows_B = np.arange(exam.num_windows)
    tokens_BTHW = np.zeros((len(windows_B), 15, 16, 16), np.uint32)
    for t in range(1, CHALLENGE.window):
        last_BHW = exam.truth.tokens_at(windows_B, t - 1)
        looked_up_BHW = check.train.tokens_NHW[window_frames(exam.truth.starts)[:, t]]
        share_BHWFV = 0.9 * hot(last_BHW) + 0.1 / 512
        share_BHWFV = (1 - copied) * share_BHWFV + copied * hot(looked_up_BHW)
        tokens_BTHW[:, t - 1] = looked_up_BHW if copied > 0.5 else last_BHW
        tap(
            Prediction(
                windows_B=windows_B,
                t=t,
                target_BHW=exam.truth.tokens_at(windows_B, t),
                logits_BHWFV=np.log(share_BHWFV).astype(np.float32),
                tokens_BHW=tokens_BTHW[:, t - 1],
            )
        )
    return tokens_BTHW


def hot(tokens_BHW: np.ndarray) -> np.ndarray:
    factors = np.stack([tokens_BHW % 512, tokens_BHW // 512], axis=-1)
    return (np.arange(512) == factors[..., None]).astype(np.float64)


def reported(
    check: CopyCheck, exam: Exam, record: Record, copied: float, gap: TrainGap | GuestFailed = GAP
) -> RetrievalReport:
    tokens_BTHW = answers(check, exam, copied)
    predicted = Predicted(regime=TTF, draws=(tokens_BTHW,))
    other = Predicted(regime=Regime.FULLY_AUTOREGRESSIVE, draws=())
    return check.report([other, predicted], gap, SCAN, record)


def test_a_copier_stands_out_from_one_that_repeats_the_last_frame(
    prepared: Callable[..., CopyCheck], exam: Exam, record: Record
) -> None:
    """Without the adjustment for what references expect the two would differ as well; with it one is near zero."""
    honest = reported(prepared(), exam, record, 0.0)
    copier = reported(prepared(), exam, record, 0.2)
    assert honest.delta == pytest.approx(0, abs=0.05)
    assert copier.delta is not None
    assert copier.delta_ci is not None
    assert copier.delta > 3
    assert copier.delta_ci[0] > 3
    assert all(delta > 2 for delta in copier.delta_by_window)


def test_a_copier_is_told_where_it_copied_from(
    prepared: Callable[..., CopyCheck], exam: Exam, record: Record
) -> None:
    report = reported(prepared(), exam, record, 0.9)
    true_BT = window_frames(exam.truth.starts)
    assert 5 < len(report.sources) <= SOURCES
    for source in report.sources:
        assert source.train_frame == true_BT[source.window, source.frame]
        assert source.train_segment == source.window
        assert source.bits == 0
    assert report.path_share is not None
    assert report.path_share > 0.9
    assert report.near_duplicates is not None
    assert report.near_duplicates.bits_quantiles[-1] == 0


def test_without_a_panel_there_are_figures_and_no_judgement(
    prepared: Callable[..., CopyCheck], exam: Exam, record: Record, store: Store
) -> None:
    report = reported(prepared(), exam, record, 0.9)
    assert report.verdict is Verdict.UNCALIBRATED
    assert report.thresholds is None
    assert report.train_gap == GAP
    assert report.entry_scan == SCAN
    assert report.evidence_file is not None
    assert (store.folder / report.evidence_file).is_file()
    assert report.train_name == "train"


def test_an_entry_that_fails_while_its_gap_is_measured_is_told_on(
    prepared: Callable[..., CopyCheck], exam: Exam, record: Record
) -> None:
    failure = GuestFailed("evaluate.py exited with status 1", fix="look at its log", code="guest.closed")
    report = reported(prepared(), exam, record, 0.0, gap=failure)
    assert report.train_gap is None
    assert report.gap_failure == "evaluate.py exited with status 1 (guest.closed)"
    assert any("guest.closed" in reason for reason in report.reasons)


def test_where_nothing_could_be_tested_nothing_is_cleared(
    clips: SimpleNamespace, exam: Exam, record: Record, store: Store, tmp_path: Path
) -> None:
    """One training segment leaves no other to compare it with: a delta of zero would say nothing."""
    train = open_clip(clips.train)
    lonely = tmp_path / "lonely"
    write_clip(
        lonely,
        tokens_NHW=train.tokens_NHW[:FRAMES],
        segment_ids_N=train.segment_ids_N[:FRAMES],
        actions={},
        tokenizer_ckpt="none",
    )
    check = open_copy_check(
        lonely, exam, data_sha256=clip_sha256(exam.clip), panel=None, store=store, progress=Silent()
    )
    tokens_BTHW = np.zeros((exam.num_windows, 15, 16, 16), np.uint32)
    check.sheet.logprobs_R = np.full(len(check.sheet.logprobs_R), -1, np.float32)
    report = check.judged(replace(check.unfinished, gap_failure="no reply"), tokens_BTHW, record)
    assert report.verdict is Verdict.UNMEASURED
    assert report.missing is not None
    assert "segments" in report.missing
    assert report.delta is None
    assert report.evidence_file is None
    assert ["no reply" in reason for reason in report.reasons] == [True]


def test_until_it_is_finished_a_check_says_that_it_is_not(prepared: Callable[..., CopyCheck]) -> None:
    unfinished = prepared().unfinished
    assert unfinished.verdict is Verdict.UNMEASURED
    assert unfinished.missing == "the check was interrupted"
    assert unfinished.train_sha256


def test_only_the_regime_that_ranks_is_listened_to(prepared: Callable[..., CopyCheck]) -> None:
    check = prepared()
    assert [regime for regime in Regime if check.tap(regime)] == [TTF]


def test_the_graded_clip_is_no_training_clip(clips: SimpleNamespace, exam: Exam, store: Store) -> None:
    with pytest.raises(UsageError) as caught:
        open_copy_check(
            clips.heldout,
            exam,
            data_sha256=clip_sha256(exam.clip),
            panel=None,
            store=store,
            progress=Silent(),
        )
    assert caught.value.code == "usage.train"


def test_the_same_check_again_searches_nothing(
    prepared: Callable[..., CopyCheck], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepared()

    def searched(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr("harness.retrieval.neighbours.search_moments", searched)
    again = prepared()
    assert again.questions.probes_sha256 == first.questions.probes_sha256
    assert replace(again.unfinished) == first.unfinished
