"""A verdict stays with the zip it was reached on."""

from __future__ import annotations

from dataclasses import replace

from harness.retrieval.report import Verdict
from leaderboard.verdicts import Badge, badge_of, with_latest_check

COPIED_ZIP = {"submission_sha256": "a" * 64}


def test_grading_again_without_the_training_clip_or_the_panel_hides_no_verdict(grades, found) -> None:
    copied = grades.graded(retrieval=found(), provenance=COPIED_ZIP)
    again = grades.graded(provenance=COPIED_ZIP)
    interrupted = grades.graded(retrieval=replace(found(), verdict=Verdict.UNMEASURED), provenance=COPIED_ZIP)
    no_panel = grades.graded(retrieval=replace(found(), verdict=Verdict.UNCALIBRATED), provenance=COPIED_ZIP)
    assert badge_of(again) is badge_of(interrupted) is Badge.UNCHECKED
    every = [copied, again, interrupted, no_panel]
    kept = with_latest_check(every)
    assert [badge_of(report) for report in kept] == [Badge.COPIED] * 4
    assert [report.grade_id for report in kept] == [report.grade_id for report in every]


def test_a_later_check_of_the_same_zip_counts(grades, found) -> None:
    copied = grades.graded(retrieval=found(), provenance=COPIED_ZIP)
    cleared = grades.graded(retrieval=replace(found(), verdict=Verdict.CLEAR), provenance=COPIED_ZIP)
    again = grades.graded(provenance=COPIED_ZIP)
    kept = with_latest_check([copied, cleared, again])
    assert [badge_of(report) for report in kept] == [Badge.COPIED, Badge.CLEAR, Badge.CLEAR]


def test_another_zip_and_other_data_have_verdicts_of_their_own(grades, found) -> None:
    copied = grades.graded(retrieval=found(), provenance=COPIED_ZIP)
    other_zip = grades.graded(provenance={"submission_sha256": "b" * 64})
    other_data = grades.graded(provenance={**COPIED_ZIP, "data_sha256": "c" * 64})
    kept = with_latest_check([copied, other_zip, other_data])
    assert [badge_of(report) for report in kept[1:]] == [Badge.UNCHECKED] * 2
