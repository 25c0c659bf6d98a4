"""The docs show commands, tests and known holes as they are."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from harness.cli import _parser

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "integration" / "hostile"))
from cases import HOLES
from commands_in_docs import Shown, commands_in, fault_of, helps_of, targets_of

ROOT = Path(__file__).parents[2]

PAGES = sorted(
    page
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/*.md",
        "submissions_template/*.md",
        "baselines/**/*.md",
    )
    for page in ROOT.glob(pattern)
)
OF_TESTS = [ROOT / "docs" / name for name in ("promises.md", "threats.md")]
TARGETS = targets_of(ROOT / "Makefile")


def faults_in(text: str) -> list[str]:
    """`LINE: COMMAND: what is wrong`, for each command of the text that is none."""
    return [
        f"{shown.line}: {shown.program} {' '.join(shown.words)}: {fault}"
        for shown in commands_in(text)
        if (fault := fault_in(shown)) is not None
    ]


def fault_in(shown: Shown) -> str | None:
    if shown.program == "wmc":
        return fault_of(_parser(), shown)
    asked = {word for word in shown.words if re.fullmatch("[a-z][a-z-]*", word)}
    return f"the Makefile has no {', '.join(sorted(asked - TARGETS))}" if asked - TARGETS else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_on_a_page_is_one(page: Path) -> None:
    faults = [f"{page.relative_to(ROOT)}:{each}" for each in faults_in(page.read_text())]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", helps_of(_parser()))
def test_every_help_can_be_shown_and_names_commands_that_are_ones(name: str) -> None:
    text = helps_of(_parser())[name]
    assert name in text
    assert faults_in(text) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("`wmc inspect ZIP`", "invalid choice"),
        ("```\nwmc grade A.zip --data D --dtaa E\n```", "unrecognized"),
        ("```\nwmc grade A.zip --data D --stor E\n```", "unrecognized"),
        ("```\nX=1 .venv/bin/wmc submit a --store b && true # wmc\n```", "unrecognized"),
        ("```\nwmc review --store S \\\n  --aprove\n```", "required"),
        ("text `wmc grade\n--tain DIR` text", "unrecognized"),
        ("```\nwmc review\n```", "required"),
        ("```\nwmc leaderboard --store S > page | make nothing\n```", "has no nothing"),
        ("`torchrun -m harness train-baselin genie`", "invalid choice"),
        ("`wmc grade --windows many`", "not a whole number"),
    ],
)
def test_a_command_that_is_none_is_found_with_its_line(text: str, fault: str) -> None:
    (found,) = faults_in(f"a\n\nb\n{text}")
    assert re.match(r"[45]: (wmc|make) ", found)
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        "`wmc grade --train DIR`, `wmc grade --abandon`",
        "`wmc grade ENTRY.zip ... --windows N`",
        "```\nwmc grade ENTRY.zip ... --train TRAIN   # and asks\nwmc verify [GRADE] --store S\n```",
        "```\nwmc retrieval calibrate --store S --data D --train T --entry GRADE...\n```",
        "```\nnext: wmc check my-entry\n```",
        "wmc in prose, `wmc`, `wmc[hub]`, `make EXTRAS=dev,genie test`",
    ],
)
def test_a_command_with_placeholders_is_one(text: str) -> None:
    assert faults_in(text) == []


@pytest.mark.parametrize("page", OF_TESTS, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"(tests/[\w/]+\.py)::([\w:]+)", page.read_text()))
    assert len(named) > 10
    missing = [f"{path}::{name}" for path, name in sorted(named) if name not in names_in(ROOT / path)]
    assert not missing, "\n".join(missing)


def names_in(path: Path) -> set[str]:
    """`test_it`, `TestThat` and `TestThat::test_it`, as pytest calls them; of a file that is not there none."""
    found = set()
    for node in ast.parse(path.read_text()).body if path.exists() else ():
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            found.add(node.name)
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
    return found


def test_the_holes_that_are_named_are_those_that_tests_expect() -> None:
    page = (ROOT / "docs" / "threats.md").read_text()
    section = page.partition("## Known holes")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(HOLES)
