"""`wmc grade --resume` and `--abandon` as an operator uses them, after a real kill and after ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli.console import Console, Ending
from harness.cli.grade_view import show_report
from harness.cli.interruption import Interrupted, Terminated, telling_what_is_left
from harness.intake.pack import pack
from harness.protocol.regimes import Regime
from harness.results.audit import check_records
from harness.results.checks import Outcome
from harness.results.report import Status
from harness.results.unfinished import unfinished_grades

ROOT = Path(__file__).parents[3]
Wmc = Callable[..., subprocess.CompletedProcess[str]]
STAYS_IN_THE_SECOND = """
import time
with open({starts!r}, "a") as file:
    file.write("x")
    start = file.tell()
if start == 2:
    time.sleep(600)
"""


@pytest.fixture
def wmc(bench: Any, tmp_path: Path) -> Wmc:
    """Runs `wmc grade` with these arguments on the store."""

    def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(bench, *arguments), env=places(tmp_path), capture_output=True, text=True, check=False
        )

    return run


def command(bench: Any, *arguments: Any) -> list[str]:
    said = map(str, arguments)
    return [sys.executable, "-m", "harness", "grade", "--store", str(bench.store.folder), *said]


def places(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(folder), "PYTHONPATH": str(ROOT)}


def finished_one(bench: Any) -> list[Path]:
    """The journals of grades that finished a regime."""
    journals = bench.store.folder.glob("grades/*/journal.jsonl")
    return [path for path in journals if b'"kind": "finished"' in path.read_bytes()]


@contextmanager
def ctrl_c_heeded() -> Iterator[None]:
    """A process that is started meanwhile heeds Ctrl-C, also where these tests run in the background and ignore it."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, kept)


@pytest.fixture
def stopped(bench: Any, tmp_path: Path) -> Callable[..., str]:
    """A grade whose process got these signals once its first regime was finished; its id."""
    folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
    text, starts = (folder / "evaluate.py").read_text(), tmp_path / "starts"
    stays = STAYS_IN_THE_SECOND.format(starts=str(starts))
    (folder / "evaluate.py").write_text(text.replace("\nfrom", f"\n{stays}from", 1))
    assert stays in (folder / "evaluate.py").read_text()
    submission = pack(folder, tmp_path / "slow.zip").path

    def run(*signals: signal.Signals) -> str:
        asked = (
            submission,
            "--data",
            bench.request.data,
            "--sandbox",
            "process",
            "--no-pictures",
            "--no-review",
            "--seed",
            7,
        )
        with ctrl_c_heeded(), (tmp_path / "said").open("wb") as said:
            process = subprocess.Popen(command(bench, *asked), env=places(tmp_path), stderr=said)
        while not (starts.exists() and starts.stat().st_size >= 2 and finished_one(bench)):
            assert process.poll() is None
            time.sleep(0.02)
        journals = finished_one(bench)
        for each in signals:
            process.send_signal(each)
            time.sleep(0.05)
        process.wait(60)
        return journals[0].parent.name

    return run


def test_a_killed_grade_is_resumed_as_it_was_begun(
    stopped: Callable[..., str], wmc: Wmc, bench: Any, tmp_path: Path
) -> None:
    grade_id = stopped(signal.SIGKILL)
    refused = wmc("--resume", "--seed", 9, "--windows", 1, "--gpu", 0)
    assert refused.returncode == 2
    assert f"grade {grade_id} was not asked for like this: --seed, --windows, --gpu" in refused.stderr
    assert bench.store.grade_ids() == frozenset()

    moved = (tmp_path / "slow.zip").rename(tmp_path / "elsewhere.zip")
    done = wmc(moved, "--resume", "--seed", 7, "--json")
    assert done.returncode == 0, done.stderr
    assert f"resuming grade {grade_id}, after fully autoregressive" in done.stderr
    report = json.loads(done.stdout)
    assert (report["grade_id"], report["status"]) == (grade_id, "graded")
    assert (report["provenance"]["seed"], report["provenance"]["resumes"]) == (7, 1)

    again = wmc("--resume", grade_id)
    assert again.returncode == 2
    assert "it is graded" in again.stderr


def test_a_killed_grade_is_closed(stopped: Callable[..., str], wmc: Wmc, bench: Any) -> None:
    grade_id = stopped(signal.SIGKILL)
    done = wmc("--abandon", grade_id)
    assert done.returncode == 0, done.stderr
    assert f"grade {grade_id} is closed" in done.stderr
    (report,) = bench.store.reports()
    assert (report.grade_id, report.failure.code) == (grade_id, "grade.lost")
    assert wmc("--abandon", grade_id).returncode == 2


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_leaves_one_record_or_what_can_be_resumed(
    stopped: Callable[..., str], wmc: Wmc, bench: Any, tmp_path: Path, times: int
) -> None:
    grade_id = stopped(*[signal.SIGINT] * times)
    assert "wmc grade --resume" in (tmp_path / "said").read_text()
    left = [found.grade_id for found in unfinished_grades(bench.store)]
    assert [*bench.store.grade_ids(), *left] == [grade_id]
    done = wmc("--resume", grade_id)
    assert done.returncode == 0, done.stderr
    *before, report = bench.store.reports()
    assert report.status is Status.GRADED
    assert [each.failure.code for each in before] == ["grade.interrupted"] * (not left)
    assert report.provenance.resumed_from == (None if left else grade_id)
    assert {check.outcome for check in check_records(bench.store)} == {Outcome.SAME}


@pytest.mark.parametrize(
    ("end", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")], ids=["ctrl-C", "kill"]
)
def test_an_interruption_says_what_is_kept_and_how_to_go_on_or_give_up(
    stopped: Callable[..., str], wmc: Wmc, bench: Any, tmp_path: Path, end: signal.Signals, word: str
) -> None:
    """The commands are typed as they are printed."""
    grade_id = stopped(end)
    store = f"--store {bench.store.folder}"
    assert (tmp_path / "said").read_text().splitlines()[-4:] == [
        f"{word}: grade {grade_id} stopped after fully autoregressive; nothing is charged to the entry",
        "kept: the built entry, fully autoregressive; the rest is done again",
        f"go on:   wmc grade --resume {grade_id} {store}",
        f"give up: wmc grade --abandon {grade_id} {store}",
    ]
    closed = wmc("--abandon", grade_id)
    assert (closed.returncode, closed.stderr) == (
        0,
        f"grade {grade_id} is closed: the grade was interrupted (grade.interrupted)\n",
    )
    assert wmc("--resume").returncode == 2
    assert wmc("--resume", grade_id).returncode == 0


def test_an_interruption_before_anything_was_begun_says_so(bench: Any) -> None:
    with pytest.raises(Interrupted) as caught, telling_what_is_left(bench.store, "no-such-grade"):
        raise KeyboardInterrupt
    assert caught.value.ending == Ending(lines=("nothing was begun, and nothing is kept",))


def test_an_interruption_after_the_scores_names_no_way_to_go_on(bench: Any, undisturbed: Any) -> None:
    bench.store.append(undisturbed.report)
    grade_id = undisturbed.report.grade_id
    with pytest.raises(Terminated) as caught, telling_what_is_left(bench.store, grade_id):
        raise Terminated(143)
    [line] = caught.value.ending.lines
    assert f"grade {grade_id} has its scores" in line
    command = f"wmc notice {grade_id} --store {bench.store.folder}"
    assert caught.value.ending.commands == (("next", command),)


def test_a_grade_ends_on_one_screen(
    bench: Any, undisturbed: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 24 lines and 80 columns, with every stage in it, three regimes and a reason why it was not all measured."""
    monkeypatch.setenv("COLUMNS", "80")
    report = undisturbed.report
    causal = replace(
        report.regimes[Regime.TEMPORALLY_TEACHER_FORCED],
        missing_metrics={
            "lpips": f"{'/a/long/path' * 9} cannot be read; fetch the weights: wmc data pull --lpips"
        },
    )
    report = replace(report, regimes={**report.regimes, Regime.FULLY_TEACHER_FORCED: causal})
    assert report.retrieval is not None
    assert show_report(report, Console(), as_json=False) == 0
    shown = capsys.readouterr()
    lines = [*shown.out.splitlines(), *shown.err.splitlines()]
    assert len(lines) < 24, "and one for its entrant"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("entry", "words", "command"),
    [
        (None, "error [data.metadata_unreadable]", "wmc explain data.metadata_unreadable"),
        ("raise SystemExit(7)", "error [guest.no_connection]", "wmc notice GRADE --store STORE"),
    ],
)
def test_a_grade_that_failed_ends_with_the_command_of_whose_move_it_is(
    wmc: Wmc, bench: Any, tmp_path: Path, entry: str | None, words: str, command: str
) -> None:
    """Nothing goes on from where nothing was done."""
    folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
    (folder / "evaluate.py").write_text(f"#!/usr/bin/env python3\n{entry}\n")
    (damaged := tmp_path / "damaged").mkdir()
    (damaged / "metadata.json").write_text("{")
    data = bench.request.data if entry else damaged
    submission = pack(folder, tmp_path / "bad.zip").path
    done = wmc(submission, "--data", data, "--sandbox", "process", "--no-review", "--no-pictures")
    *_, first, _, _, last = done.stderr.splitlines()
    (report,) = bench.store.reports()
    assert first.startswith(words)
    assert last == "next: " + command.replace("GRADE", report.grade_id).replace(
        "STORE", str(bench.store.folder)
    )


def test_without_resume_a_zip_and_data_are_needed(wmc: Wmc) -> None:
    done = wmc()
    assert done.returncode == 2
    assert "required: ZIP, --data" in done.stderr
