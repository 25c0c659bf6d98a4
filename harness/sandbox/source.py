"""An entry's files as they go into a sandbox: folders and regular files, with one of two modes."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NamedTuple

from harness.errors import SandboxFailed

_FOLDER_MODE = 0o755
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Member:
    """One path below the entry's folder."""

    name: str
    path: Path
    mode: int
    is_folder: bool


class Sent(NamedTuple):
    """What went into the sandbox under one name; `sha256` is of a file's content, empty for a folder."""

    is_folder: bool
    mode: int
    size_bytes: int
    sha256: str


class _Hashing:
    """A file that is read once, and hashed meanwhile."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._digest.update(chunk)
        self._size_bytes += len(chunk)
        return chunk

    def sent(self, mode: int) -> Sent:
        return Sent(False, mode, self._size_bytes, self._digest.hexdigest())


def members(files: Path) -> Iterator[Member]:
    """Everything below `files`, folders before what is in them, in the order of their names.

    Raises: SandboxFailed for a link or anything else that intake does not let through.
    """
    for path in sorted(files.rglob("*")):
        name = path.relative_to(files).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise SandboxFailed(
                f"{name} is neither a file nor a folder; intake should have refused it",
                fix="pack the entry with `wmc submit` and grade the zip",
                code="sandbox.files",
            )
        executable = path.is_dir() or path.stat().st_mode & 0o100
        yield Member(name=name, path=path, mode=0o755 if executable else 0o644, is_folder=path.is_dir())


def write_tar(archive: IO[bytes], files: Path, *, uid: int) -> dict[str, Sent]:
    """`files` as a tar, owned by `uid`; returns what went into it, by name."""
    sent = {}
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for member in members(files):
            info = tarfile.TarInfo(member.name)
            info.uid = info.gid = uid
            info.mode = member.mode
            if member.is_folder:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
                sent[member.name] = _folder(member)
            else:
                info.size = member.path.stat().st_size
                with member.path.open("rb") as file:
                    hashing = _Hashing(file)
                    tar.addfile(info, hashing)
                sent[member.name] = hashing.sent(member.mode)
    return sent


def copy(files: Path, target: Path) -> dict[str, Sent]:
    """`files` as a new folder `target`, with the modes they have in every sandbox; returns what went into it."""
    sent = {}
    target.mkdir()
    target.chmod(_FOLDER_MODE)
    for member in members(files):
        place = target / member.name
        if member.is_folder:
            place.mkdir()
            sent[member.name] = _folder(member)
        else:
            sent[member.name] = _copied(member, place)
        place.chmod(member.mode)
    return sent


def _copied(member: Member, place: Path) -> Sent:
    with member.path.open("rb") as file, place.open("wb") as copied:
        hashing = _Hashing(file)
        shutil.copyfileobj(hashing, copied, _CHUNK_BYTES)
    return hashing.sent(member.mode)


def _folder(member: Member) -> Sent:
    return Sent(True, member.mode, 0, "")
