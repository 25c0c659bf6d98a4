"""What is graded on private data: bytes that somebody approved, of an entrant with attempts left, under one name."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness import admission
from harness.admission import Rules
from harness.errors import Blame, NotAdmitted
from harness.grading import GradeRequest, grade
from harness.intake.archive import Entry
from harness.intake.pack import pack
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.results.approvals import Decision, Verdict, decide
from harness.results.public_data import PublicData
from harness.results.register import names
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.results.submissions import submissions
from harness.reviewing import decided, reviewed
from harness.sandbox.process import ProcessSandbox

TEMPLATE = Path(__file__).parents[2] / "submissions_template"
ONE = (Regime.TEMPORALLY_TEACHER_FORCED,)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def zip_of(tmp_path: Path) -> Callable[..., Path]:
    """The template's zip, sent by this user from this address."""

    def make(user: str = "ann", email: str = "ann@example.org", entry: str = "e", **files: str) -> Path:
        folder = tmp_path / f"{user}-{email}-{entry}"
        shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        manifest = (folder / "wmc.toml").read_text()
        for old, new in (("your-name", user), ("you@example.org", email), ('"template"', f'"{entry}"')):
            manifest = manifest.replace(old, new)
        (folder / "wmc.toml").write_text(manifest)
        for name, text in files.items():
            (folder / f"{name}.py").write_text(text)
        return pack(folder, tmp_path / f"{folder.name}.zip").path

    return make


@pytest.fixture
def graded(make_clip: Callable[..., Path], tmp_path: Path, store: Store) -> Callable[..., GradeReport]:
    """Grades a zip in the process sandbox, by the rules of `wmc grade`."""

    def run(
        submission: Path, *, data: str = "heldout", lengths: tuple[int, ...] = (226,), **rules: bool
    ) -> GradeReport:
        request = GradeRequest(
            submission=submission,
            data=make_clip(lengths, name=data),
            regimes=ONE,
            pictures=False,
            lpips_weights=tmp_path / "none",
            rules=Rules(**rules),
        )
        return grade(
            request, sandbox=ProcessSandbox(cache=tmp_path / "cache"), store=store, progress=Silent()
        )

    return run


def approve(submission: Path, store: Store, *, by: str = "org", take_over: bool = False) -> None:
    seen = reviewed(submission, store, progress=Silent())
    decided(seen, store, Verdict.APPROVED, by=by, note="", take_over=take_over)


def test_what_nobody_approved_is_not_graded_on_private_data_and_leaves_nothing(zip_of, graded, store):
    """Control: approval before a private split."""
    with pytest.raises(NotAdmitted) as caught:
        graded(zip_path := zip_of())
    assert (caught.value.code, caught.value.blame) == ("admission.not_approved", Blame.OPERATOR)
    assert f"wmc review {zip_path} --store {store.folder}" in caught.value.fix
    assert not store.folder.exists(), "neither a record, nor a name, nor a list of files"
    assert graded(zip_of("bob", "bob@example.org"), data="val").failure is None, (
        "twin: val is nobody's secret"
    )


def test_who_approved_and_when_is_in_the_record(zip_of, graded, store):
    submission = zip_of()
    approve(submission, store)
    report = graded(submission)
    admitted = report.provenance.admission
    assert admitted is not None
    assert (admitted.approved_by, admitted.attempt, admitted.attempts, admitted.days) == ("org", 1, 3, 7)
    assert admitted.approved_at
    assert store.reports() == [report]
    assert [each.sha256 for each in submissions(store)] == [report.provenance.submission_sha256]


def test_a_zip_that_was_swapped_after_its_review_is_refused(zip_of, graded, store):
    """Control: approval is of the zip's bytes; one byte more, of a comment nobody runs, and they are others."""
    submission = zip_of()
    approve(submission, store)
    other = zip_of(entry="other", predictor=(TEMPLATE / "predictor.py").read_text() + "#\n")
    approved_bytes = submission.read_bytes()
    shutil.copy(zip_with_comment(submission), submission)
    with pytest.raises(NotAdmitted) as caught:
        graded(submission)
    assert caught.value.code == "admission.not_approved"
    assert "that org approved on" in caught.value.message
    with pytest.raises(NotAdmitted):
        graded(other)
    submission.write_bytes(approved_bytes)
    assert graded(submission).failure is None, "twin: the approved bytes are graded"


def zip_with_comment(submission: Path) -> Path:
    """The same entry, packed with one byte more in a script."""
    folder = submission.with_name("unpacked")
    with zipfile.ZipFile(submission) as archive:
        archive.extractall(folder)
    with (folder / "build.sh").open("a") as script:
        script.write("\n")
    for name in ("build.sh", "evaluate.py"):
        (folder / name).chmod(0o755)
    return pack(folder, submission.with_name("swapped.zip")).path


def test_a_swap_is_graded_where_approval_is_not_asked_for(zip_of, graded, store, monkeypatch):
    """The twin of that control: without it the swap works."""
    submission = zip_of()
    approve(submission, store)
    shutil.copy(zip_with_comment(submission), submission)

    def trusting(entry: Entry, _reason: str, _store: Store) -> Decision:
        return Decision(
            verdict=Verdict.APPROVED, submission_sha256=entry.sha256, user_name="", entry_name="", by="nobody"
        )

    monkeypatch.setattr(admission, "_approval", trusting)
    assert graded(submission).failure is None


def test_a_later_rejection_takes_an_approval_back(zip_of, graded, store):
    submission = zip_of()
    approve(submission, store)
    seen = reviewed(submission, store, progress=Silent())
    rejection = replace(seen.decision, verdict=Verdict.REJECTED, by="bea", note="reads /etc")
    decide(store, rejection)
    with pytest.raises(NotAdmitted) as caught:
        graded(submission)
    assert caught.value.code == "admission.rejected"
    assert "bea rejected this zip on" in caught.value.message
    assert "reads /etc" in caught.value.message


def test_what_the_organiser_lifts_is_in_the_record(zip_of, graded, store):
    report = graded(zip_of(), review=False, limit=False)
    admitted = report.provenance.admission
    assert admitted is not None
    assert (admitted.approved_by, admitted.attempts, admitted.why_unlimited) == (None, None, "--no-limit")


def test_attempts_are_counted_and_the_refusal_is_not_one(zip_of, graded, store):
    """Control: the limit of attempts, through a grade; failures of the entry count."""
    store.folder.mkdir()
    (store.folder / "fairness.toml").write_text("attempts = 2\n")
    broken = zip_of(entry="broken", predictor="raise SystemExit(1)\n")
    assert graded(broken, review=False).failure.blame is Blame.ENTRY
    submission = zip_of()
    assert graded(submission, review=False).provenance.admission.attempt == 2
    for _ in range(2):
        with pytest.raises(NotAdmitted) as caught:
            graded(submission, review=False)
        assert caught.value.code == "admission.limit_reached"
    assert len(store.reports()) == 2
    assert graded(submission, review=False, limit=False).provenance.admission.attempt == 3
    assert graded(submission, data="other", lengths=(226, 226), review=False).failure is None, "other data"
    (store.folder / "fairness.toml").write_text('attempts = 0\norganisers = ["ann"]\n')
    assert (
        graded(submission, review=False).provenance.admission.why_unlimited == "an entry of the organiser's"
    )


def test_a_name_that_is_taken_is_not_graded_and_not_charged(zip_of, graded, store):
    """Control: identity is checked on any data; the clash is the organiser's to clear."""
    assert graded(zip_of(), data="val").failure is None
    stranger = zip_of("ann", "eve@example.org")
    with pytest.raises(NotAdmitted) as caught:
        graded(stranger, data="val")
    assert (caught.value.code, caught.value.blame) == ("admission.name_taken", Blame.OPERATOR)
    with pytest.raises(NotAdmitted):
        approve(stranger, store)
    assert "belongs to another e-mail address" in reviewed(stranger, store, progress=Silent()).clash
    assert len(store.reports()) == 1
    approve(stranger, store, take_over=True)
    assert graded(stranger).failure is None
    assert names(store).by_name["ann"]["kind"] == "transfer"


def test_an_entrants_own_check_asks_nobody(zip_of, make_clip, tmp_path, store):
    request = GradeRequest(
        submission=zip_of(), data=make_clip((226,), name="mine"), regimes=ONE, pictures=False
    )
    report = grade(request, sandbox=ProcessSandbox(cache=tmp_path / "c"), store=store, progress=Silent())
    assert report.failure is None
    assert report.provenance.admission is None
    assert not (store.folder / "submissions").exists()


class TestWhatIsPrivate:
    """Control: held-out data in a folder called val is told by its digest."""

    def test_only_the_public_val_is_not(self, graded, zip_of):
        assert PublicData([]).why_private("val_v1.1", "1") is None
        assert "heldout is private" in str(PublicData([]).why_private("heldout", "1"))

    def test_a_folder_of_held_out_data_that_is_called_val_stays_private(
        self, graded, zip_of, store, make_clip
    ):
        graded(zip_of(), review=False)
        with pytest.raises(NotAdmitted) as caught:
            graded(zip_of("bob", "bob@example.org"), data="val")
        assert "was graded on as heldout" in caught.value.message

    def test_two_data_sets_of_one_name_are_public_neither(self, graded, zip_of):
        graded(zip_of(), data="val")
        with pytest.raises(NotAdmitted) as caught:
            graded(zip_of("bob", "bob@example.org"), data="val", lengths=(226, 226))
        assert "stands for two data sets" in caught.value.message
