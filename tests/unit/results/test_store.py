"""The store: append-only, complete before it is named, read back as it was written."""

from __future__ import annotations

import hashlib
import json
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import Blame, GuestFailed, StoreFailed
from harness.protocol.regimes import Regime
from harness.results.record import Record
from harness.results.regime_report import RegimeReport, SamplesReport
from harness.results.report import GradeReport, Provenance, Status
from harness.results.store import Store
from harness.scoring.perceptual_scores import SampledScore
from harness.scoring.state_probe import StateProbe

PROVENANCE = Provenance(
    harness_version="0",
    git_commit=None,
    spec_version="1",
    gate_version=1,
    seed=3,
    schedule="disjoint",
    sandbox="process",
    sandbox_details={"isolation": "none"},
    limits={"reply_s": 1.5},
)
REGIME = RegimeReport(
    loss=9.5,
    loss_ci=(9.25, 9.75),
    token_accuracy=0.5,
    loss_by_frame=(9.0, 10.0),
    first_frame=1,
    windows=4,
    seconds_per_frame=0.1,
    reply_s_median=0.1,
    reply_s_p95=0.2,
    batch=2,
    logits_dtype="<f4",
    state_probe=StateProbe(
        windows=4, mean_gain=0.0, largest_change=0.0, carried_state=False, depends_on_neighbours=None
    ),
    tokens_file="grades/x/temporally_teacher_forced.npz",
    tokens_sha256="0" * 64,
)
SAMPLED = SampledScore(
    mean=0.25,
    mean_ci=(0.125, 0.5),
    mean_by_frame=(0.125, 0.375),
    best_of_k=0.125,
    best_of_k_ci=(0.0625, 0.25),
    best_of_k_by_frame=(0.125, 0.125),
)
WITH_PICTURES = replace(
    REGIME,
    psnr=20.0,
    psnr_ci=(19.0, 21.0),
    psnr_by_frame=(21.0, 19.0),
    missing_metrics={"lpips": "no weights", "ssim": "no library"},
    samples=SamplesReport(
        draws=2,
        loss_mean=9.25,
        token_accuracy_mean=0.5,
        lpips=None,
        psnr=SAMPLED,
        ssim=None,
        tokens_files=("grades/x/a.npz", "grades/x/a-2.npz"),
        tokens_sha256=("0" * 64, "1" * 64),
    ),
)


def graded(store: Store, result: RegimeReport = REGIME) -> GradeReport:
    record = Record(provenance=PROVENANCE)
    with record.kept_in(store), record.timed("build"):
        record.regimes[Regime.TEMPORALLY_TEACHER_FORCED] = result
    return record.report


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_a_record_is_read_back_as_it_was_written(store: Store) -> None:
    report = graded(store)
    assert store.reports() == [report]
    assert report.status is Status.GRADED
    assert set(report.provenance.durations_s) == {"build"}
    assert GradeReport.from_json(json.loads(json.dumps(report.to_json(), allow_nan=False))) == report


def test_pictures_and_several_draws_are_read_back_as_they_were_written(store: Store) -> None:
    report = graded(store, WITH_PICTURES)
    assert store.reports() == [report]
    assert report.regimes[Regime.TEMPORALLY_TEACHER_FORCED] == WITH_PICTURES


def test_a_record_from_before_pictures_were_measured_has_none(store: Store) -> None:
    value = graded(store, WITH_PICTURES).to_json()
    kept = value["regimes"]["temporally_teacher_forced"]
    added = ("lpips", "psnr", "ssim", "missing_metrics", "samples")
    for key in [key for key in kept if key.startswith(added)]:
        del kept[key]
    for key in ("samples", "codec", "codec_sha256", "lpips_sha256"):
        del value["provenance"][key]
    old = GradeReport.from_json(value)
    assert old.regimes[Regime.TEMPORALLY_TEACHER_FORCED] == REGIME
    assert old.provenance.samples == 1


def test_the_json_has_the_shape_that_is_promised(store: Store) -> None:
    value = graded(store).to_json()
    assert {"status", "entry", "regimes", "failure", "provenance"} <= set(value)
    assert value["status"] == "graded"
    assert value["failure"] is None
    assert set(value["regimes"]) == {regime.value for regime in Regime}
    assert value["regimes"]["fully_autoregressive"] is None
    promised = {"loss", "loss_ci", "token_accuracy", "loss_by_frame", "seconds_per_frame", "windows"}
    assert promised <= set(value["regimes"]["temporally_teacher_forced"])


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE grades SET report = '{}'",
        "UPDATE OR REPLACE grades SET grade_id = 'other'",
        "DELETE FROM grades",
        "REPLACE INTO grades (number, grade_id, finished_at, report) VALUES (1, 'new', '', '{}')",
        "REPLACE INTO grades (grade_id, finished_at, report) SELECT grade_id, '', '{}' FROM grades",
        "INSERT INTO grades (grade_id, finished_at, report) SELECT grade_id, '', '{}' FROM grades WHERE true"
        " ON CONFLICT DO UPDATE SET report = '{}'",
    ],
)
def test_a_record_can_be_neither_edited_nor_removed(store: Store, statement: str) -> None:
    """Control: the store's triggers."""
    report = graded(store)
    database = sqlite3.connect(store.folder / "grades.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        database.execute(statement)
    database.close()
    assert store.reports() == [report]


def test_an_entrys_failure_is_a_record_without_scores(store: Store) -> None:
    record = Record(provenance=PROVENANCE)
    with record.kept_in(store):
        record.regimes[Regime.FULLY_AUTOREGRESSIVE] = REGIME
        raise GuestFailed("it crashed", code="guest.closed", fix="look")
    (report,) = store.reports()
    assert report.status is Status.FAILED
    assert report.failure is not None
    assert (report.failure.code, report.failure.blame) == ("guest.closed", Blame.ENTRY)
    assert set(report.regimes.values()) == {None}


@pytest.mark.parametrize(
    ("error", "code", "blame"),
    [
        (KeyboardInterrupt(), "grade.interrupted", Blame.OPERATOR),
        (ZeroDivisionError("oops"), "grade.bug", Blame.BUG),
        (MemoryError(), "grade.bug", Blame.BUG),
    ],
)
def test_what_is_not_the_entrys_fault_is_recorded_and_raised(
    store: Store, error: BaseException, code: str, blame: Blame
) -> None:
    record = Record(provenance=PROVENANCE)
    with pytest.raises(type(error)), record.kept_in(store):
        raise error
    (report,) = store.reports()
    assert report.failure is not None
    assert (report.failure.code, report.failure.blame) == (code, blame)


def test_a_number_that_is_not_finite_is_never_kept(store: Store) -> None:
    record = Record(provenance=PROVENANCE)
    record.durations_s["data"] = float("nan")
    with pytest.raises(ValueError, match="JSON compliant"), record.kept_in(store):
        pass
    assert not (store.folder / "grades.sqlite").exists()


def test_tokens_are_kept_whole_and_named_by_their_digest(store: Store) -> None:
    nats = np.random.default_rng(0).random((2, 3, 4, 4))
    tokens = np.arange(96, dtype=np.uint32).reshape(2, 3, 4, 4)
    name, digest = store.save_tokens(
        "g", "r", nats_BTHW=nats, tokens_BTHW=tokens, starts_B=np.array([0, 226])
    )
    path = store.folder / name
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    with np.load(path, allow_pickle=False) as kept:
        np.testing.assert_array_equal(kept["nats"], nats.astype(np.float32))
        np.testing.assert_array_equal(kept["tokens"], tokens)
        np.testing.assert_array_equal(kept["starts"], [0, 226])
    assert [file.name for file in path.parent.iterdir()] == ["r.npz"]


def test_a_loss_too_large_for_float32_is_kept_as_its_largest_number(store: Store) -> None:
    nats = np.full((1, 1, 2, 2), 1e300)
    name, _ = store.save_tokens(
        "g", "r", nats_BTHW=nats, tokens_BTHW=np.zeros(nats.shape, np.uint32), starts_B=np.array([0])
    )
    with np.load(store.folder / name) as kept:
        assert set(kept["nats"].ravel()) == {np.finfo(np.float32).max}


def test_grades_that_finish_together_are_all_kept(store: Store) -> None:
    threads = [threading.Thread(target=graded, args=(store,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({report.grade_id for report in store.reports()}) == 8


def test_a_folder_that_cannot_be_made_is_the_operators_problem(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    store = Store(tmp_path / "store")
    for use in (lambda: graded(store), lambda: store.grade_folder("g")):
        with pytest.raises(StoreFailed) as caught:
            use()
        assert caught.value.blame is Blame.OPERATOR
        assert "--store" in caught.value.fix


def test_a_store_that_is_not_there_is_not_made_by_looking_into_it(store: Store) -> None:
    with pytest.raises(StoreFailed, match=str(store.folder)) as caught:
        store.reports()
    assert caught.value.code == "store.missing"
    assert "--store" in caught.value.fix
    assert not store.folder.exists()


def test_reading_leaves_the_store_as_it_is(store: Store) -> None:
    report = graded(store)
    path = store.folder / "grades.sqlite"
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TRIGGER grades_are_not_replaced")
        database.commit()
    without = path.read_bytes()
    assert without != before
    assert store.reports() == [report]
    assert path.read_bytes() == without, "no table and no trigger was made"
    assert {file.name for file in store.folder.iterdir()} == {"chain.head", "grades.sqlite"}


def test_a_file_that_is_no_database_says_so(store: Store) -> None:
    store.folder.mkdir()
    (store.folder / "grades.sqlite").write_text("something else, and long enough to be looked at" * 30)
    with pytest.raises(StoreFailed) as caught:
        store.reports()
    assert caught.value.code == "store.damaged"


def test_a_record_from_before_a_field_existed_has_its_default(store: Store) -> None:
    value = graded(store).to_json()
    del value["entry"]["email_sha256"], value["provenance"]["durations_s"]
    old = GradeReport.from_json(value)
    assert old.entry.email_sha256 is None
    assert old.provenance.durations_s == {}
    del value["provenance"]["seed"]
    with pytest.raises(StoreFailed, match="seed"):
        GradeReport.from_json(value)


@pytest.mark.parametrize("value", [{}, {"grade_id": "x"}, [], "text"])
def test_what_is_not_a_record_is_refused(value: Any) -> None:
    with pytest.raises(StoreFailed) as caught:
        GradeReport.from_json(value)
    assert caught.value.code == "store.bad_record"


KILLED_AMID_A_COMMIT = """
import os, signal, sys
from pathlib import Path
from harness.results.table import connected
database = connected(Path(sys.argv[1]))
database.execute("PRAGMA cache_size = 1")  # so that it is written before it is committed
database.execute("BEGIN IMMEDIATE")
for number in range(50):
    database.execute("INSERT INTO grades (grade_id, finished_at, report) VALUES (?, '', ?)", (number, "x" * 5000))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_store_whose_writer_was_killed_amid_a_commit_is_read_as_it_was_before(store: Store) -> None:
    """Control: what was not committed is undone by whoever reads next; until then SQLite lets nobody read."""
    report = graded(store)
    database = store.folder / "grades.sqlite"
    killed = subprocess.run([sys.executable, "-c", KILLED_AMID_A_COMMIT, database], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (store.folder / "grades.sqlite-journal").stat().st_size > 0
    assert store.reports() == [report]
    assert store.damage() == ()
    assert store.grade_ids() == {report.grade_id}
