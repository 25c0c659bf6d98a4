"""Files that are there complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.disk.whole_file import make_folder, whole_file


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each file had when it was forced to disk."""
    sizes: list[int] = []
    fsync = os.fsync

    def counting(number: int) -> None:
        fsync(number)
        sizes.append(os.fstat(number).st_size)

    monkeypatch.setattr(os, "fsync", counting)
    return sizes


def test_a_file_is_on_disk_with_all_its_bytes_before_it_takes_its_place(
    tmp_path: Path, synced: list[int]
) -> None:
    with whole_file(tmp_path / "record") as file:
        file.write(b"all of it")
    assert synced == [9, tmp_path.stat().st_size]
    assert (tmp_path / "record").read_bytes() == b"all of it"


def test_the_name_of_a_file_is_on_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the folder is synced, once the file has its place."""
    names: list[list[str]] = []

    def noted(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        names.append(os.listdir(path) if path.is_dir() else [path.name])

    monkeypatch.setattr(os, "fsync", noted)
    with whole_file(tmp_path / "record") as file:
        file.write(b"all of it")
    [[unfinished], there] = names
    assert (unfinished.startswith(".record."), unfinished.endswith(".unfinished")) == (True, True)
    assert there == ["record"]


def test_new_folders_are_on_disk_with_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: what holds a new folder is synced."""
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    make_folder(tmp_path / "store" / "grades" / "1")
    make_folder(tmp_path / "store" / "grades" / "1")
    assert sorted(synced) == [str(tmp_path), str(tmp_path / "store"), str(tmp_path / "store" / "grades")]


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """Control: each writes under a name of its own; with one name the first to end takes the other's file away."""
    with whole_file(tmp_path / "record") as one, whole_file(tmp_path / "record") as other:
        one.write(b"one")
        other.write(b"the other")
    assert (tmp_path / "record").read_bytes() == b"one", "whoever ends last"
    assert [path.name for path in tmp_path.iterdir()] == ["record"]


def test_a_writer_that_fails_leaves_the_file_of_another_alone(tmp_path: Path) -> None:
    with whole_file(tmp_path / "record") as one:
        one.write(b"one")
        with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "record"):
            raise KeyboardInterrupt
    assert (tmp_path / "record").read_bytes() == b"one"


def test_others_may_read_it(tmp_path: Path) -> None:
    """A page is made for them; what is called temporary is often closed to them."""
    before = os.umask(0o022)
    try:
        with whole_file(tmp_path / "page"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "page").stat().st_mode & 0o777 == 0o644


def test_what_can_be_made_again_does_not_wait_for_the_disk(tmp_path: Path, synced: list[int]) -> None:
    with whole_file(tmp_path / "page", durable=False) as file:
        file.write(b"all of it")
    assert synced == []
    assert (tmp_path / "page").read_bytes() == b"all of it"


@pytest.mark.parametrize("durable", [True, False])
def test_an_error_leaves_the_old_file(tmp_path: Path, *, durable: bool) -> None:
    (tmp_path / "page").write_bytes(b"old")

    def write_half() -> None:
        with whole_file(tmp_path / "page", durable=durable) as file:
            file.write(b"new")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_half()
    assert (tmp_path / "page").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["page"], "half a file would fill the disk further"
