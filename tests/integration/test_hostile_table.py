"""Folders of hostile entries, what tests expect of them, and the table in their README are one thing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "hostile"))
import caging
from cases import CASES, GRADED, HOLES, PROBES

README = caging.ENTRIES / "README.md"


def rows() -> dict[str, list[str]]:
    """The table's rows by their first cell."""
    lines = [line for line in README.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {first.strip("`"): rest for first, *rest in cells}


def test_each_folder_has_a_case_and_a_row() -> None:
    assert caging.names() == sorted(CASES) == sorted(rows())
    assert len(CASES) >= 40


def test_the_table_says_what_the_tests_expect() -> None:
    for name, case in CASES.items():
        is_graded = case.outcome == GRADED
        outcome = GRADED if is_graded else f"`{case.outcome}`"
        expected = [caging.tries(name), case.control, outcome, "-" if is_graded else case.blame]
        assert rows()[name] == expected, name


def test_probes_are_those_with_a_probe() -> None:
    assert caging.probes() == sorted(PROBES)


def test_each_can_be_started() -> None:
    """The execute bit is what the sandbox goes by."""
    for name in caging.names():
        for program in ("evaluate.py", "build.sh"):
            path = caging.ENTRIES / name / program
            assert not path.exists() or os.access(path, os.X_OK), path


def test_what_is_not_stopped_yet_is_named() -> None:
    known = README.read_text().rpartition("Known holes")[2]
    assert sorted(name for name in CASES if f"`{name}`" in known) == sorted(HOLES)
