"""`wmc grade --resume`: it goes on where a grade stopped, or says why not and changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from harness import grading, provenance
from harness.admission import Rules
from harness.errors import Blame, NotAdmitted, ResumeRefused, SandboxFailed, StoreFailed, UsageError
from harness.intake.pack import pack
from harness.progress import Silent
from harness.protocol.regimes import Regime
from harness.results.audit import audit_store
from harness.results.checks import Outcome
from harness.results.journal import begin, read_history, reopen
from harness.results.report import Status
from harness.results.unfinished import unfinished_grades
from harness.resuming import going_on
from harness.resuming.abandoning import abandon
from harness.resuming.left import what_is_left
from harness.resuming.resumable import find_resumable
from harness.sandbox.contract import NOT_RUN
from harness.sandbox.process import ProcessSandbox

ROOT = Path(__file__).parents[3]
FIRST, SECOND = Regime.FULLY_AUTOREGRESSIVE, Regime.TEMPORALLY_TEACHER_FORCED


@dataclass(kw_only=True)
class Stops(Silent):
    """A Progress at whose step of this title something happens; it keeps the titles and the notes."""

    at: str
    error: BaseException | None
    titles: list[str]
    notes: list[str]

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Any]:
        self.titles.append(title)
        if self.error and title.startswith(self.at):
            raise self.error
        yield lambda _amount=1, /, **_: None

    def note(self, text: str) -> None:
        self.notes.append(text)


def stops(at: str = "nowhere", error: BaseException | None = None) -> Stops:
    return Stops(at=at, error=error, titles=[], notes=[])


ENGINE_GONE = SandboxFailed("the engine is gone", fix="look")


class Killed(BaseException):
    """Stands for SIGKILL: nothing is recorded."""


@pytest.fixture
def killed(bench: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A grade that was killed as this step began; its id."""

    def run(at: str, **changes: Any) -> str:
        with monkeypatch.context() as patched:
            patched.setattr(grading.Record, "kept_in", lambda *_: _nothing())
            patched.setattr(grading.Record, "scored", lambda *_: _nothing())
            with pytest.raises(Killed):
                bench.grade(stops(at, Killed()), pictures=False, **changes)
        (found,) = (each for each in unfinished_grades(bench.store) if not each.is_running)
        return str(found.grade_id)

    return run


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def failed(bench: Any, at: str, error: BaseException, **changes: Any) -> str:
    """A grade that ends so at this step; the id in its record."""
    if isinstance(error, SandboxFailed):
        return str(bench.grade(stops(at, error), pictures=False, **changes).grade_id)
    with pytest.raises(type(error)):
        bench.grade(stops(at, error), pictures=False, **changes)
    return str(bench.store.reports()[-1].grade_id)


def sound(bench: Any) -> None:
    checks = audit_store(bench.store, key=None, progress=Silent())
    assert {check.outcome for check in checks} == {Outcome.SAME}


IN_THE_SECOND = "temporally teacher-forced, frames"


def test_what_was_finished_is_not_asked_again(killed: Callable[..., str], bench: Any) -> None:
    """Control: a finished regime is skipped, the others come in their order, least disclosing first."""
    grade_id = killed(IN_THE_SECOND)
    finished = read_history(bench.store, grade_id).finished
    assert list(finished) == [FIRST]
    progress = stops()
    report = bench.resume(progress=progress)
    assert report.grade_id == grade_id
    assert report.status is Status.GRADED
    asked = [title for title in progress.titles if title.endswith("frames")]
    assert [title for title in asked if "regressive" in title or "forced" in title] == [IN_THE_SECOND]
    assert "running ./build.sh" not in progress.titles
    assert replace(report.regimes[FIRST], missing_metrics={}) == replace(
        finished[FIRST].report, missing_metrics={}
    )
    assert (report.provenance.resumes, report.provenance.resumed_from) == (1, None)
    assert set(report.provenance.durations_s) >= {"data", "build", FIRST.value, SECOND.value}
    assert not (bench.store.grade_folder(grade_id) / "probes.f2").exists()
    sound(bench)


def test_what_only_the_retrieval_check_needs_is_kept_until_the_record_is_there(
    killed: Callable[..., str], bench: Any
) -> None:
    grade_id = killed("training gap: loading")
    answers = read_history(bench.store, grade_id).finished[SECOND].answers
    assert answers is not None
    assert (bench.store.folder / answers.file).exists()
    whole = bench.grade(pictures=False)
    report = bench.resume()
    assert report.retrieval is not None
    assert (report.retrieval.delta, report.retrieval.delta_ci) == (
        whole.retrieval.delta,
        whole.retrieval.delta_ci,
    )
    assert bench.figures(report) == bench.figures(whole)


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        SystemExit(143),
        ZeroDivisionError("a bug of ours"),
        SandboxFailed("the engine is gone", fix="look"),
    ],
    ids=["ctrl-C", "SIGTERM", "bug", "engine"],
)
def test_a_failure_of_ours_keeps_its_record_and_a_new_grade_takes_over_what_was_finished(
    bench: Any, error: BaseException
) -> None:
    old = failed(bench, IN_THE_SECOND, error, train=None)
    before = bench.store.report(old)
    assert before.failure.blame in {Blame.OPERATOR, Blame.BUG}
    report = bench.resume(old)
    assert bench.store.reports() == [before, report]
    assert report.grade_id != old
    assert report.status is Status.GRADED
    assert (report.provenance.resumes, report.provenance.resumed_from) == (1, old)
    assert report.regimes[FIRST].tokens_file == f"grades/{old}/{FIRST.value}.npz"
    sound(bench)
    with pytest.raises(UsageError, match=f"was resumed as {report.grade_id}"):
        bench.resume(old)
    with pytest.raises(UsageError, match="it is graded"):
        bench.resume(report.grade_id)


def test_a_resumption_that_is_killed_is_resumed_itself(
    killed: Callable[..., str], bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    grade_id = killed(IN_THE_SECOND, train=None)
    monkeypatch.setattr(grading.Record, "kept_in", lambda *_: _nothing())
    with pytest.raises(Killed):
        bench.resume(progress=stops(IN_THE_SECOND, Killed()))
    monkeypatch.undo()
    report = bench.resume()
    assert (report.grade_id, report.provenance.resumes) == (grade_id, 2)


def test_an_interrupted_resumption_leaves_one_record_which_can_be_resumed(
    killed: Callable[..., str], bench: Any
) -> None:
    grade_id = killed(IN_THE_SECOND, train=None)
    with pytest.raises(KeyboardInterrupt):
        bench.resume(progress=stops(IN_THE_SECOND, KeyboardInterrupt()))
    (report,) = bench.store.reports()
    assert (report.grade_id, report.failure.code) == (grade_id, "grade.interrupted")
    again = bench.resume(grade_id)
    assert (again.provenance.resumes, again.provenance.resumed_from) == (2, grade_id)


def test_what_was_taken_over_is_compared_even_when_that_is_killed_again(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: a journal never knows less of the built entry than before."""
    folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
    (folder / "build.sh").write_text("#!/bin/sh\nhead -c 16 /dev/urandom > weights\n")
    submission = pack(folder, tmp_path / "random.zip").path
    old = failed(bench, IN_THE_SECOND, KeyboardInterrupt(), submission=submission, train=None)
    monkeypatch.setattr(going_on.Journal, "withdraw", lambda _: None)  # as after SIGKILL
    with pytest.raises(Killed):
        bench.resume(old, stops("opening", Killed()))
    shutil.rmtree(bench.cache)
    with pytest.raises(ResumeRefused) as caught:
        bench.resume()
    assert caught.value.code == "resume.other_build"


def test_the_entrys_own_failure_is_final(bench: Any, tmp_path: Path) -> None:
    """Control: nobody is asked again because somebody resumes."""
    folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
    (folder / "evaluate.py").write_text("#!/usr/bin/env python3\nraise SystemExit(7)\n")
    report = bench.grade(submission=pack(folder, tmp_path / "bad.zip").path, train=None)
    assert report.failure.blame is Blame.ENTRY
    with pytest.raises(UsageError, match=r"it failed \(guest.no_connection\)"):
        bench.resume(report.grade_id)


def test_an_entry_that_fails_after_the_crash_has_failed(
    killed: Callable[..., str], bench: Any, tmp_path: Path
) -> None:
    folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
    (folder / "build.sh").write_text("#!/bin/sh\nexit 3\n")
    grade_id = killed("running ./build.sh", submission=pack(folder, tmp_path / "bad.zip").path, train=None)
    report = bench.resume()
    assert (report.grade_id, report.failure.blame) == (grade_id, Blame.ENTRY)
    assert bench.store.reports() == [report]


@pytest.mark.parametrize("at", ["checking", "running ./build.sh", f"{FIRST.in_words}, frames"])
def test_a_grade_that_was_interrupted_early_goes_on_from_there(bench: Any, at: str) -> None:
    """Also where no regime was finished: what was built is found again, and compared with what it was."""
    grade_id = failed(bench, at, KeyboardInterrupt(), train=None)
    known = read_history(bench.store, grade_id)
    progress = stops()
    report = bench.resume(progress=progress)
    assert (report.status, report.provenance.resumed_from) == (Status.GRADED, grade_id)
    assert ("running ./build.sh" in progress.titles) == ("frames" not in at)
    taken = read_history(bench.store, report.grade_id)
    assert taken.stages[: len(known.stages)] == known.stages
    sound(bench)


def other_clip(bench: Any, tmp_path: Path, name: str) -> Path:
    folder = shutil.copytree(getattr(bench.request, name), tmp_path / getattr(bench.request, name).name)
    (tokens,) = (path for path in folder.rglob("*") if path.is_file() and "video" in path.name)
    content = np.fromfile(tokens, np.uint8)
    content[5] ^= 1
    content.tofile(tokens)
    return folder


@pytest.mark.parametrize("name", ["data", "train", "submission"])
def test_what_is_not_what_it_was_is_refused_and_the_grade_stays_as_it_is(
    killed: Callable[..., str], bench: Any, tmp_path: Path, name: str
) -> None:
    """Control: digests of the zip, of the graded and of the training clip."""
    grade_id = killed("training gap: loading")
    before = read_history(bench.store, grade_id)
    found = find_resumable(bench.store, None)
    if name == "submission":
        folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
        (folder / "more.txt").write_text("more")
        other = pack(folder, tmp_path / "other.zip").path
    else:
        other = other_clip(bench, tmp_path, name)
    with pytest.raises(ResumeRefused) as caught:
        resumed(bench, replace(found, request=replace(found.request, **{name: other})))
    assert caught.value.code == f"resume.other_{name}"
    assert bench.store.grade_ids() == frozenset()
    assert read_history(bench.store, grade_id) == before
    assert bench.resume().status is Status.GRADED


def resumed(bench: Any, found: Any) -> Any:
    return going_on.resume(
        found,
        store=bench.store,
        open_sandbox=lambda _, policy: resuming_sandbox(bench, policy),
        progress=Silent(),
    )


def resuming_sandbox(bench: Any, policy: Any) -> Any:
    from harness.sandbox.process import ProcessSandbox

    return ProcessSandbox(policy=policy, cache=bench.cache)


def test_another_wmc_does_not_go_on(
    killed: Callable[..., str], bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the versions in the journal."""
    killed(IN_THE_SECOND, train=None)
    with monkeypatch.context() as patched:
        patched.setattr(provenance, "SCORING_VERSION", 999)
        with pytest.raises(ResumeRefused, match="scoring_version 2; this is scoring_version 999") as caught:
            bench.resume()
    assert caught.value.code == "resume.other_version"
    assert bench.resume().status is Status.GRADED


def test_a_build_that_comes_out_otherwise_is_refused(
    killed: Callable[..., str], bench: Any, tmp_path: Path
) -> None:
    """Control: the digest of the built entry, compared before anything of the new build is kept."""
    grade_id = killed(IN_THE_SECOND, submission=never_the_same(tmp_path), train=None)
    before = content_of(bench.store.folder)
    shutil.rmtree(bench.cache)
    with pytest.raises(ResumeRefused) as caught:
        bench.resume()
    assert caught.value.code == "resume.other_build"
    assert content_of(bench.store.folder) == before
    abandon(bench.store, grade_id)
    sound(bench)


def test_a_takeover_that_is_refused_leaves_nothing(
    killed: Callable[..., str], bench: Any, tmp_path: Path
) -> None:
    """Control: what the new grade left beside its journal is withdrawn with it."""
    grade_id = killed(IN_THE_SECOND, submission=never_the_same(tmp_path), train=None)
    abandon(bench.store, grade_id)
    before = content_of(bench.store.folder)
    shutil.rmtree(bench.cache)
    with pytest.raises(ResumeRefused, match="did not make the same files"):
        bench.resume(grade_id)
    assert content_of(bench.store.folder) == before


def never_the_same(folder: Path) -> Path:
    """A zip whose every build is another one, and says so in its log."""
    entry = shutil.copytree(ROOT / "submissions_template", folder / "entry")
    (entry / "build.sh").write_text("#!/bin/sh\nhead -c 16 /dev/urandom | tee weights | od -x\n")
    return pack(entry, folder / "random.zip").path


def content_of(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder; None for folders."""
    found = folder.rglob("*")
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


def test_a_finished_regime_whose_file_is_damaged_is_no_regime(killed: Callable[..., str], bench: Any) -> None:
    grade_id = killed(IN_THE_SECOND, train=None)
    (bench.store.grade_folder(grade_id) / f"{FIRST.value}.npz").write_bytes(b"less")
    with pytest.raises(StoreFailed, match="is not the file that its record names"):
        bench.resume()
    assert bench.store.grade_ids() == frozenset()


def test_two_at_once_cannot_finish_one_grade(killed: Callable[..., str], bench: Any) -> None:
    """Control: the lock on the journal."""
    grade_id = killed(IN_THE_SECOND, train=None)
    with reopen(bench.store, grade_id), pytest.raises(ResumeRefused, match="still running"):
        bench.resume(grade_id)
    with reopen(bench.store, grade_id), pytest.raises(ResumeRefused) as caught:
        bench.resume()
    assert caught.value.code == "resume.running"
    assert f"still running in process {os.getpid()}, since 20" in caught.value.message
    assert f"kill {os.getpid()}" in caught.value.fix


def test_which_of_several_must_be_said(killed: Callable[..., str], bench: Any) -> None:
    one = killed(IN_THE_SECOND, train=None)
    asked = replace(read_history(bench.store, one).asked, grade_id="other")
    with begin(bench.store, asked):
        pass
    with pytest.raises(UsageError) as caught:
        bench.resume()
    assert one in caught.value.message
    assert "other (at its beginning)" in caught.value.message
    assert bench.resume(one).grade_id == one


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ENGINE_GONE], ids=["ctrl-C", "engine"])
def test_the_only_one_that_can_go_on_need_not_be_named_though_it_has_its_record(
    bench: Any, error: BaseException
) -> None:
    with pytest.raises(UsageError, match="no grade that was begun and not finished, or interrupted"):
        bench.resume()
    grade_id = failed(bench, IN_THE_SECOND, error, train=None)
    report = bench.resume()
    assert report.provenance.resumed_from == grade_id
    with pytest.raises(UsageError, match="no grade that was begun and not finished"):
        bench.resume()


def test_a_failure_of_ours_before_anything_was_done_is_offered_to_nobody(bench: Any) -> None:
    """Such as a folder that was misspelt: whoever names it may resume it."""
    grade_id = failed(bench, "running ./build.sh", ENGINE_GONE, train=None)
    with pytest.raises(UsageError, match="no grade that was begun and not finished"):
        bench.resume()
    assert bench.resume(grade_id).status is Status.GRADED


def test_an_interrupted_grade_that_is_given_up_keeps_its_record_and_is_offered_no_more(bench: Any) -> None:
    grade_id = failed(bench, IN_THE_SECOND, KeyboardInterrupt(), train=None)
    other = failed(bench, IN_THE_SECOND, KeyboardInterrupt(), train=None)
    with pytest.raises(UsageError) as caught:
        bench.resume()
    for each in (grade_id, other):
        assert f"{each} (grade.interrupted after fully autoregressive)" in caught.value.message
    before = bench.store.report(grade_id)
    assert abandon(bench.store, grade_id) == before
    with pytest.raises(UsageError, match="given up already"):
        abandon(bench.store, grade_id)
    assert bench.resume().provenance.resumed_from == other
    with pytest.raises(UsageError, match="was resumed as"):
        abandon(bench.store, other)
    assert bench.store.report(grade_id) == before
    assert bench.resume(grade_id).status is Status.GRADED, "whoever names it may change their mind"
    sound(bench)


def test_one_that_somebody_goes_on_with_is_running(
    bench: Any, killed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old = failed(bench, IN_THE_SECOND, KeyboardInterrupt(), train=None)
    monkeypatch.setattr(grading.Record, "kept_in", lambda *_: _nothing())
    with pytest.raises(Killed):
        bench.resume(progress=stops(IN_THE_SECOND, Killed()))
    monkeypatch.undo()
    (new,) = (each.grade_id for each in unfinished_grades(bench.store))
    with reopen(bench.store, new), pytest.raises(ResumeRefused, match=f"grade {new} is still running in"):
        bench.resume(old)
    assert what_is_left(bench.store, old).grade_id == new


@pytest.mark.parametrize("name", ["submission", "data", "train"])
def test_what_does_not_lie_where_it_did_is_named_with_its_place(
    killed: Callable[..., str], bench: Any, tmp_path: Path, name: str
) -> None:
    grade_id = killed("training gap: loading")
    found = find_resumable(bench.store, None)
    gone = tmp_path / "gone"
    with pytest.raises(ResumeRefused, match=f"is not at {gone} any more") as caught:
        resumed(bench, replace(found, request=replace(found.request, **{name: gone})))
    words = {"submission": "ZIP", "data": "--data DIR", "train": "--train DIR"}[name]
    assert caught.value.command == f"wmc grade {words} --resume {grade_id} --store {bench.store.folder}"
    assert f"`wmc grade --abandon {grade_id} --store {bench.store.folder}`" in caught.value.fix
    assert bench.resume().status is Status.GRADED


class Elsewhere(ProcessSandbox):
    """A sandbox that says other things of itself; `rules` of its policy, `facts` of what only the record needs."""

    rules: ClassVar[dict[str, Any]] = {}
    facts: ClassVar[dict[str, str]] = {}

    @property
    def in_force(self) -> dict[str, Any]:
        return {**super().in_force, **self.rules}

    @property
    def details(self) -> dict[str, str]:
        return {**super().details, **self.facts}


@pytest.mark.parametrize(
    ("rules", "facts", "words"),
    [
        ({"log_bytes": 5}, {}, "log_bytes was 1048576, now it is 5"),
        ({}, {"isolation": "some"}, "isolation was none, now it is some"),
        ({}, {"python": "3.99"}, "now it is 3.99"),
    ],
)
def test_a_grade_does_not_go_on_in_another_sandbox_than_it_began_in(
    killed: Callable[..., str],
    bench: Any,
    monkeypatch: pytest.MonkeyPatch,
    rules: dict[str, Any],
    facts: dict[str, str],
    words: str,
) -> None:
    """Control: the policy in force and the isolation, from the journal. The figures of one grade have one of each."""
    grade_id = killed(IN_THE_SECOND, train=None)
    before = read_history(bench.store, grade_id)
    monkeypatch.setattr(Elsewhere, "rules", rules)
    monkeypatch.setattr(Elsewhere, "facts", facts)
    with pytest.raises(ResumeRefused, match=words) as caught:
        resumed_in(Elsewhere, bench)
    assert caught.value.code == "resume.other_sandbox"
    assert read_history(bench.store, grade_id) == before
    monkeypatch.setattr(
        Elsewhere, "rules", {"entry_bytes": (32 << 30) + 4096}
    )  # as memory is, after a reboot
    monkeypatch.setattr(Elsewhere, "facts", {})
    assert resumed_in(Elsewhere, bench).status is Status.GRADED


def test_a_resumed_record_says_which_regime_ran_in_which_sandbox(
    killed: Callable[..., str], bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: each finished regime is journalled with what its sandbox said then."""
    killed(IN_THE_SECOND, train=None)
    monkeypatch.setattr(Elsewhere, "facts", {"platform": "a newer kernel", "page_cache": "not dropped"})
    details = resumed_in(Elsewhere, bench).provenance.sandbox_details
    assert details["platform"] == (
        f"{platform.platform()} (fully autoregressive); a newer kernel (what came later)"
    )
    assert details["isolation"] == "none"


def test_of_what_an_earlier_process_did_alone_its_sandbox_is_told_alone(undisturbed: Any) -> None:
    """A sandbox in which nothing ran any more claims no control, and takes none from the regimes that had it."""
    record = grading.Record(
        provenance=undisturbed.report.provenance,
        sandboxes_before={FIRST: {"page_cache": "dropped"}, SECOND: {"page_cache": "dropped"}},
    )
    record.ran_in({"page_cache": f"not dropped: {NOT_RUN}", "engine": "docker 99"})
    assert record.provenance.sandbox_details == {"page_cache": "dropped", "engine": "docker 99"}
    record.ran_in({"page_cache": "not dropped"})
    assert record.provenance.sandbox_details["page_cache"] == (
        "dropped (fully autoregressive, temporally teacher-forced); not dropped (what came later)"
    )


def resumed_in(kind: type[ProcessSandbox], bench: Any) -> Any:
    return going_on.resume(
        find_resumable(bench.store, None),
        store=bench.store,
        open_sandbox=lambda _, policy: kind(policy=policy, cache=bench.cache),
        progress=Silent(),
    )


def test_a_grade_can_be_given_up_with_one_record(killed: Callable[..., str], bench: Any) -> None:
    grade_id = killed(IN_THE_SECOND, train=None)
    report = abandon(bench.store, grade_id)
    assert bench.store.reports() == [report]
    assert (report.failure.code, report.failure.blame) == ("grade.lost", Blame.OPERATOR)
    assert "after fully autoregressive" in report.failure.message
    assert report.entry.entry_name
    assert report.provenance.submission_sha256
    assert set(report.regimes.values()) == {None}
    assert unfinished_grades(bench.store) == ()
    with pytest.raises(UsageError, match="has its record"):
        abandon(bench.store, grade_id)
    again = bench.resume(grade_id)
    assert (again.status, again.provenance.resumed_from) == (Status.GRADED, grade_id)
    sound(bench)


def test_a_running_grade_is_not_given_up(killed: Callable[..., str], bench: Any) -> None:
    """Control: the lock on the journal."""
    grade_id = killed(IN_THE_SECOND, train=None)
    with reopen(bench.store, grade_id), pytest.raises(ResumeRefused, match="still running"):
        abandon(bench.store, grade_id)


def test_a_change_of_the_machine_is_told(
    killed: Callable[..., str], bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(IN_THE_SECOND, train=None)
    monkeypatch.setattr("platform.platform", lambda: "a newer kernel")
    progress = stops()
    bench.resume(progress=progress)
    assert any("platform" in note and "now a newer kernel" in note for note in progress.notes)


def test_a_submission_that_is_not_admitted_leaves_no_grade_to_finish(bench: Any) -> None:
    """Control: the journal is withdrawn."""
    with pytest.raises(NotAdmitted):
        bench.grade(rules=Rules(), train=None)
    assert unfinished_grades(bench.store) == ()
    assert not [*(bench.store.folder / "grades").glob("*/journal.jsonl")]


def test_whoever_is_not_admitted_any_more_can_be_resumed_later(
    killed: Callable[..., str], bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: a resumed grade is admitted like any other, and a refusal changes nothing."""
    grade_id = killed(IN_THE_SECOND, train=None, rules=Rules(review=False))
    (bench.store.folder / "fairness.toml").write_text("attempts = 0\ndays = 7\n")
    with pytest.raises(NotAdmitted):
        bench.resume()
    assert [found.grade_id for found in unfinished_grades(bench.store)] == [grade_id]
    (bench.store.folder / "fairness.toml").unlink()
    report = bench.resume()
    assert (report.status, report.provenance.admission.attempt) == (Status.GRADED, 1)
