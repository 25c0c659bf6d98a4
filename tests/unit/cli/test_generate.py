"""`wmc generate` as the shell calls it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baselines.folders import entry_modules
from harness.cli import generate
from harness.data.generated import open_generated
from harness.errors import DependencyMissing, UsageError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Path]:
    """A small Genie on disk; torch runs on one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with entry_modules("genie"):
        from checkpoint import save
        from config import GenieConfig
        from model import Genie

        save(Genie(GenieConfig(num_layers=1, num_heads=2, d_model=16)), tmp_path / "checkpoint")
    yield tmp_path / "checkpoint"
    torch.set_num_threads(threads)


@pytest.mark.torch
def test_it_says_where_the_clip_is_and_how_much_came_true(
    checkpoint: Path, make_clip: Any, run_command: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    where = ["--checkpoint", str(checkpoint), "--data", str(make_clip()), "-o", str(out), "--device", "cpu"]
    how = [
        "--prompt-frames",
        "9",
        "--maskgit-steps",
        "1",
        "--temperature",
        "0.5",
        "--seed",
        "3",
        "--threads",
        "1",
    ]
    run_command(
        generate, "generate", *where, "--example", "3", "1", *how, "--teacher-forced", "--by-confidence"
    )
    shown = capsys.readouterr()
    generated = open_generated(out)
    accuracy = [*generated.accuracy_B, generated.accuracy_B.mean()]
    assert shown.out.startswith(f"{out}: 7 frames predicted in each window\n")
    assert re.findall(r"│ +(\w+) +│ +([\d.]+) +│", shown.out) == [
        (window, f"{share:.4f}") for window, share in zip(("3", "1", "all"), accuracy, strict=True)
    ]
    assert "generating" in shown.err
    assert generated.tokens_BTHW.shape == (2, 16, 16, 16)
    settings = json.loads((out / "metadata.json").read_text())["generation"]
    expected = {
        "examples": [3, 1],
        "prompt_frames": 9,
        "maskgit_steps": 1,
        "temperature": 0.5,
        "teacher_forced": True,
        "by_confidence": True,
        "seed": 3,
    }
    assert {key: settings[key] for key in expected} == expected
    assert "continuation" not in sys.modules  # the entry's names are free again


@pytest.mark.torch
@pytest.mark.parametrize("threads", ["0", "100000"])
def test_no_threads_at_all_are_refused_and_very_many(
    checkpoint: Path, make_clip: Any, run_command: Any, tmp_path: Path, threads: str
) -> None:
    where = ["--checkpoint", str(checkpoint), "--data", str(make_clip()), "-o", str(tmp_path / "out")]
    with pytest.raises(UsageError, match=f"{threads} threads"):
        run_command(generate, "generate", *where, "--example", "0", "--threads", threads)


def test_without_torch_it_says_what_to_install(
    make_clip: Any, run_command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    with pytest.raises(DependencyMissing) as caught:
        run_command(
            generate, "generate", "--checkpoint", "c", "--data", str(make_clip()), "--example", "0", "-o", "o"
        )
    assert caught.value.fix == ".venv/bin/pip install -c constraints.txt -e '.[genie]'"
