"""docs/entrants.md shows commands and limits as they are."""

from __future__ import annotations

import fnmatch
import re
import shlex
from pathlib import Path

import pytest

from harness.cli import _parser
from harness.extras import install
from harness.intake.limits import DEFAULT_LIMITS
from harness.outcomes import outcomes
from harness.protocol.conversation import Limits
from harness.sandbox.policy import GIB, SandboxPolicy

PAGE = (Path(__file__).parents[3] / "docs" / "entrants.md").read_text()
COMMANDS = [line.split("#")[0] for line in PAGE.splitlines() if line.startswith("wmc ")]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_on_the_page_is_one(command: str) -> None:
    _parser().parse_args(shlex.split(command)[1:])


def test_the_page_shows_the_whole_path() -> None:
    shown = {re.split(r"\s", command)[1] for command in COMMANDS}
    assert shown == {"data", "sandbox", "new", "check", "submit", "inbox", "explain"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("`build.sh`", ["an hour", f"{SandboxPolicy.build.memory_bytes // GIB} GiB"]),
        ("until your predictor is made", [f"{Limits.start_s / 60:.0f} minutes"]),
        ("one reply", [f"{Limits.reply_s / 60:.0f} minutes"]),
        ("one regime", [f"{Limits.regime_s / 3600:.0f} hours"]),
        ("memory", [f"{SandboxPolicy.run.memory_bytes // GIB} GiB"]),
        (
            "`/tmp`",
            [f"{size // GIB} GiB" for size in (SandboxPolicy.run.tmp_bytes, SandboxPolicy.run.shm_bytes)],
        ),
        ("processes", [str(SandboxPolicy.run.pids)]),
        ("your folder", [f"{SandboxPolicy.entry_bytes // GIB} GiB", f"{SandboxPolicy.entry_files:,}"]),
        (
            "the zip",
            [
                f"{DEFAULT_LIMITS.zip_bytes // GIB} GiB",
                f"{DEFAULT_LIMITS.files:,}",
                f"{DEFAULT_LIMITS.total_bytes // GIB} GiB",
            ],
        ),
    ],
)
def test_a_limit_on_the_page_is_the_one_in_force(row: str, words: list[str]) -> None:
    (line,) = (line for line in PAGE.splitlines() if line.startswith(f"| {row}"))
    assert all(word in line for word in words), line


def test_a_code_on_the_page_is_one() -> None:
    section = PAGE.partition("## 6. When the grade failed")[2]
    named = [
        code
        for line in section.splitlines()
        if line.startswith("| `")
        for code in re.findall(r"`(.+?)`", line.split("|")[1])
    ]
    assert len(named) > 8
    assert [code for code in named if not fnmatch.filter(outcomes(), code)] == []


def test_one_line_installs_all_that_the_page_needs() -> None:
    (extras,) = re.findall(r"-e '\.\[([a-z,]+)\]'$", PAGE, re.MULTILINE)
    assert set(extras.split(",")) == {"demo", "hub", "pictures"}
    assert install(extras) in PAGE


def test_build_sh_may_take_an_hour() -> None:
    assert SandboxPolicy.build_timeout_s == 3600
