"""An entry's files as they go into a sandbox: folders and regular files, with one of two modes."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import SandboxFailed

_FOLDER_MODE = 0o755


@dataclass(frozen=True, kw_only=True)
class Member:
    """One path below the entry's folder."""

    name: str
    path: Path
    mode: int
    is_folder: bool


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


def write_tar(archive: IO[bytes], files: Path, *, uid: int) -> None:
    """`files` as a tar, owned by `uid`."""
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for member in members(files):
            info = tarfile.TarInfo(member.name)
            info.uid = info.gid = uid
            info.mode = member.mode
            if member.is_folder:
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = member.path.stat().st_size
                with member.path.open("rb") as file:
                    tar.addfile(info, file)


def copy(files: Path, target: Path) -> None:
    """`files` as a new folder `target`, with the modes they have in every sandbox."""
    target.mkdir()
    target.chmod(_FOLDER_MODE)
    for member in members(files):
        place = target / member.name
        if member.is_folder:
            place.mkdir()
        else:
            shutil.copyfile(member.path, place)
        place.chmod(member.mode)
