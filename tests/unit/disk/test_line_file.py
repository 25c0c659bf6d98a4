"""Lines at the end of a file: each is on disk whole, or it is as if it had never been written."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from harness.disk import line_file
from harness.disk.line_file import LineFile, holder, is_locked, locked_lines, new_lines


def reopened(path: Path, *lines: bytes, length: int | None = None) -> None:
    with locked_lines(path) as descriptor:
        file = LineFile(descriptor, path.stat().st_size if length is None else length)
        for line in lines:
            file.append(line)


def test_lines_follow_each_other(tmp_path: Path) -> None:
    with new_lines(tmp_path / "lines", b"one") as file:
        file.append(b"two")
    reopened(tmp_path / "lines", b"three")
    assert (tmp_path / "lines").read_bytes() == b"one\ntwo\nthree\n"
    assert [path.name for path in tmp_path.iterdir()] == ["lines"]


def test_a_line_is_on_disk_when_it_was_written_and_the_files_name_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def noted(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.append(path.name if path.is_dir() else path.read_text())

    monkeypatch.setattr(os, "fsync", noted)
    with new_lines(tmp_path / "lines", b"one") as file:
        assert synced == ["one\n", tmp_path.name]
        file.append(b"two")
    assert synced[2:] == ["one\ntwo\n"]


@pytest.mark.parametrize("most", [1, 2, 3, 7])
def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Control: short writes are gone on with."""
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, content, at: pwrite(fd, content[:most], at))
    with new_lines(tmp_path / "lines", b"the first line") as file:
        file.append(b"the second line")
    assert (tmp_path / "lines").read_bytes() == b"the first line\nthe second line\n"


@pytest.mark.parametrize("room", range(12))
@pytest.mark.parametrize("says_so", [True, False], ids=["ENOSPC", "takes nothing"])
def test_a_line_that_a_full_disk_cuts_short_swallows_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int, *, says_so: bool
) -> None:
    """Control: half a line is overwritten."""
    pwrite = os.pwrite
    left = room

    def filling(descriptor: int, content: bytes, at: int) -> int:
        nonlocal left
        if not left and says_so:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = pwrite(descriptor, content[:left], at)
        left -= written
        return written

    with new_lines(tmp_path / "lines", b"one") as file:
        monkeypatch.setattr(os, "pwrite", filling)
        with pytest.raises(OSError, match="No space left"):
            file.append(b"a longer line")
        monkeypatch.undo()
        file.append(b"two")
    assert (tmp_path / "lines").read_bytes() == b"one\ntwo\n"


def test_a_line_that_could_not_be_synced_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with new_lines(tmp_path / "lines", b"one") as file:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output"):
            file.append(b"lost")
        monkeypatch.undo()
        file.append(b"two")
    assert (tmp_path / "lines").read_bytes() == b"one\ntwo\n"


def test_a_file_whose_first_line_finds_no_room_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"), new_lines(tmp_path / "lines", b"one"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("torn", range(4))
def test_what_comes_after_the_whole_lines_is_overwritten(tmp_path: Path, torn: int) -> None:
    (tmp_path / "lines").write_bytes(b"one\n" + b"two"[:torn])
    reopened(tmp_path / "lines", b"2", length=4)
    assert (tmp_path / "lines").read_bytes() == b"one\n2\n"


def test_nobody_else_can_open_it_meanwhile_not_even_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the lock."""
    path, rename = tmp_path / "lines", os.rename
    locked_before: list[bool] = []

    def named(old: Path, new: Path) -> None:
        locked_before.append(is_locked(Path(old)))
        rename(old, new)

    monkeypatch.setattr(os, "rename", named)
    with new_lines(path, b"one"):
        assert locked_before == [True]
        assert is_locked(path)
        with pytest.raises(BlockingIOError), locked_lines(path):
            pass
    assert not is_locked(path)


def test_whoever_has_it_open_to_write_is_named_and_whoever_only_looks_is_not(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    with new_lines(path, b"one"):
        assert holder(path) == os.getpid()
    assert holder(path) is None
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert holder(path) is None
    assert holder(tmp_path / "nothing") is None


def test_a_process_that_locked_a_file_of_the_same_number_elsewhere_is_not_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's list tells files apart by their device too, which is not the one that a program is shown."""
    path = tmp_path / "lines"
    path.write_bytes(b"one\n")
    (tmp_path / "locks").write_text(
        f"1: FLOCK  ADVISORY  WRITE {os.getpid()} 00:99:{path.stat().st_ino} 0 EOF\n"
    )
    monkeypatch.setattr(line_file, "_LOCKS", tmp_path / "locks")
    assert holder(path) is None
    with path.open("rb"):
        assert holder(path) == os.getpid()


def test_a_line_is_one_line(tmp_path: Path) -> None:
    with new_lines(tmp_path / "lines", b"one") as file, pytest.raises(ValueError, match="end of line"):
        file.append(b"t\nwo")
