"""A program by 1X's own rules: what it says is kept as its word, what it saved is scored, and neither is a score."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from harness.admission import Rules
from harness.errors import NotAdmitted, UsageError, WmcError
from harness.open_rules import grading as open_grading
from harness.open_rules import saved_logits
from harness.open_rules import scoring as open_scoring
from harness.progress import Silent
from harness.protocol.conversation import Limits
from harness.recomputing.regrading import RegradeRequest, regrade
from harness.recomputing.verification import Means, verify_grade
from harness.results.checks import Outcome
from harness.results.report import GATE, OPEN, GradeReport, OpenRun, Status
from tests.unit.open_rules.conftest import Opened

PRINTS = "print({'loss': '8.7900', 'acc': '0.0320'})"
SCRIPT = """#!/usr/bin/env python3
import argparse, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--val_data_dir", type=pathlib.Path)
parser.add_argument("--save_outputs_dir", type=pathlib.Path)
args = parser.parse_args()
"""


def opened(graded: Opened) -> OpenRun:
    assert graded.report.failure is None
    assert graded.report.open_run is not None
    return graded.report.open_run


def failure_code(graded: Opened) -> str:
    assert graded.report.failure is not None
    return graded.report.failure.code


@pytest.mark.torch
def test_a_script_like_1xs_is_run_and_its_logits_scored(grade_open: Callable[..., Opened]) -> None:
    """Interleaved windows too: its loss by its own code, in 1X's own order, is ours to the digits that it prints."""
    graded = grade_open("as_1x", lengths=(228, 226), saves_outputs=True)
    found = opened(graded)
    assert set(found.self_reported) == {"gen_time", "loss", "acc", "dec_time", "pred_lpips"}
    assert found.rescored is not None
    assert found.rescored.windows == 4, "starts 0, 1 and 2 of the first segment, and the second segment's"
    assert found.rescored.loss == pytest.approx(found.self_reported["loss"], abs=5e-5)
    assert found.rescored.token_accuracy == pytest.approx(found.self_reported["acc"], abs=5e-5)
    assert graded.report.regimes == dict.fromkeys(graded.report.regimes), "never among what is scored"
    assert graded.store.reports() == [graded.report]
    verify_both_kinds_of_figures(graded)


def verify_both_kinds_of_figures(graded: Opened) -> None:
    """Rescored figures are computed again from what was kept; nobody can do that for printed ones."""
    grade_id, means = graded.report.grade_id, Means(data=graded.data)
    outcomes = {
        check.what: check.outcome for check in verify_grade(graded.store, grade_id, means, progress=Silent())
    }
    for what in ("loss", "interval", "loss by frame", "accuracy"):
        assert outcomes[f"open protocol: {what}"] is Outcome.SAME
    assert outcomes["open protocol: self-reported figures"] is Outcome.UNCHECKED
    rescored = opened(graded).rescored
    assert rescored is not None
    kept = graded.store.folder / rescored.tokens_file
    kept.write_bytes(kept.read_bytes()[:-1])
    checks = verify_grade(graded.store, grade_id, Means(), progress=Silent())
    assert {check.what for check in checks if check.outcome is Outcome.DIFFERENT} == {
        "files",
        "open protocol",
    }


def test_without_being_asked_it_is_told_of_no_place_to_save(grade_open: Callable[..., Opened]) -> None:
    graded = grade_open(f"{SCRIPT}assert args.save_outputs_dir is None\n{PRINTS}\n")
    assert opened(graded).self_reported == {"loss": 8.79, "acc": 0.032}
    assert opened(graded).rescored is None
    assert opened(graded).not_rescored is None


def test_its_build_is_recorded_as_that_of_every_grade(grade_open: Callable[..., Opened]) -> None:
    graded = grade_open(f"{SCRIPT}{PRINTS}\n")
    origin = graded.report.provenance
    assert origin.supply is not None
    assert origin.sandbox_policy
    assert origin.inventory_file is not None
    assert (graded.store.folder / origin.inventory_file).is_file()


def test_a_liar_is_kept_as_its_own_word(grade_open: Callable[..., Opened]) -> None:
    """Control: what is printed is in a field of its own; tests of the page hold that it ranks nowhere."""
    graded = grade_open("liar")
    assert opened(graded).self_reported["loss"] == 0.0
    assert not any(graded.report.regimes.values())
    assert graded.report.provenance.protocol == OPEN


def test_a_record_from_before_there_were_protocols_is_of_the_gate(grade_open: Callable[..., Opened]) -> None:
    record = grade_open("liar").report.to_json()
    del record["provenance"]["protocol"], record["open_run"]
    report = GradeReport.from_json(record)
    assert (report.provenance.protocol, report.open_run) == (GATE, None)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("print('done')", "open.no_figures"),
        (f"{PRINTS}\nraise SystemExit(3)", "open.ended"),
        (f"{PRINTS}\nos.kill(os.getpid(), 9)", "open.ended"),
        (f"{PRINTS}\nimport time; time.sleep(600)", "open.timeout"),
    ],
)
def test_a_program_that_does_not_end_well_has_no_figures(
    grade_open: Callable[..., Opened], script: str, code: str
) -> None:
    """1X's script prints after every batch: what stands there before a crash is of a part of the data."""
    graded = grade_open(f"{SCRIPT}{script}\n", limits=Limits(regime_s=2 if code == "open.timeout" else 120))
    assert failure_code(graded) == code
    assert graded.report.open_run is None


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("", "open.no_logits"),
        ("os.symlink('/etc/passwd', SAVED)", "open.no_logits"),
        ("SAVED.mkdir()", "open.no_logits"),
        ("os.mkfifo(SAVED)", "open.no_logits"),
    ],
)
@pytest.mark.torch
def test_saved_outputs_that_are_no_logits_cost_the_rescoring_alone(
    grade_open: Callable[..., Opened], script: str, code: str
) -> None:
    """Control: the host takes regular files from a listing that follows no links."""
    saved = "SAVED = args.save_outputs_dir / 'pred_logits.pt'"
    graded = grade_open(f"{SCRIPT}{saved}\n{script}\n{PRINTS}\n", saves_outputs=True)
    found = opened(graded)
    assert found.rescored is None
    assert found.not_rescored is not None
    assert found.not_rescored.code == code
    assert "root:" not in str(graded.report)
    assert found.self_reported["loss"] == 8.79


@pytest.mark.parametrize(
    "script",
    [
        "os.truncate(open(SAVED, 'wb').name, 100 << 30)",
        "os.truncate(open(SAVED, 'wb').name, 100 << 30)\nimport time; time.sleep(600)",
        "[(args.save_outputs_dir / str(n)).touch() for n in range(1001)]",
        "args.save_outputs_dir.rmdir(); args.save_outputs_dir.symlink_to(args.val_data_dir)",
    ],
)
def test_outputs_beyond_their_cap_stop_the_program_or_the_rescoring(
    grade_open: Callable[..., Opened], script: str, tmp_path: Path
) -> None:
    """A hundred sparse gigabytes, and another folder in its place; control: FolderOutputs.check."""
    saved = "SAVED = args.save_outputs_dir / 'pred_logits.pt'"
    graded = grade_open(f"{SCRIPT}{saved}\n{script}\n{PRINTS}\n", saves_outputs=True)
    failure = graded.report.failure or opened(graded).not_rescored
    assert failure is not None
    assert failure.code == "open.outputs"


def test_without_torch_what_it_printed_remains(
    grade_open: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_logits.importlib.util, "find_spec", lambda name: None)
    found = opened(grade_open(f"{SCRIPT}{PRINTS}\n", saves_outputs=True))
    assert found.not_rescored is not None
    assert found.not_rescored.code == "dependency.torch"
    assert found.self_reported["loss"] == 8.79


def test_held_out_data_is_not_given_away_by_accident(
    grade_open: Callable[..., Opened], tmp_path: Path
) -> None:
    """Control: check_exposure. There is no record, for nothing was run."""
    with pytest.raises(NotAdmitted) as refused:
        grade_open("liar", name="heldout")
    assert refused.value.code == "admission.exposes_truth"
    assert not (tmp_path / "store").exists()
    assert "--expose-held-out-truth" in refused.value.fix


def test_an_organiser_may_give_it_away(grade_open: Callable[..., Opened]) -> None:
    assert opened(grade_open("liar", name="heldout", exposes_truth=True)).self_reported["acc"] == 1.0


def test_held_out_data_in_a_folder_called_val_is_no_public_data(
    grade_open: Callable[..., Opened], tmp_path: Path
) -> None:
    """Control: the digest counts beside the name."""
    grade_open("liar", name="heldout", exposes_truth=True)
    for folder in ("entry", "cache"):
        shutil.rmtree(tmp_path / folder)
    with pytest.raises(NotAdmitted):
        grade_open("liar", name="val")


def test_on_private_data_a_person_must_have_read_it(grade_open: Callable[..., Opened]) -> None:
    with pytest.raises(NotAdmitted) as refused:
        grade_open("liar", name="heldout", exposes_truth=True, rules=Rules())
    assert refused.value.code == "admission.not_approved"


def test_an_open_grade_cannot_be_scored_again(grade_open: Callable[..., Opened]) -> None:
    graded = grade_open("liar")
    with pytest.raises(UsageError) as refused:
        regrade(RegradeRequest(grade_id=graded.report.grade_id), store=graded.store, progress=Silent())
    assert refused.value.code == "usage.open_grade"


def test_a_clip_that_an_entrys_user_cannot_read_is_the_operators_to_mend(
    make_clip: Callable[..., Path],
) -> None:
    data = make_clip(name="val")
    open_grading.check_readable(data)
    for spoil in (
        lambda: (data / "video.bin").chmod(0o600),
        lambda: (data / "more.bin").symlink_to("/etc/passwd"),
    ):
        spoil()
        with pytest.raises(WmcError) as refused:
            open_grading.check_readable(data)
        assert refused.value.code == "data.not_shareable"
        (data / "video.bin").chmod(0o644)


def test_the_room_for_outputs_is_what_1xs_files_take(grade_open: Callable[..., Opened]) -> None:
    """Of 1X's val: 3.8 GB of logits, 1.5 GB of pictures, 8 MB of tokens."""
    assert 5.3e9 < open_scoring.largest_outputs(243) < 5.6e9


def test_a_failed_open_grade_says_so_by_its_protocol(grade_open: Callable[..., Opened]) -> None:
    graded = grade_open(f"{SCRIPT}raise SystemExit(1)\n")
    assert graded.report.status is Status.FAILED
    assert replace(graded.report.provenance, durations_s={}).protocol == OPEN
