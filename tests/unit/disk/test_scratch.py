"""Temporary folders: gone in the end, and found again when their process was killed."""

from __future__ import annotations

import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from harness import owner
from harness.disk import scratch
from harness.errors import Blame, SandboxFailed

KILLED = """
import os, signal, sys
from harness.disk import scratch
with scratch.folder("gate") as folder:
    (folder / "gate.sock").touch()
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of the test's own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def left_by_a_killed_process() -> Path:
    done = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    return Path(done.stdout.strip())


def test_a_folder_is_empty_and_gone_when_its_context_ends(place: Path) -> None:
    with scratch.folder("gate") as folder:
        assert list(folder.iterdir()) == []
        (folder / "locked").mkdir(mode=0)
    assert list(place.iterdir()) == []


def test_only_its_user_gets_into_it_though_any_may_enter_the_folder_itself() -> None:
    """Guards the gate's socket, which a guest of another user number has to reach, from others on this machine."""
    with scratch.folder("gate") as folder:
        folder.chmod(0o755)
        assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_what_a_killed_process_left_is_found_and_removed(place: Path) -> None:
    folder = left_by_a_killed_process()
    assert (folder / "gate.sock").exists()
    assert scratch.leftovers() == (folder.parent,)
    assert scratch.remove_leftovers() == 1
    assert list(place.iterdir()) == []


def test_folders_of_the_living_and_of_others_are_left_alone(place: Path) -> None:
    """Control: only what names an owner that is certainly gone is a leftover."""
    (place / "wmc-of-somebody-else").mkdir()
    (place / "wmc-file").touch()
    (place / "wmc-odd").mkdir()
    (place / "wmc-odd" / "owner").write_bytes(b"\xff/of nobody we know")
    with scratch.folder("gate") as folder:
        assert scratch.remove_leftovers() == 0
        assert folder.exists()
    assert sorted(each.name for each in place.iterdir()) == ["wmc-file", "wmc-odd", "wmc-of-somebody-else"]


def test_a_planted_link_is_no_way_out(place: Path) -> None:
    """Control: a folder and its owner's name are looked at without following links."""
    treasure = left_by_a_killed_process().parent.rename(place / "treasure")
    (place / "wmc-link").symlink_to(treasure)
    fake = place / "wmc-fake"
    fake.mkdir()
    (fake / "owner").symlink_to(treasure / "owner")
    assert scratch.leftovers() == ()


def test_a_full_disk_is_the_operators(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place / "nowhere"))
    with pytest.raises(SandboxFailed, match="no temporary file") as caught, scratch.folder("gate"):
        pass
    assert (caught.value.code, caught.value.blame) == ("sandbox.scratch", Blame.OPERATOR)


def test_half_a_folder_is_not_left(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owner, "this_process", fails)
    with pytest.raises(SandboxFailed, match="No space"), scratch.folder("gate"):
        pass
    assert list(place.iterdir()) == []
