"""Who may be in a panel: who is named, what cannot be taken, which ones are references."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.errors import UsageError
from harness.protocol.regimes import DISCLOSURE_ORDER, Regime
from harness.results.members import Members, Request, choose_members
from harness.results.regime_report import RegimeReport
from harness.results.report import EntryFacts, GradeReport, Provenance, Status
from harness.retrieval.report import EntryScan, RetrievalReport, TrainingRun, Verdict
from harness.scoring.state_probe import StateProbe

DIGESTS = {"data_sha256": "d" * 64, "train_sha256": "e" * 64}


def grade(number: int, *, loss: float | None = None, **changes: Any) -> GradeReport:
    """A checked grade of a submission of its own; `changes` are of the report, its provenance or its check."""
    provenance = Provenance(
        harness_version="0", git_commit=None, spec_version="1", gate_version=1, seed=0, schedule="disjoint",
        sandbox="process", sandbox_details={}, limits={}, data_sha256="d" * 64, submission_sha256=f"{number:064d}",
    )  # fmt: skip
    regime = RegimeReport(
        loss=8.0 + number if loss is None else loss, loss_ci=(0.0, 1.0), token_accuracy=0.5, loss_by_frame=(),
        first_frame=1, windows=4, seconds_per_frame=0.1, reply_s_median=0.1, reply_s_p95=0.2, batch=2,
        logits_dtype="<f4", tokens_file="x", tokens_sha256="0",
        state_probe=StateProbe(
            windows=4, mean_gain=0.0, largest_change=0.0, carried_state=False, depends_on_neighbours=None
        ),
    )  # fmt: skip
    check = RetrievalReport(
        verdict=Verdict.UNCALIBRATED, train_sha256="e" * 64, evidence_file="x", evidence_sha256="0"
    )
    report = GradeReport(
        grade_id=f"g{number}",
        finished_at="2025-01-01T00:00:00+00:00",
        status=Status.GRADED,
        entry=EntryFacts(entry_name=f"entry{number}"),
        regimes=dict.fromkeys(DISCLOSURE_ORDER) | {Regime.TEMPORALLY_TEACHER_FORCED: regime},
        failure=None,
        provenance=provenance,
        retrieval=check,
    )
    for name, part in (("provenance", provenance), ("retrieval", check)):
        fields = {key: changes.pop(key) for key in list(changes) if hasattr(part, key)}
        report = replace(report, **{name: replace(part, **fields)}) if fields else report
    return replace(report, **changes)


def chosen(reports: list[GradeReport], notes: list[str] | None = None, **request: Any) -> Members:
    return choose_members(
        reports, Request(**request), **DIGESTS, note=[].append if notes is None else notes.append
    )


def ids(reports: tuple[GradeReport, ...]) -> list[str]:
    return [report.grade_id for report in reports]


FIVE = [grade(number, loss=9.0 - 0.1 * number) for number in range(5)]


def test_only_named_entries_are_members_best_loss_first() -> None:
    assert ids(chosen(FIVE, entries=("g0", "g3", "g1")).honest) == ["g3", "g1", "g0"]


def test_nobody_is_a_member_without_being_named() -> None:
    with pytest.raises(UsageError, match="0 honest entries") as failure:
        chosen(FIVE)
    assert failure.value.code == "usage.panel_too_small"
    assert "g0 (entry0)" in failure.value.fix


def test_two_honest_entries_are_too_few() -> None:
    with pytest.raises(UsageError, match="2 honest entries"):
        chosen(FIVE, entries=("g0", "g1"))


def test_an_entry_named_twice_counts_once() -> None:
    with pytest.raises(UsageError, match="2 honest entries"):
        chosen(FIVE, entries=("g0", "g1", "g1"), references=("g0",))


def test_the_best_two_and_the_median_are_references_unless_others_are_named() -> None:
    everyone = tuple(report.grade_id for report in FIVE)
    assert ids(chosen(FIVE, entries=everyone).references) == ["g4", "g3", "g2"]
    assert ids(chosen(FIVE, entries=everyone, references=("g0", "g1")).references) == ["g1", "g0"]


def test_three_entries_are_each_others_references() -> None:
    """With two references, each of them would be adjusted for one alone."""
    assert ids(chosen(FIVE, entries=("g0", "g1", "g2")).references) == ["g2", "g1", "g0"]


def test_a_store_without_a_grade_of_these_clips_says_what_to_do() -> None:
    with pytest.raises(UsageError) as failure:
        chosen([grade(7, data_sha256="0" * 64)], everything=True)
    assert "grade honest entries so first" in failure.value.fix


def test_a_reference_is_a_member_too() -> None:
    members = chosen(FIVE, entries=("g0",), references=("g1", "g2"))
    assert ids(members.honest) == ["g2", "g1", "g0"]


def test_a_private_reference_is_used_besides_the_public_ones() -> None:
    members = chosen(FIVE, entries=("g0", "g1", "g2", "g3"), private=("g4",))
    assert ids(members.honest) == ["g4", "g3", "g2", "g1", "g0"]
    assert ids(members.references) == ["g4", "g3", "g2", "g1"]
    assert members.private == {"g4"}


def test_one_reference_is_too_few() -> None:
    with pytest.raises(UsageError) as failure:
        chosen(FIVE, entries=("g0", "g1", "g2"), references=("g1",))
    assert failure.value.code == "usage.panel_references"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"status": Status.FAILED}, "it failed", id="failed"),
        pytest.param({"entry": EntryFacts(forbidden_reference=True)}, "on purpose", id="forbidden"),
        pytest.param({"retrieval": None}, "--train", id="unchecked"),
        pytest.param({"evidence_file": None}, "--train", id="no evidence"),
        pytest.param({"data_sha256": "0" * 64}, "other data", id="other data"),
        pytest.param({"train_sha256": "0" * 64}, "another training split", id="other training split"),
    ],
)
def test_what_cannot_be_a_member_is_refused_by_name_and_left_out_of_all(
    changes: dict[str, Any], why: str
) -> None:
    reports = [*FIVE[:3], grade(7, **changes)]
    with pytest.raises(UsageError, match="g7: .*" + why) as failure:
        chosen(reports, entries=("g0", "g1", "g2", "g7"))
    assert failure.value.code == "usage.panel_member"
    assert ids(chosen(reports, everything=True).honest) == ["g2", "g1", "g0"]


def test_a_grade_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="nowhere: the store has no such grade"):
        chosen(FIVE, entries=("g0", "g1", "nowhere"))


SCAN = EntryScan(size_bytes=1, num_files=1, sent_bytes=1)
RUN = TrainingRun(path="x", offset=0, layout="uint32", frames=40, train_frame=0)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"verdict": Verdict.COPIED}, id="copied"),
        pytest.param({"verdict": Verdict.REVIEW}, id="review"),
        pytest.param({"gap_failure": "no reply"}, id="failed in the gap"),
        pytest.param({"entry_scan": replace(SCAN, runs=(RUN,))}, id="holds frames"),
        pytest.param({"entry_scan": replace(SCAN, missing="docker stopped")}, id="not searched"),
    ],
)
def test_a_suspect_is_a_member_only_by_name_and_it_is_said(changes: dict[str, Any]) -> None:
    reports = [*FIVE[:3], grade(7, **changes)]
    notes: list[str] = []
    assert ids(chosen(reports, notes, everything=True).honest) == ["g2", "g1", "g0"]
    assert [note.split()[0] for note in notes] == ["g7"]
    named = chosen(reports, notes, entries=("g7",), everything=True)
    assert ids(named.honest) == ["g2", "g1", "g0", "g7"]
    assert "left out" in notes[0]
    assert "although" in notes[1]
    assert len(notes) == 2


def test_all_takes_the_newest_grade_of_each_submission() -> None:
    again = grade(1, grade_id="again", loss=8.0)
    assert ids(chosen([*FIVE[:3], again], everything=True).honest) == ["again", "g2", "g0"]


def test_an_older_grade_does_not_stand_in_for_a_newer_suspicion() -> None:
    again = grade(3, grade_id="again", verdict=Verdict.COPIED)
    assert ids(chosen([*FIVE[:4], again], everything=True).honest) == ["g2", "g1", "g0"]


def test_two_grades_of_one_submission_are_refused() -> None:
    again = grade(1, grade_id="again")
    with pytest.raises(UsageError, match="g1 and again") as failure:
        chosen([*FIVE, again], entries=("g0", "g1", "g2", "again"))
    assert failure.value.code == "usage.panel_twice"


@pytest.mark.parametrize("changes", [{"schedule": "upstream"}, {"max_windows": 2}])
def test_grades_of_other_windows_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as failure:
        chosen([*FIVE, grade(7, **changes)], entries=("g0", "g1", "g7"))
    assert failure.value.code == "usage.panel_windows"
