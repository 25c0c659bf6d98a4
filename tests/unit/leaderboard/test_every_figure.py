"""Every number of a private grade's record, each in turn made one that an entry chose: its digits leave nowhere."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from harness import notice as notices
from harness.notice import clamped, notice_of
from harness.plain import to_plain
from harness.results.report import GradeReport
from harness.retrieval.report import RetrievalReport, Thresholds, TrainGap, Verdict
from harness.retrieval.verdict import Findings, judge
from leaderboard import figures, ladder, publishable_retrieval
from leaderboard.exports import grade_to_json, to_json
from leaderboard.figures import COARSE
from leaderboard.grade_pages import grade_pages
from leaderboard.ladder import announce
from leaderboard.publishable_retrieval import summary
from leaderboard.render import render, render_grade, render_sampling
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import standings

CHOSEN = (-123456789.123456, 123456789.123456, 0.123456789)
"""A number that spells out digits of an entry's choice: far below, far beyond, and between."""
DIGITS = "123456"
COUNTED = {
    "windows", "first_frame", "batch", "draws", "frames", "train_frame", "train_frames", "window", "frame", "bits",
    "windows_flagged", "honest", "seed", "size_bytes", "num_files", "sent_bytes", "parameters", "offset", "width",
    "height", "train_segment", "train_offset",
}  # fmt: skip
"""Whole numbers that the host counts or draws, none larger than what there is to count, or the manifest says; `batch`
is asked for before anything is shown."""
Path = tuple[Any, ...]


def numbers(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where numbers lie, of a record as plain JSON; of a list the first two stand for all."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value[:2])
        for key, each in pairs:
            yield from numbers(each, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool) and path[-1] not in COUNTED:
        yield path


def with_number(plain: dict[str, Any], path: Path, number: float) -> GradeReport:
    changed: Any = copy.deepcopy(plain)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = number
    return GradeReport.from_json(changed)


def everything_published(report: GradeReport) -> str:
    """The notice, and what the site has of this grade."""
    announced = announce([report])
    shown = standings([report], announced)
    (page,) = grade_pages([report], shown, announced=announced)
    told = to_plain(notice_of(report, [report]))
    plain = json.dumps([told, grade_to_json(page), to_json(shown)], allow_nan=False)
    return plain + to_csv(shown) + render_grade(page) + render(shown) + render_sampling(shown)


@pytest.fixture
def record(grades: Any, found: Any) -> dict[str, Any]:
    """Everything measured, of private data, as a store holds it."""
    report = grades.seen(0.3, psnr=20.0, draws=3, retrieval=found())
    regimes = {
        regime: result
        and replace(
            result, ssim=result.lpips, ssim_ci=result.lpips_ci, ssim_by_frame=result.lpips_by_frame,
            loss_by_window=(8.0, 9.0),
        )
        for regime, result in report.regimes.items()
    }  # fmt: skip
    plain: dict[str, Any] = replace(report, regimes=regimes).to_json()
    return {**plain, "retrieval": {**plain["retrieval"], "reasons": []}}


def leaks(record: dict[str, Any], *names: str) -> set[str]:
    """The names of the figures that come out with the digits that were put into them; of these names, or of all."""
    paths = {
        path: name_of(path) for part in ("regimes", "retrieval") for path in numbers(record[part], (part,))
    }
    assert set(names) <= set(paths.values())
    return {
        name
        for path, name in paths.items()
        if not names or name in names
        for number in CHOSEN
        if DIGITS in everything_published(with_number(record, path, number))
    }


def name_of(path: Path) -> str:
    return [key for key in path if isinstance(key, str)][-1]


def test_no_number_of_a_private_record_comes_out_with_its_digits(record: dict[str, Any]) -> None:
    """The control is `clamped`, both ends of it, in every figure of page and notice; twins are below."""
    assert DIGITS not in everything_published(GradeReport.from_json(record))
    assert leaks(record) == set()


SCORED = ("loss", "loss_ci", "loss_by_frame", "token_accuracy", "psnr", "ssim_ci", "best_of_k")
CHECKED = ("delta", "gap", "gap_ci", "heldout_loss", "share", "path_share")


def test_with_figures_cut_at_the_top_alone_their_digits_come_out(
    record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: the lower end of `clamped` switched off, and the second serving told as it was."""
    monkeypatch.setattr(figures, "clamped", lambda value, _low, high: min(value, high))
    monkeypatch.setattr(ladder, "COARSE", replace(COARSE, probe=2))
    every = (*SCORED, *CHECKED, "mean_gain", "largest_change")
    assert leaks(record, *every) == set(every)


def test_with_a_notice_cut_at_the_top_alone_its_digits_come_out(
    record: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin, of what the entrant is sent."""
    monkeypatch.setattr(notices, "clamped", lambda value, _low, high: min(value, high))
    assert leaks(record, "loss", "token_accuracy", "psnr") == {"loss", "token_accuracy", "psnr"}


def test_of_private_data_no_figure_of_the_second_serving_is_published(record: dict[str, Any]) -> None:
    """The control is `Precision.probe`: these answers cost no score, so two digits of each would be the entry's choice.
    The twin is the same grade of data that everybody has."""
    report = GradeReport.from_json(record)
    val = replace(report, provenance=replace(report.provenance, data_name="val"))
    for each, gains in ((report, {None}), (val, {0.0})):
        announced = announce([each])
        (page,) = grade_pages([each], standings([each], announced), announced=announced)
        probes = [found["state_probe"] for found in grade_to_json(page)["regimes"].values() if found]
        assert {probe["mean_gain"] for probe in probes} == gains
        assert {probe["largest_change"] for probe in probes} == gains
        assert {probe["carried_state"] for probe in probes} == {False}, "what they say is published"
        assert ("These answers cost nothing" in render_grade(page)) is (gains == {None})


def sentence(gap: float, thresholds: Thresholds) -> str:
    """What the verdict says of a train gap, as it is published of private data."""
    measured = TrainGap(
        gap=gap, gap_ci=(gap, gap), heldout_loss=gap + 9, train_loss=9.0, windows=32, flipped_bits=0.08
    )
    found = Findings(delta=0.0, delta_ci=(0.0, 0.0), delta_by_window=(0.0,), train_gap=measured)
    judged = judge(found, thresholds)
    assert judged.verdict is Verdict.REVIEW
    report = RetrievalReport(verdict=judged.verdict, reasons=judged.reasons, train_gap=measured)
    return summary(report, COARSE).reasons[0]


def test_a_sentence_of_the_verdict_has_no_more_digits_than_figures_have(
    found: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control is `clamped` in `_shortened`; the twin is the same sentence without it."""
    thresholds = found().thresholds
    assert "+0.51 nats per token better" in sentence(0.512345, thresholds)
    assert "+100.00 nats per token better" in sentence(1234567890123456.0, thresholds)
    monkeypatch.setattr(publishable_retrieval, "clamped", lambda value, _low, _high: value)
    assert DIGITS in sentence(1234567890123456.0, thresholds)


def test_bits_of_a_sentence_are_the_panels_and_stay(found: Any) -> None:
    words = "1.2% of its 360 predicted frames are closer than 312.5 bits to a training frame"
    (said,) = summary(found(reasons=(words,)), COARSE).reasons
    assert "closer than 312.5 bits" in said


def test_not_a_number_is_no_end_of_a_range() -> None:
    assert str(clamped(float("nan"), 0, 1)) == "nan"
    assert [clamped(value, 0, 1) for value in (-5, 0.5, 5)] == [0, 0.5, 1]
