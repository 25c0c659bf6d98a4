"""Programs of the open protocol, run in the process sandbox on a small clip."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.intake.pack import pack
from harness.open_rules.grading import OpenRequest, grade_openly
from harness.progress import Silent
from harness.protocol.conversation import Limits
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.sandbox.process import ProcessSandbox

ROOT = Path(__file__).parents[3]
ENTRIES = ROOT / "tests" / "open_entries"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """One open grade, where it is kept, and what it is of."""

    report: GradeReport
    store: Store
    data: Path


@pytest.fixture
def open_entry(tmp_path: Path) -> Callable[[str], Path]:
    """A folder to submit whose evaluate.py is this text, or that of the entry with this name."""

    def make(evaluate: str) -> Path:
        folder = shutil.copytree(ROOT / "submissions_template", tmp_path / "entry")
        if "\n" not in evaluate:
            evaluate = (ENTRIES / evaluate / "evaluate.py").read_text()
        (folder / "evaluate.py").write_text(evaluate)
        return folder

    return make


@pytest.fixture
def grade_open(
    make_clip: Callable[..., Path], open_entry: Callable[[str], Path], tmp_path: Path
) -> Callable[..., Opened]:
    """Packs an entry and runs it on a clip called val."""

    def run(
        evaluate: str, *, lengths: tuple[int, ...] = (226, 226), name: str = "val", **request: Any
    ) -> Opened:
        data, store = make_clip(lengths, name=name), Store(tmp_path / "store")
        asked = OpenRequest(
            submission=pack(open_entry(evaluate), tmp_path / "entry.zip").path,
            data=data,
            **{"limits": Limits(regime_s=60), **request},
        )
        sandbox = ProcessSandbox(cache=tmp_path / "cache")
        report = grade_openly(asked, sandbox=sandbox, store=store, progress=Silent())
        return Opened(report=report, store=store, data=data)

    return run
