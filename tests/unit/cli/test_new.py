"""`wmc new` makes a folder that can be submitted at once, and asks for what nobody said."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.cli import new, submit
from harness.errors import OutputFailed, UsageError
from harness.intake import template
from harness.intake.pack import read_manifest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
WHO = ("--user-name", "ada", "--email", "ada@example.org")


class Typed(io.StringIO):
    """A terminal on which these lines are typed."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(run_command, monkeypatch, tmp_path) -> Callable[..., None]:
    """The command with these arguments, in an empty folder and without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return partial(run_command, new, "new")


@pytest.fixture
def types(run, monkeypatch) -> Callable[..., None]:
    """The command at a terminal where these lines are typed."""

    def typed(lines: str, *arguments: str) -> None:
        monkeypatch.setattr(sys, "stdin", Typed(lines))
        run(*arguments)

    return typed


def test_what_it_makes_can_be_submitted_at_once(run, run_command, tmp_path, capsys):
    run("my-entry", *WHO)
    run_command(submit, "submit", "my-entry")
    assert (tmp_path / "ada-my-entry.zip").is_file()


def test_it_is_the_template_with_its_comments_and_nothing_else(run, tmp_path):
    run("my-entry", *WHO, "--description", "A new idea.")
    made, original = tmp_path / "my-entry", ROOT / "submissions_template"
    assert {path.name for path in made.iterdir()} == {
        path.name for path in original.iterdir() if path.name != "__pycache__"
    }
    before, after = (folder.joinpath("wmc.toml").read_text().splitlines() for folder in (original, made))
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert [new.split(" = ")[0] for _, new in changed] == ["user_name", "email", "entry_name", "description"]
    assert changed[0][1] == changed[0][0].replace("your-name", "ada"), "comments stay"
    assert {path.name for path in made.iterdir() if os.access(path, os.X_OK)} >= {"build.sh", "evaluate.py"}


@pytest.mark.parametrize(
    "text", ['a "quoted" \\1 back\\slash', "two\nlines\tand a tab", "é [bold] 日本 # no comment"]
)
def test_every_text_a_manifest_may_hold_arrives_as_it_was_said(run, tmp_path, text):
    run("my-entry", *WHO, "--description", text)
    assert read_manifest(tmp_path / "my-entry").description == text


def test_without_a_terminal_what_is_missing_is_named_by_its_flag(run, tmp_path):
    with pytest.raises(UsageError) as refusal:
        run("my entry", "--user-name", "ada")
    assert "--email" in refusal.value.message
    assert "--user-name" not in refusal.value.message
    assert "wmc new 'my entry' --email" in refusal.value.fix
    assert list(tmp_path.iterdir()) == []


def test_a_value_no_manifest_may_hold_is_refused_before_anything_is_made(run, tmp_path):
    with pytest.raises(UsageError, match=r"--user-name.*ada lovelace.*not a user name"):
        run("my-entry", "--user-name", "ada lovelace", "--email", "ada@example.org")
    assert list(tmp_path.iterdir()) == []


def test_at_a_terminal_the_rest_is_asked_until_it_fits(types, tmp_path, capsys):
    types("ada lovelace\nada\nada@example.org\n\nA new idea.\n", "my-entry")
    manifest = read_manifest(tmp_path / "my-entry")
    assert (manifest.user_name, manifest.entry_name) == ("ada", "my-entry"), (
        "nothing typed takes what is shown"
    )
    assert manifest.description == "A new idea."
    assert "not a user name" in capsys.readouterr().err


def test_what_was_said_is_not_asked(types, capsys):
    types("\n", "my-entry", *WHO, "--entry-name", "x")
    asked = capsys.readouterr().err
    assert "description" in asked
    assert "user name (" not in asked


def test_an_input_that_ends_leaves_nothing(types, tmp_path):
    with pytest.raises(UsageError, match="input ended"):
        types("ada\n", "my-entry")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "file", "dangling link"])
def test_what_is_there_already_is_left_alone(run, tmp_path, what):
    there = tmp_path / "my-entry"
    {"folder": there.mkdir, "file": there.touch, "dangling link": lambda: there.symlink_to("nowhere")}[what]()
    with pytest.raises(UsageError, match="is there already"):
        run("my-entry", *WHO)
    assert list(tmp_path.iterdir()) == [there]


def test_a_disk_that_takes_nothing_leaves_no_half_of_an_entry(run, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError("No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(OutputFailed, match="No space left"):
        run("my-entry", *WHO)
    assert list(tmp_path.iterdir()) == []


def test_the_next_commands_are_shown(run, capsys):
    run("my entry", *WHO)
    shown = capsys.readouterr().out
    for command in (
        "wmc check 'my entry' --quick --data",
        "wmc check 'my entry' --data",
        "wmc submit 'my entry'",
    ):
        assert command in shown


def test_a_wheel_carries_the_template_to_where_it_is_looked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert template.TEMPLATE.name in packages
    assert template.TEMPLATE.parent == Path(template.__file__).parents[2], "beside harness, there as here"
