"""`wmc leaderboard` writes the site and shows the ranking on stdout."""

from __future__ import annotations

import argparse
import json
import re

import pytest

from harness.cli import leaderboard as command
from harness.cli.console import Console
from harness.results.store import Store


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs the command on a store with `reports`; returns (stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(*options, reports=()):
        for report in reports:
            Store(tmp_path / "store").append(report)
        parser = argparse.ArgumentParser()
        command.register(parser.add_subparsers())
        args = parser.parse_args(
            ["leaderboard", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "site"), *options]
        )
        args.run(args, Console())
        return capsys.readouterr()

    return run


def test_the_ranking_is_on_stdout_and_the_page_is_named_on_stderr(run, grades):
    shown = run(reports=[grades.graded(loss=9.5), grades.graded(user="bob", loss=9.0), grades.failed()])
    assert re.search(r"1  bob/first +9\.0000 +8\.949 to 9\.049 +0\.0320 +9\.3000 +\u2013", shown.out)
    assert re.search(r"2  ada/first +9\.5000", shown.out)
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "index.html" in shown.err.replace("\n", "")
    assert "1 failed" in shown.err


def test_markup_and_escapes_in_a_name_are_shown_not_obeyed(run, grades):
    shown = run(reports=[grades.graded(entry="[bold]x[/bold]\x1b[31m")])
    assert "[bold]x[/bold]" in shown.out
    assert "\x1b" not in shown.out


def test_json_is_what_the_file_holds(run, grades, tmp_path):
    shown = run("--json", reports=[grades.graded()])
    assert json.loads(shown.out) == json.loads((tmp_path / "site" / "leaderboard.json").read_text())


def test_an_empty_store_says_what_to_do_next(run, tmp_path):
    shown = run()
    assert shown.out == ""
    assert "wmc grade" in shown.err
    assert (tmp_path / "site" / "index.html").exists()
