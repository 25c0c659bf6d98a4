"""Regrading: a new record by today's scoring, that names the old one, from whole answers only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import StoreFailed, UsageError
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.recomputing import regrading
from harness.recomputing.regrading import RegradeRequest, regrade
from harness.recomputing.verification import Means, verify_grade
from harness.results.checks import Outcome
from harness.results.report import Failure, GradeReport, Status
from harness.results.store import Store
from harness.retrieval.report import Verdict

TTF = Regime.TEMPORALLY_TEACHER_FORCED


def regraded(kept: Any, **request: Any) -> GradeReport:
    return regrade(RegradeRequest(grade_id=kept.grade_id, **request), store=kept.store, progress=Silent())


def test_a_regrade_is_a_new_record_that_names_the_old_one_which_stays(kept: Any) -> None:
    report = regraded(kept, data=kept.data)
    assert kept.store.reports() == [kept.report, report]
    assert report.regrade_of == kept.grade_id
    assert report.grade_id != kept.grade_id
    one, other = kept.report.regimes[TTF], report.regimes[TTF]
    assert other.loss == pytest.approx(one.loss, rel=2.0**-23)
    assert other.loss_ci == pytest.approx(one.loss_ci, rel=2.0**-23)
    assert other.token_accuracy == one.token_accuracy
    assert (other.tokens_file, other.seconds_per_frame) == (one.tokens_file, one.seconds_per_frame)
    again = verify_grade(kept.store, report.grade_id, Means(data=kept.data), progress=Silent())
    assert not [check for check in again if check.outcome is Outcome.DIFFERENT]


def test_a_record_of_older_scoring_gets_todays_figures(kept: Any, tmp_path: Path) -> None:
    one = kept.report.regimes[TTF]
    old = replace(
        kept.report,
        grade_id="old",
        provenance=replace(kept.report.provenance, scoring_version=1),
        regimes={**kept.report.regimes, TTF: replace(one, loss_ci=(1.0, 2.0))},
    )
    kept.store.append(old)
    report = regrade(RegradeRequest(grade_id="old"), store=kept.store, progress=Silent())
    other = report.regimes[TTF]
    assert other is not None
    assert other.loss_ci == pytest.approx(one.loss_ci, rel=2.0**-23)
    assert other.token_accuracy == one.token_accuracy, "taken over: there was no clip"
    assert report.provenance.scoring_version == kept.report.provenance.scoring_version


def test_a_regrade_can_be_regraded(kept: Any) -> None:
    first = regraded(kept)
    second = regrade(RegradeRequest(grade_id=first.grade_id), store=kept.store, progress=Silent())
    assert second.regrade_of == first.grade_id
    assert second.regimes == first.regimes


def test_damaged_answers_are_refused_and_nothing_is_recorded(kept: Any) -> None:
    path = kept.store.folder / kept.report.regimes[TTF].tokens_file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(StoreFailed) as caught:
        regraded(kept)
    assert caught.value.code == "store.artifact_damaged"
    assert kept.store.reports() == [kept.report]


def test_answers_to_fewer_windows_than_the_record_counts_are_refused(kept: Any) -> None:
    result = replace(kept.report.regimes[TTF], windows=5)
    partial = replace(kept.report, grade_id="partial", regimes={**kept.report.regimes, TTF: result})
    kept.store.append(partial)
    with pytest.raises(StoreFailed) as caught:
        regrade(RegradeRequest(grade_id="partial"), store=kept.store, progress=Silent())
    assert caught.value.code == "store.partial"
    assert len(kept.store.reports()) == 2


def edit(store: Store, report: GradeReport) -> None:
    with closing(sqlite3.connect(store.folder / "grades.sqlite")) as database:
        database.execute("DROP TRIGGER grades_are_not_edited")
        database.execute("UPDATE grades SET report = ?", (json.dumps(report.to_json()),))
        database.commit()


def test_an_edited_record_is_not_made_honest_by_a_regrade(kept: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the store is checked first. Switched off, the edited name would stand in a record that verifies."""
    edit(kept.store, replace(kept.report, entry=replace(kept.report.entry, user_name="eve")))
    with pytest.raises(StoreFailed) as caught:
        regraded(kept)
    assert caught.value.code == "store.not_as_recorded"
    monkeypatch.setattr(regrading, "require_as_recorded", lambda _store: None)
    assert regraded(kept).entry.user_name == "eve"


def test_a_failed_grade_and_one_of_other_questions_have_nothing_to_score(kept: Any) -> None:
    failure = Failure(code="guest.closed", blame=UsageError.blame, message="it crashed", fix="look")
    failed = replace(kept.report, grade_id="failed", status=Status.FAILED, failure=failure)
    provenance = replace(kept.report.provenance, spec_version="0")
    other = replace(kept.report, grade_id="other", provenance=provenance)
    for report, code in ((failed, "usage.not_graded"), (other, "usage.other_spec")):
        kept.store.append(report)
        with pytest.raises(UsageError) as caught:
            regrade(RegradeRequest(grade_id=report.grade_id), store=kept.store, progress=Silent())
        assert caught.value.code == code


@pytest.mark.parametrize("given", [("train",), ("panel",), ("data", "train"), ("data", "panel")])
def test_options_of_the_retrieval_check_need_what_it_needs(kept: Any, given: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        regraded(kept, **dict.fromkeys(given, kept.data))
    assert caught.value.code == "usage.train"


def test_the_retrieval_check_is_judged_again_from_its_evidence(keep: Callable[..., Any]) -> None:
    kept = keep(check_copies=True)
    old = kept.report.retrieval
    wrong = replace(kept.report, grade_id="wrong", retrieval=replace(old, delta=9.0, verdict=Verdict.COPIED))
    kept.store.append(wrong)
    request = RegradeRequest(grade_id="wrong", data=kept.data, train=kept.train)
    found = regrade(request, store=kept.store, progress=Silent()).retrieval
    assert found is not None
    assert (found.delta, found.verdict, found.sources) == (old.delta, old.verdict, old.sources)
    assert (found.train_gap, found.entry_scan) == (old.train_gap, old.entry_scan)
    assert found.evidence_sha256 == old.evidence_sha256
    assert found.evidence_file != old.evidence_file
    request = RegradeRequest(grade_id=kept.grade_id, data=kept.data)
    assert regrade(request, store=kept.store, progress=Silent()).retrieval == old, "taken over"


def test_whoever_scores_a_withdrawn_grade_again_is_told_that_it_stays_withdrawn(
    kept: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    where = [kept.report.grade_id, "--store", str(kept.store.folder)]
    assert main(["regrade", *where]) == 0
    assert "withdrawn" not in capsys.readouterr().err
    assert main(["withdraw", *where, "--by", "rita", "--reason", "a slip"]) == 0
    capsys.readouterr()
    assert main(["regrade", *where]) == 0
    said = " ".join(capsys.readouterr().err.split())
    new = kept.store.reports()[-1].grade_id
    assert f"{kept.report.grade_id} is withdrawn, and so is this regrade" in said
    assert f"wmc withdraw {new} --restore" in said
