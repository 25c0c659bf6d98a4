"""`wmc data info` says what a clip holds, and what it does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import data_info


def test_a_clip_without_actions_is_described_and_that_is_said_aloud(
    run_command: Callable[..., None], make_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip()
    run_command(data_info, "info", str(clip))
    assert "no actions" not in capsys.readouterr().err
    for path in (clip / "actions").iterdir():
        path.unlink()
    run_command(data_info, "info", str(clip), "--json")
    shown = capsys.readouterr()
    assert json.loads(shown.out)["actions"] == {}
    assert "no actions" in shown.err


def test_hours_are_counted_at_the_clip_s_own_rate(
    run_command: Callable[..., None], make_clip: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run_command(data_info, "info", str(make_clip((540,))))
    assert "540 (0.01 h at 30 Hz)" in " ".join(capsys.readouterr().out.split())
