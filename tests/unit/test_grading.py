"""The whole grade in the process sandbox: every way it can end is one record."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.errors import Blame
from harness.grading import GradeRequest, grade
from harness.intake.pack import pack
from harness.progress import Silent
from harness.protocol.conversation import Limits
from harness.protocol.regimes import Regime
from harness.results.report import GradeReport, Status
from harness.results.store import Store
from harness.sandbox.process import ProcessSandbox

ROOT = Path(__file__).parents[2]
LIMITS = Limits(start_s=30, reply_s=20, regime_s=120)


@pytest.fixture
def grade_folder(make_clip: Callable[..., Path], tmp_path: Path) -> Callable[..., GradeReport]:
    """Packs an entry's folder and grades it on a small clip."""

    def run(folder: Path, *, regimes: tuple[Regime, ...] = (), limits: Limits = LIMITS) -> GradeReport:
        request = GradeRequest(
            submission=pack(folder, tmp_path / "entry.zip").path,
            data=make_clip(),
            regimes=regimes,
            limits=limits,
        )
        sandbox = ProcessSandbox(cache=tmp_path / "cache")
        return grade(request, sandbox=sandbox, store=Store(tmp_path / "store"), progress=Silent())

    return run


@pytest.fixture
def entry(tmp_path: Path) -> Callable[[str], Path]:
    """The template with another evaluate.py."""

    def make(evaluate: str) -> Path:
        folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
        (folder / "evaluate.py").write_text(f"#!/usr/bin/env python3\n{evaluate}\n")
        return folder

    return make


def test_the_template_is_graded_and_kept(grade_folder: Callable[..., GradeReport], tmp_path: Path) -> None:
    report = grade_folder(ROOT / "submissions_template")
    assert report.status is Status.GRADED
    assert report.failure is None
    assert Store(tmp_path / "store").reports() == [report]
    first, second, third = (report.regimes[regime] for regime in Regime)
    assert first is not None
    assert second is not None
    assert third is None, "the template is not causal"
    assert (second.windows, len(second.loss_by_frame)) == (4, 15)
    with np.load(tmp_path / "store" / second.tokens_file) as kept:
        assert kept["nats"].shape == kept["tokens"].shape == (4, 15, 16, 16)
        assert kept["nats"].mean(dtype=np.float64) == pytest.approx(second.loss, abs=1e-6)


def test_the_record_says_where_every_number_came_from(grade_folder: Callable[..., GradeReport]) -> None:
    provenance = grade_folder(ROOT / "submissions_template").provenance
    for digest in (provenance.submission_sha256, provenance.data_sha256, provenance.entry_tree_sha256):
        assert digest
        assert len(digest) == 64
    assert provenance.sandbox == "process"
    assert provenance.base_image is None
    assert provenance.order_leaks is False
    assert set(provenance.durations_s) >= {"data", "intake", "build", "temporally_teacher_forced"}


def test_one_regime_alone_gives_the_same_number(grade_folder: Callable[..., GradeReport]) -> None:
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    both, alone = grade_folder(ROOT / "submissions_template"), grade_folder(
        ROOT / "submissions_template", regimes=(regime,)
    )  # fmt: skip
    assert alone.regimes[Regime.FULLY_AUTOREGRESSIVE] is None
    one, other = both.regimes[regime], alone.regimes[regime]
    assert one is not None
    assert other is not None
    assert (one.loss, one.loss_ci) == (other.loss, other.loss_ci)


SERVE = "from wmc_guest import serve\nfrom predictor import Predictor\n"


@pytest.mark.parametrize(
    ("evaluate", "code", "words"),
    [
        ("print('I am done')", "guest.no_connection", "exited with status 0"),
        ("raise SystemExit(7)", "guest.no_connection", "exited with status 7"),
        ("import time; time.sleep(100)", "guest.no_connection", "in time"),
        ("import no_such_module", "guest.no_connection", "exited with status 1"),
        (
            SERVE + "Predictor.predict = lambda self: 1 / 0\nserve(Predictor)",
            "guest.exception",
            "raised an exception",
        ),
        (
            SERVE + "Predictor.predict = lambda self: __import__('os')._exit(3)\nserve(Predictor)",
            "guest.closed",
            "3",
        ),
        (
            SERVE + "Predictor.predict = lambda self: __import__('time').sleep(60)\nserve(Predictor)",
            "guest.timeout",
            "within 2 s, the limit for its reply",
        ),
    ],
    ids=["exits 0", "exits 7", "sleeps", "import error", "exception", "dies in mid-run", "hangs"],
)
def test_an_entry_that_fails_is_a_record_with_its_name(
    grade_folder: Callable[..., GradeReport],
    entry: Callable[[str], Path],
    evaluate: str,
    code: str,
    words: str,
) -> None:
    report = grade_folder(entry(evaluate), limits=Limits(start_s=3, reply_s=2, regime_s=60))
    assert report.status is Status.FAILED
    assert report.failure is not None
    assert (report.failure.code, report.failure.blame) == (code, Blame.ENTRY)
    assert words in report.failure.message
    assert report.failure.fix
    assert set(report.regimes.values()) == {None}


def test_what_an_entry_says_is_in_its_log_and_not_in_the_record(
    grade_folder: Callable[..., GradeReport], entry: Callable[[str], Path], tmp_path: Path
) -> None:
    """Control: a record repeats nothing an entry chose to say, for it may say held-out tokens."""
    secret = (
        SERVE + "def tell(self): raise ValueError('canary 12345')\nPredictor.predict = tell\nserve(Predictor)"
    )
    report = grade_folder(entry(secret))
    assert "canary" not in str(report.to_json())
    log = tmp_path / "store" / "grades" / report.grade_id / "fully_autoregressive.log"
    assert "Traceback" in log.read_text()
    assert "[wmc] the entry reported: ValueError: canary 12345" in log.read_text()


def test_a_regime_the_entry_cannot_do_is_the_callers_mistake(
    grade_folder: Callable[..., GradeReport],
) -> None:
    report = grade_folder(ROOT / "submissions_template", regimes=(Regime.FULLY_TEACHER_FORCED,))
    assert report.failure is not None
    assert (report.failure.code, report.failure.blame) == ("usage.not_causal", Blame.USAGE)


def test_a_zip_that_is_none_is_a_record_too(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "entry.zip").write_bytes(b"not a zip")
    store = Store(tmp_path / "store")
    request = GradeRequest(submission=tmp_path / "entry.zip", data=make_clip())
    report = grade(request, sandbox=ProcessSandbox(cache=tmp_path / "c"), store=store, progress=Silent())
    assert report.failure is not None
    assert report.failure.blame is Blame.ENTRY
    assert store.reports() == [report]


def test_missing_data_is_the_operators_problem(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    request = GradeRequest(submission=tmp_path / "entry.zip", data=tmp_path / "nowhere")
    report = grade(request, sandbox=ProcessSandbox(cache=tmp_path / "c"), store=store, progress=Silent())
    assert report.failure is not None
    assert (report.failure.code, report.failure.blame) == ("data.folder_missing", Blame.OPERATOR)
