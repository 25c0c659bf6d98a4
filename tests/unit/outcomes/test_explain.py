"""`wmc explain` says what a code means, finds what was meant by one that is not there, and makes the docs' page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.cli.console import Console
from harness.cli.outcomes_page import markdown_page
from harness.errors import Blame, SandboxUnavailable
from harness.outcomes import groups, outcomes

PAGE = Path(__file__).parents[3] / "docs" / "outcomes.md"
Shown = pytest.CaptureFixture[str]


def test_the_page_of_the_docs_is_what_the_table_says() -> None:
    assert PAGE.read_text("utf-8") == markdown_page(groups()) + "\n", "run `make docs`"


def test_make_docs_writes_the_page(capsys: Shown) -> None:
    assert main(["explain", "--markdown"]) == 0
    assert capsys.readouterr().out == PAGE.read_text("utf-8")


def test_the_whole_table_has_every_code_and_exit_code_in_80_columns(capsys: Shown) -> None:
    assert main(["explain"]) == 0
    shown = capsys.readouterr().out
    assert all(code in shown for code in outcomes())
    assert all(f"\n{blame.exit_code} " in shown for blame in Blame)
    assert "130" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_one_code_is_told_with_all_that_there_is_to_it(capsys: Shown) -> None:
    assert main(["explain", "guest.timeout"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    row = outcomes()["guest.timeout"]
    for words in (row.code, row.cause, row.next_step, "the entrant's; counts as an attempt", "exit code 1"):
        assert words in shown


@pytest.mark.parametrize("prefix", ["guest", "guest.", "guest.*"])
def test_a_prefix_lists_its_group(capsys: Shown, prefix: str) -> None:
    assert main(["explain", prefix, "--json"]) == 0
    found = {each["code"] for each in json.loads(capsys.readouterr().out)["outcomes"]}
    assert found == {code for code in outcomes() if code.startswith("guest.")}


def test_a_row_with_another_turn_than_its_group_says_so(capsys: Shown) -> None:
    assert main(["explain", "grade."]) == 0
    assert "Turn: of those who maintain wmc" in capsys.readouterr().out


def test_an_unknown_code_is_a_mistake_of_usage_that_names_the_nearest(capsys: Shown) -> None:
    assert main(["explain", "guest.time_out"]) == 2
    assert "did you mean guest.timeout" in capsys.readouterr().err
    assert main(["explain", "\x1b[2J"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_failure_ends_with_the_command_that_explains_it_where_no_nearer_one_is_known(capsys: Shown) -> None:
    error = SandboxUnavailable("no engine", fix="start one", code="sandbox.no_engine")
    Console().error(error)
    assert capsys.readouterr().err.endswith("next: wmc explain sandbox.no_engine\n")
    Console().error(error, command="wmc sandbox status")
    assert capsys.readouterr().err.endswith("next: wmc sandbox status\n")
    error.command = "wmc sandbox build"
    Console().error(error, command="wmc sandbox status")
    assert capsys.readouterr().err.endswith("next: wmc sandbox build\n")
