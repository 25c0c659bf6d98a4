"""Honest entries judged by each other."""

from __future__ import annotations

from dataclasses import replace

from harness.retrieval.leave_one_out import judged_by_the_others
from harness.retrieval.panel import HonestEntry, Panel
from harness.retrieval.report import TrainGap, Verdict


def entry(number: int, delta: float) -> HonestEntry:
    return HonestEntry(
        grade_id=f"g{number}",
        entry_name="entry",
        submission_sha256=f"{number}",
        finished_at="",
        loss=8.0,
        delta=delta,
        delta_ci=(delta - 0.05, delta + 0.05),
        delta_by_window=(delta, delta / 2),
        train_gap=TrainGap(
            gap=0.1, gap_ci=(0.0, 0.2), heldout_loss=9.0, train_loss=8.9, windows=2, flipped_bits=0.08
        ),
        near_distances=tuple(range(300, 330)),
    )


def panel(*deltas: float) -> Panel:
    return Panel(
        made_at="",
        harness_version="",
        check_version=0,
        data_sha256="",
        train_sha256="",
        probes_sha256="",
        seed=0,
        references=(),
        honest=tuple(entry(number, delta) for number, delta in enumerate(deltas)),
    )


def verdicts(made: Panel) -> list[Verdict]:
    return [judgement.verdict for judgement in judged_by_the_others(made).values()]


def test_entries_that_are_alike_clear_each_other() -> None:
    assert verdicts(panel(0.1, 0.1, 0.1, 0.1)) == [Verdict.CLEAR] * 4


def test_a_copier_in_the_panel_is_copied_to_the_others_and_hides_nobody() -> None:
    assert verdicts(panel(0.1, 0.12, 0.14, 3.0)) == [Verdict.CLEAR] * 3 + [Verdict.COPIED]


def test_every_statistic_is_judged() -> None:
    made = panel(0.1, 0.1, 0.1, 0.1)
    gap = made.honest[0].train_gap
    assert gap is not None
    strange = (
        replace(made.honest[0], train_gap=replace(gap, gap=1.0)),
        replace(made.honest[1], near_distances=tuple(range(30))),
    )
    judged = judged_by_the_others(replace(made, honest=(*strange, *made.honest[2:])))
    assert [len(judgement.reasons) for judgement in judged.values()] == [1, 1, 0, 0]


def test_three_entries_leave_two_which_judge_nobody() -> None:
    assert judged_by_the_others(panel(0.1, 0.1, 3.0)) == {}
