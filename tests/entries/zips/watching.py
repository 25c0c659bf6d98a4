"""One zip, opened while all it costs is counted: whatever it is, it ends in an entry or in the entrant's error."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ArchiveRejected, Blame, WmcError
from harness.intake import archive
from harness.intake.archive import Entry, open_archive
from harness.intake.limits import ArchiveLimits

LIMITS = ArchiveLimits(
    zip_bytes=1 << 20,
    files=200,
    total_bytes=2 << 20,
    file_bytes=1 << 20,
    ratio=200,
    ratio_free_bytes=1 << 16,
    script_bytes=1 << 14,
)
CHUNK_BYTES = 1 << 18
READ_TIMES = 8
"""How often the whole zip may be read: hashing, the directory, headers, data, and why it was refused."""


class Counts:
    """What opening one zip cost: bytes read of it, pieces unpacked, bytes written."""

    def __init__(self) -> None:
        self.read_bytes = self.pieces = self.written_bytes = 0


def open_watched(folder: Path, data: bytes) -> tuple[Entry | None, Counts]:
    """The entry, or None where it was refused; the caps have been kept and nothing beside the target has changed.

    `folder` is empty, and is again when this returns None.
    """
    for name in ("canary", "entry.txt"):
        (folder / name).write_bytes(b"sings")
    (folder / "in.zip").write_bytes(data)
    before = _outside(folder)
    entry, error = None, None
    with _counting() as counts:
        try:
            entry = open_archive(folder / "in.zip", folder / "entry", limits=LIMITS)
        except WmcError as refusal:
            error = refusal
    assert _outside(folder) == before
    assert (error is None) or error.blame is Blame.ENTRY, repr(error)
    assert (error is None) == (folder / "entry").exists()
    if isinstance(error, ArchiveRejected):
        assert (error.message + error.fix).isprintable()
    assert counts.written_bytes <= LIMITS.total_bytes + CHUNK_BYTES
    assert counts.read_bytes <= READ_TIMES * len(data) + (1 << 17)
    assert counts.pieces <= 3 * LIMITS.files + LIMITS.total_bytes // CHUNK_BYTES
    if entry is not None:
        _agrees(folder / "in.zip", entry)
    return entry, counts


def _agrees(zip_path: Path, entry: Entry) -> None:
    """The usual reader sees the same files with the same content, and finds nothing wrong."""
    with zipfile.ZipFile(zip_path) as usual:
        assert usual.testzip() is None
        shown = {info.filename: usual.read(info) for info in usual.infolist() if not info.is_dir()}
    assert shown == {file.name: (entry.folder / file.name).read_bytes() for file in entry.files}
    places = [path for path in entry.folder.rglob("*") if not path.is_dir() or path.is_symlink()]
    assert all(path.is_file() and not path.is_symlink() for path in places)
    assert {str(path.relative_to(entry.folder)) for path in places} == shown.keys()


def _outside(folder: Path) -> dict[str, bytes]:
    """Everything beside the target, and beside the folder."""
    beside = [path for path in folder.iterdir() if path.name != "entry"]
    here = {path.name: path.read_bytes() for path in beside}
    return here | {f"../{path.name}": b"" for path in folder.parent.iterdir()}


@contextmanager
def _counting() -> Iterator[Counts]:
    counts = Counts()
    pread, pieces_of = os.pread, archive.unpacked_chunks

    def reading(*arguments: Any) -> bytes:
        data = pread(*arguments)
        counts.read_bytes += len(data)
        return data

    def unpacking(*arguments: Any) -> Iterator[bytes]:
        for chunk in pieces_of(*arguments):
            counts.pieces += 1
            counts.written_bytes += len(chunk)
            yield chunk

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", reading)
        patch.setattr(archive, "unpacked_chunks", unpacking)
        yield counts
