"""Verification: an untouched record is as recorded to the last figure, and whatever was changed is named."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import StoreFailed, UsageError
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.recomputing import verification
from harness.recomputing.verification import Means, verify_grade
from harness.results.checks import Check, Outcome
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.retrieval.report import Verdict

TTF = Regime.TEMPORALLY_TEACHER_FORCED
NAME = "temporally teacher-forced"


def verified(kept: Any, store: Store | None = None, **means: Any) -> list[Check]:
    return verify_grade(store or kept.store, kept.grade_id, Means(**means), progress=Silent())


def wrong(checks: list[Check]) -> list[str]:
    return [check.what for check in checks if check.outcome is Outcome.DIFFERENT]


def right(checks: list[Check]) -> set[str]:
    return {check.what for check in checks if check.outcome is Outcome.SAME}


def rewritten(kept: Any, report: GradeReport, folder: Path) -> Store:
    """A store of the same files whose record says something else, chained as if it had always said so."""
    shutil.copytree(kept.store.folder / "grades", folder / "grades")
    store = Store(folder)
    store.append(report)
    return store


def with_figures(kept: Any, **figures: Any) -> GradeReport:
    result = replace(kept.report.regimes[TTF], **figures)
    return replace(kept.report, regimes={**kept.report.regimes, TTF: result})


def test_an_untouched_record_is_as_recorded(kept: Any) -> None:
    checks = verified(kept, data=kept.data)
    assert wrong(checks) == []
    figures = ("loss", "interval", "loss by frame", "loss by window", "accuracy")
    assert {f"{NAME}: {figure}" for figure in figures} <= right(checks)
    drawn = "fully autoregressive"
    assert {f"{drawn}: loss over draws", f"{drawn}: accuracy over draws", "rows", "files"} <= right(checks)


def test_what_cannot_be_repeated_is_said_with_the_reason(kept: Any) -> None:
    told = {check.what: check.detail for check in verified(kept) if check.outcome is Outcome.UNCHECKED}
    assert "--data" in told[f"{NAME}: accuracy"]
    assert f"{NAME}: state probe, timing" in told


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("loss", lambda it: it.loss * (1 - 1e-6)),
        ("loss_ci", lambda it: (it.loss_ci[0] - 1e-4, it.loss_ci[1])),
        ("loss_by_frame", lambda it: (it.loss_by_frame[0] - 1e-4, *it.loss_by_frame[1:])),
        ("loss_by_frame", lambda it: it.loss_by_frame[1:]),
        ("loss_by_window", lambda it: (it.loss_by_window[0] - 1e-4, *it.loss_by_window[1:])),
        ("token_accuracy", lambda it: it.token_accuracy + 1e-9),
        ("first_frame", lambda it: it.first_frame + 1),
    ],
)
def test_a_figure_that_the_answers_do_not_give_is_named_with_both_values(
    kept: Any, tmp_path: Path, figure: str, value: Callable[[Any], Any]
) -> None:
    report = with_figures(kept, **{figure: value(kept.report.regimes[TTF])})
    checks = verified(kept, rewritten(kept, report, tmp_path / "other"), data=kept.data)
    words = {"loss_ci": "interval", "token_accuracy": "accuracy"}.get(figure, figure.replace("_", " "))
    assert wrong(checks) == [f"{NAME}: {words}"]
    (check,) = (check for check in checks if check.outcome is Outcome.DIFFERENT)
    assert "recorded" in check.detail
    assert "recomputed" in check.detail


def test_the_tolerance_is_no_more_than_float32_takes(kept: Any, tmp_path: Path) -> None:
    loss = kept.report.regimes[TTF].loss
    with np.load(kept.store.folder / kept.report.regimes[TTF].tokens_file) as arrays:
        error = abs(arrays["nats"].mean(dtype=np.float64) - loss) / loss
    assert 0 < error < 2.0**-24
    report = with_figures(kept, loss=loss * (1 + 2.0**-22))
    assert wrong(verified(kept, rewritten(kept, report, tmp_path / "other"))) == [f"{NAME}: loss"]


def test_without_the_comparison_a_wrong_loss_goes_unseen(
    kept: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control switched off."""
    store = rewritten(kept, with_figures(kept, loss=1.0), tmp_path / "other")
    assert wrong(verified(kept, store)) == [f"{NAME}: loss"]
    monkeypatch.setattr(verification, "NATS_TOLERANCE", 1e9)
    assert wrong(verified(kept, store)) == []


def test_an_edited_row_is_named_beside_the_figures(kept: Any) -> None:
    with closing(sqlite3.connect(kept.store.folder / "grades.sqlite")) as database:
        database.execute("DROP TRIGGER grades_are_not_edited")
        text = json.dumps(with_figures(kept, loss=1.0).to_json())
        database.execute("UPDATE grades SET report = ?", (text,))
        database.commit()
    assert wrong(verified(kept)) == ["rows", f"{NAME}: loss"]


def test_a_damaged_and_a_lost_file_are_named(kept: Any) -> None:
    path = kept.store.folder / kept.report.regimes[TTF].tokens_file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert wrong(verified(kept)) == ["files", NAME]
    path.unlink()
    assert wrong(verified(kept)) == ["files", NAME]


def test_an_inventory_that_was_edited_is_named(kept: Any, tmp_path: Path) -> None:
    """Control: its digest in the record. Otherwise a file could be taken off the list of what was built."""
    (tmp_path / "list").write_bytes(b"every file")
    file, sha256 = kept.store.keep_copy(kept.report.grade_id, "built.files.jsonl.gz", tmp_path / "list")
    origin = replace(kept.report.provenance, inventory_file=file, inventory_sha256=sha256)
    store = rewritten(kept, replace(kept.report, provenance=origin), tmp_path / "other")
    assert wrong(verify_grade(store, kept.report.grade_id, Means(), progress=Silent())) == []
    (store.folder / file).write_bytes(b"every file but one")
    (check,) = [
        check
        for check in verify_grade(store, kept.report.grade_id, Means(), progress=Silent())
        if check.outcome is Outcome.DIFFERENT
    ]
    assert (check.what, file in check.detail) == ("files", True)


def test_fewer_windows_than_the_record_counts_give_no_figure(kept: Any, tmp_path: Path) -> None:
    """Control: no figure is taken from a part, not even from one with a matching digest."""
    report = kept.report
    path = kept.store.folder / report.regimes[TTF].tokens_file
    with np.load(path) as arrays:
        np.savez_compressed(path, **{name: arrays[name][:3] for name in arrays.files})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    store = rewritten(kept, with_figures(kept, tokens_sha256=digest), tmp_path / "other")
    (check,) = (check for check in verified(kept, store) if check.outcome is Outcome.DIFFERENT)
    assert check.what == NAME
    assert "no figure is taken from a part" in check.detail


def test_an_interval_that_older_scoring_drew_is_not_judged(kept: Any, tmp_path: Path) -> None:
    old = replace(kept.report, provenance=replace(kept.report.provenance, scoring_version=1))
    checks = verified(kept, rewritten(kept, old, tmp_path / "other"))
    assert wrong(checks) == []
    assert f"{NAME}: interval" in {check.what for check in checks if check.outcome is Outcome.UNCHECKED}


def test_losses_too_large_to_be_kept_are_said_not_to_be_checked(kept: Any, tmp_path: Path) -> None:
    path = kept.store.folder / kept.report.regimes[TTF].tokens_file
    with np.load(path) as arrays:
        kept_arrays = {name: arrays[name] for name in arrays.files}
    kept_arrays["nats"][0, 0, 0, 0] = np.finfo(np.float32).max
    np.savez_compressed(path, **kept_arrays)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    store = rewritten(kept, with_figures(kept, tokens_sha256=digest), tmp_path / "other")
    checks = verified(kept, store)
    assert wrong(checks) == []
    assert f"{NAME}: losses" in {check.what for check in checks if check.outcome is Outcome.UNCHECKED}


def test_other_data_than_was_graded_is_refused(kept: Any, make_clip: Callable[..., Path]) -> None:
    with pytest.raises(UsageError) as caught:
        verified(kept, data=make_clip((226,) * 4, hold=7, name="other"))
    assert caught.value.code == "usage.other_data"


def test_a_grade_that_is_not_there_is_told(kept: Any) -> None:
    with pytest.raises(StoreFailed) as caught:
        verify_grade(kept.store, "nothing", Means(), progress=Silent())
    assert caught.value.code == "store.no_such_grade"


def test_the_retrieval_check_is_found_again_from_its_evidence(
    keep: Callable[..., Any], make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    kept = keep(check_copies=True)
    before = {path: path.stat().st_mtime_ns for path in kept.store.folder.rglob("*")}
    checks = verified(kept, data=kept.data, train=kept.train)
    assert wrong(checks) == []
    assert {"retrieval check: verdict", "retrieval check: delta", "retrieval check: sources"} <= right(checks)
    assert {path: path.stat().st_mtime_ns for path in kept.store.folder.rglob("*")} == before
    changed = replace(kept.report, retrieval=replace(kept.report.retrieval, delta=0.5, verdict=Verdict.CLEAR))
    store = rewritten(kept, changed, tmp_path / "other")
    assert wrong(verified(kept, store)) == ["retrieval check: verdict"]
    both = ["retrieval check: verdict", "retrieval check: delta"]
    assert wrong(verified(kept, store, data=kept.data, train=kept.train)) == both
    with pytest.raises(UsageError, match="is the graded clip itself"):
        verified(kept, data=kept.data, train=kept.data)
    elsewhere = make_clip((226,) * 5, hold=9, name="elsewhere")
    with pytest.raises(UsageError, match="is not the training clip of this grade"):
        verified(kept, data=kept.data, train=elsewhere)
    judged = replace(kept.report, retrieval=replace(kept.report.retrieval, panel_sha256="0" * 64))
    checks = verified(kept, rewritten(kept, judged, tmp_path / "judged"), data=kept.data, train=kept.train)
    (told,) = (check for check in checks if check.what == "retrieval check: figures")
    assert told.outcome is Outcome.UNCHECKED
    assert "--panel" in told.detail
