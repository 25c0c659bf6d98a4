"""The benchmark of the retrieval check runs from entries to tables, on data that is too small to say anything else."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def data(make_clip: Callable[..., Path]) -> Path:
    """Eight training segments, and two windows that begin as two of them do: copies of what follows are exact."""
    make_clip((226,) * 8, hold=15, name="train")
    return make_clip((226,) * 2, hold=15, name="val").parent


@pytest.fixture
def counts(data: Path, tmp_path: Path) -> list[str]:
    """What is counted in the training clip, as entries of the command line."""
    entries = []
    for name in ("unigram", "ngram"):
        out = tmp_path / f"{name}.npz"
        script = ROOT / "baselines" / name / "train.py"
        run(
            [sys.executable, script, "--train", data / "train", "--out", out], check=True, capture_output=True
        )
        entries.append(f"{name}={name}:{out}")
    return entries


@pytest.mark.slow
def test_honest_entries_and_copiers_are_judged_and_drawn(
    data: Path, counts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests" / "benchmarks")
    import retrieval_roc as benchmark

    cheats = (benchmark.Cheat(plan="five neighbours", blend=0.5), benchmark.Cheat(plan="nearest", blend=1))
    monkeypatch.setattr(benchmark, "CHEATS", cheats)
    out = tmp_path / "out"
    plain = ["copy_last=copy_last", "twin=copy_last", "template=template"]
    options = ["--data", str(data), "--out", str(out), "--splits", "val", "--bases", "ngram"]
    benchmark.main([*options, "--entries", *plain, *counts])
    cases: list[dict[str, Any]] = json.loads((out / "cases.json").read_text())
    honest = [case for case in cases if case["plan"] is None]
    assert len(honest) == 5 * 4 * 2
    assert len(cases) - len(honest) == 2
    verdicts = {case["plan"]: case["verdict"] for case in cases if case["plan"]}
    assert verdicts["five neighbours"] == "copied"
    assert verdicts["nearest"] != "copied"  # what it shows is the truth: there are no mistakes to share
    assert (out / "retrieval_roc.svg").read_text().startswith("<svg")
