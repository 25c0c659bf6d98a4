"""What is shown arrives whole, or is missed by nobody: closed pipes, full disks, narrow terminals, odd locales."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli.console import Console, Ending
from harness.cli.tables import number_table

ROOT = Path(__file__).parents[3]


def wmc(*arguments: object, shell: str = '"$@"', **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, its streams as `shell` connects them."""
    return subprocess.run(
        ["bash", "-c", shell, "bash", sys.executable, "-m", "harness", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("shell", ['"$@" | true; exit ${PIPESTATUS[0]}', '"$@" >&-'])
def test_a_failure_stays_a_failure_when_nobody_reads_it(tmp_path: Path, shell: str) -> None:
    done = wmc(
        "check", tmp_path / "no.zip", "--data", tmp_path, "--sandbox", "process", "--json", shell=shell
    )
    assert done.returncode not in (0, 70), done.stderr
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_a_result_nobody_reads_to_its_end_is_a_success(make_clip: Callable[..., Path]) -> None:
    done = wmc("data", "info", make_clip(), shell='"$@" | true; exit ${PIPESTATUS[0]}')
    assert (done.returncode, "rror" in done.stderr) == (0, False), done.stderr


def test_a_full_disk_behind_stdout_is_the_operators(make_clip: Callable[..., Path]) -> None:
    done = wmc("data", "info", make_clip(), shell='"$@" > /dev/full')
    assert done.returncode == 3
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_written_stops_nothing(make_clip: Callable[..., Path]) -> None:
    done = wmc("data", "info", make_clip(), "--json", shell='"$@" 2> /dev/full')
    assert done.returncode == 0
    assert json.loads(done.stdout)["windows"]


def test_a_name_of_any_script_is_shown_in_a_c_locale(make_clip: Callable[..., Path], tmp_path: Path) -> None:
    clip = tmp_path / "\u5730\u56fe"
    make_clip().rename(clip)
    done = wmc("data", "info", clip, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr
    assert "frames" in done.stdout


def test_lines_of_text_are_not_wrapped_and_tables_keep_their_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    line = "python train.py --with many --options and :warning: a long list of them  "
    Console().show(line)
    assert capsys.readouterr().out == line + "\n"
    table = number_table("title", first="name", numbers=("loss", "interval"), caption="nats")
    table.add_row("a-name-of-thirty-two-characters-", "9.1234", "9.0001 to 9.2000")
    Console().show(table)
    shown = " ".join(capsys.readouterr().out.split())
    assert "a-name-of-thirty-two-characters- 9.1234 9.0001 to 9.2000" in shown


def test_long_work_says_how_it_gets_on_where_no_bar_can_be_drawn(capsys, monkeypatch) -> None:
    monkeypatch.setattr("harness.cli.steps.REPORT_EVERY_S", 0.0)
    with Console().step("teacher-forced, frames", total=360) as advance:
        advance(24, status="loss 8.431")
        advance(24)
    first, second, third, last = capsys.readouterr().err.splitlines()
    assert first == "teacher-forced, frames"
    assert second.startswith("teacher-forced, frames: 24 of 360, about ")
    assert second.endswith(" s left in this step, loss 8.431")
    assert third.startswith("teacher-forced, frames: 48 of 360, about ")
    assert last == "teacher-forced, frames: 48 of 360 in 0 s, loss 8.431"


def test_short_work_is_one_line_where_no_bar_can_be_drawn(capsys) -> None:
    with Console().step("checking files", total=2) as advance:
        advance()
        advance()
    assert capsys.readouterr().err == "checking files\n"


def test_no_line_of_a_table_ends_in_blanks(capsys) -> None:
    table = number_table("title", first="name", numbers=("loss", "interval"), caption="nats")
    table.add_row("short", "9.1234")
    Console().show(table)
    shown = capsys.readouterr().out
    assert "short" in shown
    assert [line for line in shown.splitlines() if line != line.rstrip()] == []


def test_what_is_left_of_a_command_is_lines_and_commands_whatever_they_say(capsys) -> None:
    """A line that reads like a command stays a line, and a command may begin with anything."""
    Console().ended(
        "interrupted",
        Ending(
            lines=("first", "said: wmc something"),
            commands=(("go on", "wmc grade --resume"), ("give up", "rm x")),
        ),
    )
    assert capsys.readouterr().err.splitlines() == [
        "interrupted: first",
        "said: wmc something",
        "go on:   wmc grade --resume",
        "give up: rm x",
    ]
    Console().ended("terminated", Ending())
    assert capsys.readouterr().err == "terminated\n"
