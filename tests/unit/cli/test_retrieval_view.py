"""What a terminal says of copies of the training set: the verdict, why, the figures, and what to do next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.cli.console import Console
from harness.cli.retrieval_view import retrieval_lines, show_retrieval
from harness.retrieval.report import EntryScan, RetrievalReport, Thresholds, TrainGap, TrainingRun, Verdict

HONEST = Thresholds(
    delta_max=0.25, delta_sd=0.05, delta_copied=0.4, window_delta=0.8, window_rate=0.01, windows_p=0.001,
    train_gap=0.2, near_bits=300, near_share=0.001, honest=5,
)  # fmt: skip
FOUND = RetrievalReport(
    verdict=Verdict.COPIED,
    reasons=("delta is larger than any honest one",),
    delta=1.23456,
    delta_ci=(1.1, 1.3),
    delta_by_window=(1.0, 2.0, 0.1),
    windows_flagged=2,
    windows_p=0.0003,
    train_gap=TrainGap(
        gap=0.5, gap_ci=(0.25, 0.75), heldout_loss=9.5, train_loss=9.0, windows=3, flipped_bits=0.08
    ),
    thresholds=HONEST,
)


def text(found: RetrievalReport) -> str:
    return "\n".join(retrieval_lines(found))


def test_every_figure_stands_with_its_interval_beside_its_threshold() -> None:
    shown = text(FOUND)
    assert "copied" in shown.splitlines()[0]
    assert "delta is larger than any honest one" in shown
    assert "delta +1.235, 95% +1.100 to +1.300, spreads (copied above +0.400" in shown
    assert "flagged windows 2 of 3, p 0.0003 (review below 0.001)" in shown
    assert "train gap +0.500, 95% +0.250 to +0.750, nats per token (review above +0.200)" in shown


def test_its_lines_fit_a_terminal_but_for_a_reason_of_which_there_is_one() -> None:
    reasons = ("a long reason " * 20, "another one", "a third one")
    for verdict in Verdict:
        first, *lines = retrieval_lines(replace(FOUND, verdict=verdict, reasons=reasons))
        assert len(first) <= 80
        assert sum(len(line) > 80 for line in lines) == (verdict in {Verdict.REVIEW, Verdict.COPIED})
    assert "  and 2 more: on its page" in text(replace(FOUND, reasons=reasons))


def test_without_a_panel_no_threshold_is_named_and_nobody_is_accused() -> None:
    shown = text(replace(FOUND, verdict=Verdict.UNCALIBRATED, thresholds=None, reasons=()))
    assert "+1.235" in shown
    assert "above" not in shown
    assert "no panel" in shown


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_says_what_to_do_next(verdict: Verdict) -> None:
    shown = list(retrieval_lines(RetrievalReport(verdict=verdict)))
    assert shown[0].startswith(f"copies of the training set: {verdict.value}: ")
    assert shown[-1].startswith("  next: ")


def test_a_suspicion_is_decided_by_a_person() -> None:
    for verdict in (Verdict.REVIEW, Verdict.COPIED):
        assert "a person decides" in text(RetrievalReport(verdict=verdict))


def test_what_was_not_measured_says_why() -> None:
    found = RetrievalReport(verdict=Verdict.UNMEASURED, missing="no training set was named")
    assert "not measured: no training set was named" in text(found)


def test_training_frames_in_the_entry_are_counted() -> None:
    runs = tuple(
        TrainingRun(path="w.bin", offset=0, layout="uint32", frames=frames, train_frame=7)
        for frames in (30, 4)
    )
    scan = EntryScan(size_bytes=9, num_files=1, sent_bytes=9, runs=runs)
    assert "training frames found in the entry: 34" in text(replace(FOUND, entry_scan=scan))
    assert "found in the entry" not in text(replace(FOUND, entry_scan=replace(scan, runs=())))


def test_it_is_a_result_and_its_text_is_no_markup(capsys: Any) -> None:
    show_retrieval(replace(FOUND, reasons=("[red]\x1b[2J",)), Console(), as_json=False)
    shown = capsys.readouterr()
    assert "[red]" in shown.out
    assert "\x1b" not in shown.out
    assert shown.err == ""


@pytest.mark.parametrize(("verdict", "alarming"), [(Verdict.COPIED, True), (Verdict.CLEAR, False)])
def test_beside_json_only_a_suspicion_is_said(capsys: Any, verdict: Verdict, alarming: bool) -> None:
    show_retrieval(replace(FOUND, verdict=verdict), Console(), as_json=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert bool(shown.err) is alarming
