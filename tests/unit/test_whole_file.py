"""Files that are there complete or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.whole_file import whole_file


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
    assert synced[0] == 9
    assert (tmp_path / "record").read_bytes() == b"all of it"


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
