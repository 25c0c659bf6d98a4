"""What leaves the store, as notice, page, JSON and CSV, holds nothing that an entry could have put there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import notice as notices
from harness.cli import main
from harness.errors import Blame
from harness.notice import LOG_BYTES, notice_of
from harness.outcomes import Outcome, outcomes
from harness.plain import to_plain
from harness.protocol.regimes import Regime
from harness.results import public_data
from harness.results.report import Admission, Failure, GradeReport
from harness.results.store import Store
from harness.results.withdrawals import Move, Withdrawal, withdraw
from leaderboard import publishable as publishing

TTF = Regime.TEMPORALLY_TEACHER_FORCED
CANARIES = ("canary-104729", "104729")
"""A held-out token, as an entry says it, and as a message quotes the size or the magic number that it chose."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def smuggler(grades: Any, **options: Any) -> GradeReport:
    """A grade that stopped because its entry put a held-out token wherever it could."""
    report: GradeReport = grades.failed(code="guest.wrong_size", **options)
    words = "the entry's reply has the wrong size: expected 16, got 104729"
    fix = "answer through wmc_guest.serve, not canary-104729"
    failure = Failure(code="guest.wrong_size", blame=Blame.ENTRY, message=words, fix=fix)
    return replace(report, failure=failure, finished_at="2025-01-01T10:47:29+00:00")


def kept(store: Store, report: GradeReport) -> GradeReport:
    """The report in the store, with logs that hold what the entry saw."""
    store.append(report)
    for name in ("build", TTF.value, "train-gap"):
        log = store.grade_folder(report.grade_id) / f"{name}.log"
        log.write_bytes(b"\x1b[2Jcanary-104729\n[wmc] the entry reported: 104729\n")
    return report


def everything_out(store: Store, report: GradeReport, tmp_path: Path, shown: Any) -> bytes:
    """All bytes of the notice and of the published site, on disk and on stdout."""
    where = ["--store", str(store.folder)]
    out, site = tmp_path / "out", tmp_path / "site"
    assert main(["notice", report.grade_id, *where, "-o", str(out)]) == 0
    assert main(["notice", report.grade_id, *where, "--json"]) == 0
    assert main(["leaderboard", *where, "-o", str(site), "--json"]) == 0
    files = [path for folder in (out, site) for path in folder.rglob("*") if path.is_file()]
    assert {".txt", ".json", ".html", ".csv"} <= {path.suffix for path in files}
    printed: str = shown.readouterr().out
    assert report.grade_id in printed
    return printed.encode() + b"".join(path.read_bytes() for path in files)


def canaries_in(content: bytes) -> list[str]:
    return [canary for canary in CANARIES if canary.encode() in content]


def test_nothing_that_an_entry_chose_leaves_a_private_grade(
    grades: Any, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The controls: fixed texts in `told` and `in_fixed_words`, and no logs of private data."""
    content = everything_out(store, kept(store, smuggler(grades)), tmp_path, capsys)
    assert canaries_in(content) == []
    row = outcomes()["guest.wrong_size"]
    assert row.cause.encode() in content
    assert b"10:47" not in content, "when it ended is how long it took"


def in_own_words(failure: Failure) -> Outcome:
    return replace(outcomes()["guest.closed"], cause=failure.message, next_step=failure.fix)


@pytest.mark.parametrize(
    "switch_off",
    [
        lambda patch: patch.setattr(notices, "told", in_own_words),
        lambda patch: patch.setattr(publishing, "in_fixed_words", lambda failure: failure),
        lambda patch: patch.setattr(public_data, "PUBLIC_VAL", ("heldout",)),
    ],
    ids=["the notice's fixed texts", "the page's fixed texts", "logs of public val alone"],
)
def test_without_a_control_it_would_leave(
    grades: Any,
    store: Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    switch_off: Callable[[pytest.MonkeyPatch], None],
) -> None:
    """The twin: each control, switched off alone, lets a canary out."""
    switch_off(monkeypatch)
    assert canaries_in(everything_out(store, kept(store, smuggler(grades)), tmp_path, capsys)) == list(
        CANARIES
    )


def test_logs_of_val_go_along_printable_and_capped(grades: Any, store: Store, tmp_path: Path) -> None:
    report = kept(store, smuggler(grades, data_name="val_v1.1"))
    (store.grade_folder(report.grade_id) / "build.log").write_bytes(b"first\x1b" + b"x" * LOG_BYTES + b"last")
    assert main(["notice", report.grade_id, "--store", str(store.folder), "-o", str(tmp_path / "out")]) == 0
    logs = {path.name: path.read_text() for path in (tmp_path / "out" / "logs").iterdir()}
    assert set(logs) == {"build.log", f"{TTF.value}.log", "train-gap.log"}
    assert logs[f"{TTF.value}.log"] == " [2Jcanary-104729\n[wmc] the entry reported: 104729\n"
    assert logs["build.log"].endswith("xlast")
    assert "first" not in logs["build.log"]
    assert len(logs["build.log"]) < LOG_BYTES + 100


def test_logs_of_what_ran_outside_of_a_container_do_not_go_along(
    grades: Any, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: `_ISOLATED`. An entry in the process sandbox could read held-out data and print it, on val too."""
    report = kept(store, smuggler(grades, data_name="val", sandbox="process"))
    command = ["notice", report.grade_id, "--store", str(store.folder), "-o"]
    assert main([*command, str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "logs").exists()
    monkeypatch.setattr(notices, "_ISOLATED", "process")
    assert main([*command, str(tmp_path / "again")]) == 0
    assert (tmp_path / "again" / "logs").is_dir()


def test_figures_of_private_data_are_coarse_and_those_of_val_finer(grades: Any) -> None:
    private = notice_of(grades.seen(0.123456, psnr=20.123456, loss=8.123456), []).figures[TTF]
    assert (private.loss, private.token_accuracy, private.seconds_per_frame) == (8.12, 0.032, 0.075)
    assert (private.lpips, private.psnr) == (0.12, 20.1)
    public = notice_of(grades.graded(loss=8.123456, provenance={"data_name": "val"}), []).figures[TTF]
    assert (public.loss, public.token_accuracy, public.seconds_per_frame) == (8.1235, 0.032, 0.075)
    absurd = notice_of(grades.graded(loss=123456.789), []).figures[TTF]
    assert absurd.loss == pytest.approx(24.95, abs=0.01), (
        "the digits of an absurd loss would be anything at all"
    )


def test_a_notice_holds_no_figure_of_a_window_a_frame_or_a_stage(grades: Any, found: Any) -> None:
    report = grades.graded(loss=8.5, provenance={"durations_s": {"build": 12.3456}})
    said = json.dumps(to_plain(notice_of(replace(report, retrieval=found()), [])))
    for name in ("by_frame", "by_window", "ci", "durations", "sources", "strips", "tokens_file"):
        assert name not in said
    assert '"retrieval": "copied"' in said


@pytest.mark.parametrize(
    ("code", "blame", "counts"),
    [
        ("guest.timeout", Blame.ENTRY, True),
        ("sandbox.disk", Blame.OPERATOR, False),
        ("grade.bug", Blame.BUG, False),
    ],
)
def test_only_what_the_entry_did_counts_as_an_attempt(
    grades: Any, code: str, blame: Blame, counts: bool
) -> None:
    failed = grades.failed(code=code, blame=blame)
    assert notice_of(failed, []).counts_as_attempt is counts
    assert notice_of(replace(failed, regrade_of="another"), []).counts_as_attempt is False


def test_a_notice_is_not_written_over_another(
    grades: Any, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = kept(store, smuggler(grades))
    assert main(["notice", report.grade_id, "--store", str(store.folder), "-o", str(tmp_path)]) == 2
    assert "usage.output_exists" in capsys.readouterr().err


def test_the_organiser_is_told_how_to_get_logs_that_may_be_sent(
    grades: Any, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    report = kept(store, smuggler(grades))
    main(["notice", report.grade_id, "--store", str(store.folder)])
    shown = capsys.readouterr()
    assert "wmc grade ZIP --data DATA/val_v1.1 --windows 8 --sandbox docker" in shown.err
    assert str(store.folder) not in shown.out
    assert all(len(line) <= 80 for line in shown.out.splitlines())


def test_figures_of_private_data_are_told_only_where_they_are_announced(
    grades: Any, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Control: the Ladder, in what an entrant is sent; twin: the same grade on public val."""
    told = {}
    for data in ({}, {"data_name": "val", "data_sha256": "99" * 32}):
        for loss in (8.0, 8.654321):
            report = grades.graded(loss=loss, provenance=data)
            store.append(report)
            assert main(["notice", report.grade_id, "--store", str(store.folder)]) == 0
            told[report.provenance.data_name, loss] = capsys.readouterr().out
    assert "8.00" in told["heldout", 8.0]
    assert "No announced improvement" in told["heldout", 8.654321]
    assert not any(digits in told["heldout", 8.654321] for digits in ("8.65", "0.032", "8.95"))
    assert "8.6543" in told["val", 8.654321]


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_verdict_on_copying_is_sent_with_figures_alone_and_the_organiser_is_told(
    grades: Any, found: Any, store: Store, capsys: pytest.CaptureFixture[str], is_announced: bool
) -> None:
    """The control is `is_told` of `notice_of`: an entry chooses whether it copies, by the frames that it sees."""
    store.append(grades.graded(loss=8.0))
    report = grades.graded(loss=7.0 if is_announced else 9.0, retrieval=found())
    store.append(report)
    assert main(["notice", report.grade_id, "--store", str(store.folder)]) == 0
    shown = capsys.readouterr()
    assert ("copied" in shown.out) is is_announced
    noted = "its verdict on copying, copied, is not in the notice" in " ".join(shown.err.split())
    assert noted is not is_announced
    assert (notice_of(report, [], is_announced=is_announced).retrieval == "copied") is is_announced


def test_data_that_was_admitted_as_private_is_private_in_any_folder(grades: Any) -> None:
    private = grades.graded(
        loss=8.654321, provenance={"data_name": "val", "admission": Admission(attempt=1, approved_by="org")}
    )
    assert notice_of(private, []).is_private
    assert notice_of(private, []).figures[TTF].loss == 8.65


def test_the_notice_of_a_withdrawn_grade_says_so_and_not_who_decided(
    grades: Any, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control is `withdrawal` of `notice_of`; the twin is the notice before the decision, and of a regrade too."""
    report = grades.graded(loss=7.0)
    again = replace(report, grade_id="20250301-000000-00000009", regrade_of=report.grade_id)
    for each in (report, again):
        store.append(each)
    where = ["--store", str(store.folder)]
    assert main(["notice", report.grade_id, *where]) == 0
    assert "withdrawn" not in capsys.readouterr().out
    decided = Withdrawal(
        move=Move.WITHDRAWN, grade_id=report.grade_id, by="RITA", reason="asked for [by] its entrant"
    )
    day = withdraw(store, decided).at[:10]
    for grade_id in (report.grade_id, again.grade_id):
        assert main(["notice", grade_id, *where]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "status withdrawn; it was graded" in text
        assert f"by the organiser on {day}: asked for [by] its entrant" in text
        assert "RITA" not in text
        assert (f"said of {report.grade_id}, whose answers" in text) is (grade_id == again.grade_id)
    assert main(["notice", again.grade_id, *where, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["withdrawn"]
    assert told == {"day": day, "reason": "asked for [by] its entrant", "answers_of": report.grade_id}
