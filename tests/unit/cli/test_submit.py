"""`wmc submit` prints a receipt for a zip that intake takes, and says what it left out."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from harness.cli import submit
from harness.errors import ArchiveRejected, ManifestRejected, UsageError

TEMPLATE = Path(__file__).parents[3] / "submissions_template"


@pytest.fixture
def run(run_command) -> Callable[..., None]:
    """The command with these arguments."""
    return partial(run_command, submit, "submit")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A copy of the template; the working directory is beside it."""
    copy = tmp_path / "my-entry"
    shutil.copytree(TEMPLATE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return copy


def test_the_zip_is_named_after_user_and_entry_and_lies_here(run, folder, capsys):
    run(str(folder))
    zip_path = Path("your-name-template.zip")
    assert list(Path().iterdir()) == [zip_path]
    shown = capsys.readouterr().out
    assert hashlib.sha256(zip_path.read_bytes()).hexdigest() in shown
    assert f"{zip_path.stat().st_size:,} bytes" in shown


def test_output_names_another_place(run, folder, tmp_path):
    run(str(folder), "-o", str(tmp_path / "other.zip"))
    assert (tmp_path / "other.zip").is_file()


def test_what_is_left_out_is_said(run, folder, capsys):
    (folder / ".git").mkdir()
    run(str(folder))
    assert "left out: .git" in capsys.readouterr().err


def test_what_may_not_be_meant_for_others_is_said(run, folder, capsys):
    (folder / ".env").write_text("TOKEN=secret")
    run(str(folder))
    assert "packed as well: .env" in capsys.readouterr().err


def test_packing_from_inside_the_folder_needs_another_place(run, folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError) as refusal:
        run(".")
    assert str(folder.parent / "your-name-template.zip") in refusal.value.fix
    assert not (folder / "your-name-template.zip").exists()


def test_markup_in_an_entrys_name_is_shown_as_it_is(run, folder, capsys):
    manifest = folder / "wmc.toml"
    manifest.write_text(manifest.read_text().replace('"template"', '"[bold]x[/bold]"'))
    run(str(folder))
    assert "[bold]x[/bold] by your-name" in capsys.readouterr().out


def test_a_wrong_manifest_leaves_no_zip(run, folder):
    (folder / "wmc.toml").write_text("colour = 1\n")
    with pytest.raises(ManifestRejected):
        run(str(folder))
    assert list(Path().iterdir()) == []


def test_a_folder_as_output_gets_the_zip_by_its_own_name(run, folder, tmp_path):
    (tmp_path / "out").mkdir()
    run(str(folder), "-o", str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["your-name-template.zip"]


def test_a_folder_that_is_not_there_is_not_made_a_file_of(run, folder, tmp_path):
    with pytest.raises(UsageError) as refusal:
        run(str(folder), "-o", f"{tmp_path}/out/")
    assert refusal.value.code == "usage.no_folder"
    assert not (tmp_path / "out").exists()


def test_a_zip_whose_receipt_was_given_is_not_lost(run, folder, capsys):
    """The second time nothing changed: the same zip, and nothing to keep."""
    run(str(folder))
    first = Path("your-name-template.zip").read_bytes()
    run(str(folder))
    assert list(Path().iterdir()) == [Path("your-name-template.zip")]
    (folder / "predictor.py").write_text("# another\n")
    capsys.readouterr()
    run(str(folder))
    kept = Path(f"your-name-template.{hashlib.sha256(first).hexdigest()[:12]}.zip")
    assert kept.read_bytes() == first
    assert Path("your-name-template.zip").read_bytes() != first
    assert f"is kept as {kept}" in capsys.readouterr().err


def test_an_entry_that_is_refused_moves_nothing(run, folder):
    run(str(folder))
    (folder / "build.sh").unlink()
    with pytest.raises(ArchiveRejected):
        run(str(folder))
    assert list(Path().iterdir()) == [Path("your-name-template.zip")]


def test_what_is_no_file_is_not_replaced(run, folder, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError) as refusal:
        run(str(folder), "-o", str(tmp_path / "pipe"))
    assert refusal.value.code == "usage.zip_target"
    assert (tmp_path / "pipe").is_fifo()
