"""Members written below one folder, through directory handles: no name is ever resolved from the root."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import UsageError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def fresh_folder(path: Path) -> Iterator[int]:
    """A handle on the empty folder `path`, made if it is missing; after a failure it is empty or gone."""
    try:
        path.mkdir(mode=0o755)
        is_ours = True
    except FileExistsError:
        is_ours = False
    try:
        handle = os.open(path, _FOLDER)
    except OSError as error:
        raise UsageError(
            f"{path} is not a folder of its own ({error.strerror})",
            fix="name a folder that does not exist yet",
            code="usage.target_not_a_folder",
        ) from error
    try:
        if os.listdir(handle):
            raise UsageError(
                f"{path} is not empty",
                fix="name a folder that does not exist yet",
                code="usage.target_not_empty",
            )
        try:
            os.fchmod(handle, 0o755)
            yield handle
        except BaseException:
            _empty(handle)
            if is_ours:
                with suppress(OSError):
                    path.rmdir()
            raise
    finally:
        os.close(handle)


def make_folder(root: int, name: str) -> None:
    """The folder `name` below the handle `root`, with those above it, mode 0755."""
    os.close(_opened_folder(root, name.split("/")))


def write_file(root: int, name: str, chunks: Iterable[bytes], *, executable: bool) -> None:
    """A new regular file `name` below the handle `root`, mode 0755 or 0644 whatever the umask."""
    *folders, last = name.split("/")
    parent = _opened_folder(root, folders)
    try:
        handle = os.open(last, _NEW_FILE, 0o600, dir_fd=parent)
    finally:
        os.close(parent)
    with open(handle, "wb", buffering=0) as file:
        for chunk in chunks:
            left = memoryview(chunk)
            while left:  # a raw write at disk full is short before it fails
                left = left[file.write(left) :]
        os.fchmod(handle, 0o755 if executable else 0o644)


def _opened_folder(root: int, parts: list[str]) -> int:
    here = os.dup(root)
    for part in parts:
        above = here
        try:
            try:
                here = os.open(part, _FOLDER, dir_fd=above)
            except FileNotFoundError:
                os.mkdir(part, 0o755, dir_fd=above)
                here = os.open(part, _FOLDER, dir_fd=above)
                os.fchmod(here, 0o755)
        finally:
            os.close(above)
    return here


def _empty(root: int) -> None:
    """Remove everything below the handle; nothing lies deeper than names may (shutil needs 3.11 for handles)."""
    with os.scandir(root) as found:
        items = list(found)
    for item in items:
        if not item.is_dir(follow_symlinks=False):
            os.unlink(item.name, dir_fd=root)
            continue
        folder = os.open(item.name, _FOLDER, dir_fd=root)
        try:
            _empty(folder)
        finally:
            os.close(folder)
        os.rmdir(item.name, dir_fd=root)
