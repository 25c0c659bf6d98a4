"""What an operator mistyped leaves no record: it is told at once, and the store is as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.intake.pack import pack

TEMPLATE = Path(__file__).parents[2] / "submissions_template"


@pytest.fixture
def given(tmp_path: Path, make_clip: Callable[..., Path]) -> dict[str, Path]:
    """A zip, a clip called val and one called train."""
    return {
        "zip": pack(TEMPLATE, tmp_path / "entry.zip").path,
        "data": make_clip(name="val"),
        "train": make_clip(name="train", hold=25),
    }


def grade(given: dict[str, Path], store: Path, *more: str) -> int:
    command = ["grade", str(given["zip"]), "--data", str(given["data"]), "--store", str(store)]
    return main([*command, "--sandbox", "process", "--no-pictures", *more])


@pytest.mark.parametrize("protocol", ["gate", "open"])
@pytest.mark.parametrize(
    ("what", "is_like", "code"),
    [
        ("zip", "nothing", "usage.no_zip"),
        ("zip", "a folder", "usage.no_zip"),
        ("data", "nothing", "usage.no_clip"),
        ("data", "a folder", "usage.no_clip"),
        ("data", "a file", "usage.no_clip"),
    ],
)
def test_a_path_that_leads_nowhere_is_told_and_nothing_is_written(
    given: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    is_like: str,
    code: str,
    protocol: str,
) -> None:
    path = tmp_path / "mistyped"
    if is_like == "a folder":
        path.mkdir()
    elif is_like == "a file":
        path.write_text("text")
    assert grade({**given, what: path}, tmp_path / "store", "--protocol", protocol) == 2
    said = capsys.readouterr().err
    assert code in said
    assert "mistyped" in said
    assert not (tmp_path / "store").exists()


def test_a_training_clip_or_panel_that_is_not_there_is_told_too(
    given: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert grade(given, store, "--train", "nowhere") == 2
    assert "--train: the folder nowhere does not exist" in capsys.readouterr().err
    assert grade(given, store, "--train", str(given["train"]), "--panel", "nowhere.json") == 2
    assert "usage.no_panel" in capsys.readouterr().err
    assert not store.exists()


@pytest.mark.parametrize("protocol", ["gate", "open"])
def test_rules_that_cannot_be_read_are_told_and_nothing_is_written(
    given: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], protocol: str
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "fairness.toml").write_text("attemps = 5\n")
    assert grade(given, store, "--protocol", protocol) == 3
    said = capsys.readouterr().err
    assert "store.bad_fairness" in said
    assert "attemps is no rule" in said
    assert [path.name for path in store.iterdir()] == ["fairness.toml"]
