"""A program that holds the truth runs beside nothing else of the same cache folder."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from harness.errors import SandboxUnavailable
from harness.sandbox.turn import Turn


def test_grades_run_beside_each_other(tmp_path: Path) -> None:
    first, second = Turn(tmp_path), Turn(tmp_path)
    first.share()
    first.share()
    second.share()


def test_what_holds_the_truth_waits_for_nobody_and_is_refused(tmp_path: Path) -> None:
    """Control: Turn.alone takes the lock for itself."""
    grade, open_run = Turn(tmp_path), Turn(tmp_path)
    grade.share()
    open_run.share()  # it built its entry as any other does
    with pytest.raises(SandboxUnavailable) as refused, open_run.alone():
        pytest.fail("ran beside a grade")
    assert refused.value.code == "sandbox.busy"
    grade.release()
    with open_run.alone():
        pass


def test_nothing_starts_beside_what_holds_the_truth(tmp_path: Path) -> None:
    """Control: Turn.share, before anything is built or run."""
    grade, open_run = Turn(tmp_path), Turn(tmp_path)
    with open_run.alone():
        for start in (grade.share, Turn(tmp_path).alone().__enter__):
            with pytest.raises(SandboxUnavailable) as refused:
                start()
            assert refused.value.code == "sandbox.busy"
    grade.share()


def test_a_sandbox_that_nobody_holds_any_more_holds_nothing(tmp_path: Path) -> None:
    Turn(tmp_path).share()
    gc.collect()
    with Turn(tmp_path).alone():
        pass


def test_other_caches_are_other_machines(tmp_path: Path) -> None:
    with Turn(tmp_path / "one").alone():
        Turn(tmp_path / "other").share()
