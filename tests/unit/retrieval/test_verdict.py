"""The verdict, as a table: every reason alone, all together, and what is no reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.retrieval.report import (
    EntryScan,
    NearDuplicates,
    Thresholds,
    TrainGap,
    TrainingRun,
    Verdict,
)
from harness.retrieval.verdict import Findings, binomial_tail, judge

THRESHOLDS = Thresholds(
    delta_max=0.3,
    delta_sd=0.1,
    delta_copied=0.6,
    window_delta=1.0,
    window_rate=0.004,
    windows_p=0.01,
    train_gap=0.5,
    near_bits=120.0,
    near_share=0.05,
    honest=7,
)
GAP = TrainGap(gap=0.5, gap_ci=(0.4, 0.6), heldout_loss=9.0, train_loss=8.5, windows=32, flipped_bits=0.08)
NEAR = NearDuplicates(bits_quantiles=(90, 110, 200, 300, 400), frames=360, share=0.05)
RUN = TrainingRun(path="data/shard.bin", offset=128, layout="uint32", frames=40, train_frame=1500)
SCAN = EntryScan(size_bytes=10, num_files=1, sent_bytes=10, runs=())
HONEST = Findings(
    delta=0.3, delta_ci=(0.1, 0.5), delta_by_window=(1.0,) * 24, train_gap=GAP, near_duplicates=NEAR, entry_scan=SCAN
)  # fmt: skip

FLAGGED = {"delta_by_window": (1.1,) * 3 + (0.0,) * 21}
LARGE_GAP = {"train_gap": replace(GAP, gap=0.51)}
MANY_NEAR = {"near_duplicates": replace(NEAR, share=0.06)}
FOUND = {"entry_scan": replace(SCAN, runs=(replace(RUN, frames=2), RUN))}
FAILED = {"train_gap": None, "gap_failure": "no reply within 60 s"}


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        pytest.param({}, Verdict.CLEAR, [], id="everything at its threshold"),
        pytest.param(
            {"delta": 0.7, "delta_ci": (0.31, 1.0)},
            Verdict.COPIED,
            ["+0.700 spreads"],
            id="large and certain",
        ),
        pytest.param(
            {"delta": 0.7, "delta_ci": (0.3, 1.1)}, Verdict.REVIEW, ["reaches down"], id="large, uncertain"
        ),
        pytest.param(
            {"delta": 0.6, "delta_ci": (0.5, 0.7)}, Verdict.REVIEW, ["above +0.400"], id="certain, not large"
        ),
        pytest.param(
            {"delta": 0.5, "delta_ci": (0.4, 0.6)}, Verdict.CLEAR, [], id="the largest of honest ones"
        ),
        pytest.param({"delta": 0.6, "delta_ci": (0.3, 0.9)}, Verdict.CLEAR, [], id="neither"),
        pytest.param(FLAGGED, Verdict.REVIEW, ["3 of 24 windows"], id="flagged windows"),
        pytest.param(
            {"delta_by_window": (9.0, *(0.0,) * 23)}, Verdict.CLEAR, [], id="one window may be chance"
        ),
        pytest.param(LARGE_GAP, Verdict.REVIEW, ["+0.510 nats per token better"], id="train gap"),
        pytest.param({"train_gap": None}, Verdict.CLEAR, [], id="no gap was measured"),
        pytest.param(FAILED, Verdict.REVIEW, ["no reply within 60 s"], id="failed in the gap"),
        pytest.param(MANY_NEAR, Verdict.REVIEW, ["6.0% of its 360"], id="near-duplicates"),
        pytest.param({"near_duplicates": replace(NEAR, share=None)}, Verdict.CLEAR, [], id="not counted"),
        pytest.param(
            FOUND, Verdict.REVIEW, ["40 training frames one after another"], id="frames in the entry"
        ),
        pytest.param(
            {"entry_scan": replace(SCAN, runs=None, missing="docker stopped")},
            Verdict.REVIEW,
            ["searched for training frames: docker stopped"],
            id="not searched",
        ),
        pytest.param({"entry_scan": None}, Verdict.CLEAR, [], id="not scanned"),
        pytest.param(
            {"delta": 2.0, "delta_ci": (1.8, 2.2), **FLAGGED, **LARGE_GAP, **MANY_NEAR, **FOUND},
            Verdict.COPIED,
            ["+2.000", "3 of 24", "+0.510", "6.0%", "data/shard.bin"],
            id="everything at once",
        ),
    ],
)
def test_the_verdict_follows_from_what_was_found(
    changes: dict[str, Any], verdict: Verdict, words: list[str]
) -> None:
    judgement = judge(replace(HONEST, **changes), THRESHOLDS)
    assert judgement.verdict is verdict
    assert len(judgement.reasons) == len(words)
    for reason, word in zip(judgement.reasons, words, strict=True):
        assert word in reason


def test_a_reason_names_the_thresholds_it_was_measured_against() -> None:
    (reason,) = judge(replace(HONEST, delta=0.7, delta_ci=(0.31, 1.0)), THRESHOLDS).reasons
    for figure in ("+0.310 to +1.000", "7 honest entries", "at most +0.300", "above +0.600"):
        assert figure in reason


def test_a_reason_about_frames_says_where_they_lie() -> None:
    (reason,) = judge(replace(HONEST, **FOUND), THRESHOLDS).reasons
    for part in ("the first of them frame 1500", "data/shard.bin at byte 128 (uint32)", "1 more such runs"):
        assert part in reason


def test_flagged_windows_and_their_tail_are_reported_whatever_the_verdict() -> None:
    judgement = judge(replace(HONEST, delta_by_window=(9.0, *(0.0,) * 23)), THRESHOLDS)
    assert judgement.windows_flagged == 1
    assert judgement.windows_p == pytest.approx(1 - 0.996**24)


def test_without_a_panel_nothing_is_judged() -> None:
    judgement = judge(replace(HONEST, delta=9.0, delta_ci=(8.0, 10.0), **FLAGGED, **MANY_NEAR), None)
    assert judgement.verdict is Verdict.UNCALIBRATED
    assert judgement.windows_flagged is None
    assert judgement.windows_p is None
    assert ["no panel" in reason for reason in judgement.reasons] == [True]


def test_without_a_panel_what_needs_none_is_still_named() -> None:
    judgement = judge(replace(HONEST, **FOUND, **FAILED), None)
    assert judgement.verdict is Verdict.UNCALIBRATED
    assert "no reply within 60 s" in judgement.reasons[1]
    assert "data/shard.bin" in judgement.reasons[2]


def test_a_panel_without_gaps_does_not_judge_one() -> None:
    without = replace(THRESHOLDS, train_gap=None)
    assert judge(replace(HONEST, train_gap=replace(GAP, gap=9.0)), without).verdict is Verdict.CLEAR


@pytest.mark.parametrize(
    ("successes", "tail"), [(0, 1.0), (1, 1 - 0.9**3), (2, 3 * 0.01 * 0.9 + 0.001), (3, 0.001), (4, 0.0)]
)
def test_the_tail_counts_so_many_or_more(successes: int, tail: float) -> None:
    assert binomial_tail(successes, 3, 0.1) == pytest.approx(tail)


@settings(deadline=None)
@given(delta=st.floats(-3, 3), half=st.floats(0, 2))
def test_nothing_but_a_large_and_certain_delta_is_called_copied(delta: float, half: float) -> None:
    found = replace(HONEST, delta=delta, delta_ci=(delta - half, delta + half), **FLAGGED, **FOUND)
    copied = delta > THRESHOLDS.delta_copied and delta - half > THRESHOLDS.delta_max
    assert (judge(found, THRESHOLDS).verdict is Verdict.COPIED) is copied
