"""Folders for a while: gone when their context ends, and told apart from others' when their process was killed."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from harness import owner, undo
from harness.disk import force
from harness.errors import SandboxFailed

_PREFIX = "wmc-"
_OWNER, _INNER = "owner", "in"
_OWNER_BYTES = 4096


@contextmanager
def folder(purpose: str) -> Iterator[Path]:
    """An empty folder, gone with all that is in it when the context ends.

    It lies in one that only this user may enter, beside the name of this process: who is shown the inner one, as a
    guest is, sees nothing of that.

    Raises: SandboxFailed when there is no place for it.
    """
    outer: Path | None = None
    try:
        with writing():
            outer = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-"))
            (outer / _OWNER).write_text(owner.this_process(), encoding="utf-8")
            (outer / _INNER).mkdir()
        yield outer / _INNER
    finally:
        if outer is not None:
            undo.surely(partial(remove, outer))


@contextmanager
def writing() -> Iterator[None]:
    """The host's own trouble with the disk of temporary files, raised as SandboxFailed."""
    try:
        yield
    except OSError as error:
        raise SandboxFailed(
            f"no temporary file can be made: {error.strerror or error} ({error.filename or tempfile.gettempdir()})",
            fix="free space on its disk, or name a folder on another disk in TMPDIR",
            code="sandbox.scratch",
        ) from error


def leftovers() -> tuple[Path, ...]:
    """Such folders of this user whose processes are certainly no more."""
    found = sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"))
    return tuple(outer for outer in found if owner.is_gone(_owner_of(outer)))


def remove(outer: Path) -> bool:
    """True when a folder is gone; one that cannot be removed stays a leftover, and costs no grade its scores."""
    with suppress(OSError):
        force.remove_tree(outer / _INNER)
        force.remove_tree(outer)
    return not outer.exists()


def remove_leftovers() -> int:
    """How many folders of killed processes were removed."""
    return sum(map(remove, leftovers()))


def _owner_of(outer: Path) -> str:
    """What is written beside a folder; nothing where it is not a folder and a file of this user's own.

    In a folder for everybody's files anybody can make things that look like ours.
    """
    note = outer / _OWNER
    with suppress(OSError, UnicodeDecodeError):
        if _is_ours(outer, stat.S_ISDIR) and _is_ours(note, stat.S_ISREG):
            with note.open(encoding="utf-8") as file:
                return file.read(_OWNER_BYTES)
    return ""


def _is_ours(path: Path, is_kind: Callable[[int], bool]) -> bool:
    found = path.lstat()
    return is_kind(found.st_mode) and found.st_uid == os.geteuid()
