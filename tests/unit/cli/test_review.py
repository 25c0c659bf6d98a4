"""`wmc review` shows a submission without running it, and nothing in it acts on the terminal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.cli import review
from harness.intake.pack import pack

TEMPLATE = Path(__file__).parents[3] / "submissions_template"


@pytest.fixture
def run(run_command) -> Callable[..., None]:
    """The command with these arguments."""
    return partial(run_command, review, "review")


@pytest.fixture
def hostile_zip(tmp_path) -> Path:
    """An entry whose scripts try to hide a line, and would leave a trace if they ran."""
    copy = tmp_path / "entry"
    shutil.copytree(TEMPLATE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "build.sh").write_bytes(b"#!/bin/sh\ntouch ran\r# [red]harmless[/red]\x1b[2K\x1b]0;title\x07\n")
    manifest = copy / "wmc.toml"
    manifest.write_text(
        manifest.read_text().replace("Keeps each bit", "[link=http://evil]Keeps[/link] each bit")
    )
    return pack(copy, tmp_path / "hostile.zip").path


def test_scripts_manifest_and_files_are_shown_and_no_escape_gets_out(
    run, hostile_zip, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    run(str(hostile_zip))
    shown = capsys.readouterr().out
    assert "touch ran\\r# [red]harmless[/red]\\x1b[2K" in shown
    assert "[link=http://evil]Keeps[/link]" in shown
    assert "predictor.py" in shown
    assert not any(ord(char) < 32 and char != "\n" for char in shown)
    assert not (tmp_path / "ran").exists()


def test_json_holds_everything_and_nothing_else_is_on_stdout(run, hostile_zip, capsys):
    run(str(hostile_zip), "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["manifest"]["user_name"] == "your-name"
    assert {file["name"] for file in found["files"]} >= {
        "build.sh",
        "evaluate.py",
        "predictor.py",
        "wmc.toml",
    }
    assert dict(found["scripts"])["build.sh"].startswith("#!/bin/sh\ntouch ran\\r")


def test_an_entry_that_breaks_rule_5_on_purpose_says_so_and_no_other_does(run, tmp_path, capsys):
    copy = tmp_path / "entry"
    shutil.copytree(TEMPLATE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    run(str(pack(copy, tmp_path / "honest.zip").path))
    assert "rule 5" not in capsys.readouterr().out
    with (copy / "wmc.toml").open("a") as manifest:
        manifest.write("forbidden_reference = true\nparameters = 1_800_000\n")
    run(str(pack(copy, tmp_path / "cheat.zip").path))
    shown = capsys.readouterr().out
    assert "breaks rule 5 on purpose" in shown
    assert "1,800,000" in shown
