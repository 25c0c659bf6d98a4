"""Scoring again: what a guest was asked and what was kept of it give the figures of its grade, and no part does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.data.windows import Schedule
from harness.errors import StoreFailed
from harness.exam import Exam, Result, examine, set_exam
from harness.progress import Silent
from harness.protocol.conversation import Conversation, Limits
from harness.protocol.regimes import Regime
from harness.recomputing.rescoring import kept_answers, rescored
from harness.reporting import regime_report
from harness.results.store import Store

TTF = Regime.TEMPORALLY_TEACHER_FORCED


@pytest.fixture
def sit(guest_channel: Any, last_frame: type) -> Callable[..., Result]:
    def run(exam: Exam, max_batch: int) -> Result:
        limits = Limits(start_s=10, reply_s=20, regime_s=120, max_batch=max_batch)
        with guest_channel(last_frame) as channel:
            conversation = Conversation(channel=channel, regime=TTF, limits=limits)
            return examine(conversation, exam, ready_by=time.monotonic() + 10, progress=Silent())

    return run


def test_what_a_guest_answered_gives_its_figures_again_however_it_was_asked(
    make_clip: Callable[..., Path], sit: Callable[..., Result], tmp_path: Path
) -> None:
    """The interval most of all: it must not depend on what was drawn before it."""
    exam = set_exam(make_clip((226,) * 4), Schedule.DISJOINT, seed=5)
    store = Store(tmp_path / "store")
    intervals = []
    for max_batch in (1, 3):
        result = sit(exam, max_batch)
        sheet = result.sheets[0]
        kept = store.save_tokens(
            f"g{max_batch}",
            "r",
            nats_BTHW=sheet.nats_BTHW,
            tokens_BTHW=sheet.tokens_BTHW,
            starts_B=exam.truth.starts,
        )
        report = regime_report(result, [kept])
        again = rescored(report, TTF, kept_answers(report, TTF, store.folder), seed=5, truth=exam.truth)
        assert again.token_accuracy == report.token_accuracy
        assert again.loss_ci == pytest.approx(report.loss_ci, rel=2.0**-23)
        assert again.loss_by_window == pytest.approx(report.loss_by_window, rel=2.0**-23)
        assert again == replace(
            report,
            loss=again.loss,
            loss_ci=again.loss_ci,
            loss_by_frame=again.loss_by_frame,
            loss_by_window=again.loss_by_window,
        )
        intervals.append(report.loss_ci)
    assert intervals[0] == pytest.approx(intervals[1], rel=1e-6)


Arrays = dict[str, np.ndarray]


@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: {**kept, "nats": kept["nats"][:-1]},
        lambda kept: {name: array[:-1] for name, array in kept.items()},
        lambda kept: {**kept, "nats": kept["nats"][:, :-1]},
        lambda kept: {**kept, "nats": np.where(np.arange(16) == 3, np.nan, kept["nats"]).astype(np.float32)},
        lambda kept: {**kept, "nats": -kept["nats"]},
        lambda kept: {**kept, "nats": kept["nats"].astype(np.float64)},
        lambda kept: {**kept, "tokens": kept["tokens"].astype(np.int64)},
        lambda kept: {"nats": kept["nats"]},
        lambda kept: {},
    ],
    ids=["window", "every window", "frame", "nan", "negative", "float64", "int64", "no tokens", "nothing"],
)
def test_a_part_or_something_else_gives_no_figure(kept: Any, damage: Callable[[Arrays], Arrays]) -> None:
    """Control: what is kept is measured before it is scored, whatever digest the record gives it."""
    result = kept.report.regimes[TTF]
    path = kept.store.folder / result.tokens_file
    with np.load(path) as arrays:
        whole = {name: arrays[name] for name in arrays.files}
    np.savez_compressed(path, **damage(whole))
    changed = replace(result, tokens_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(StoreFailed) as caught:
        kept_answers(changed, TTF, kept.store.folder)
    assert caught.value.code == "store.partial"
    np.savez_compressed(path, **whole)
    restored = replace(result, tokens_sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(kept_answers(restored, TTF, kept.store.folder)) == 1


def test_fewer_draws_than_the_record_counts_give_no_figure(kept: Any) -> None:
    regime = Regime.FULLY_AUTOREGRESSIVE
    result = kept.report.regimes[regime]
    assert len(kept_answers(result, regime, kept.store.folder)) == 2
    samples = replace(
        result.samples,
        tokens_files=result.samples.tokens_files[:1],
        tokens_sha256=result.samples.tokens_sha256[:1],
    )
    with pytest.raises(StoreFailed) as caught:
        kept_answers(replace(result, samples=samples), regime, kept.store.folder)
    assert caught.value.code == "store.partial"


def test_answers_to_other_windows_than_the_clips_are_refused(kept: Any) -> None:
    result = kept.report.regimes[TTF]
    exam = set_exam(kept.data, Schedule.DISJOINT, 3)
    answers = kept_answers(result, TTF, kept.store.folder)
    moved = [replace(each, starts_B=each.starts_B + 1) for each in answers]
    with pytest.raises(StoreFailed) as caught:
        rescored(result, TTF, moved, seed=3, truth=exam.truth)
    assert caught.value.code == "store.other_windows"
