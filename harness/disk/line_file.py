"""A file of lines that grows at its end: a line is on disk whole, or it is as if it had never been written."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.disk.whole_file import sync_folder

_LOCKS = Path("/proc/locks")


class LineFile:
    """An open file of lines; whoever has it open is the only one on this machine.

    Until the process ends, however it ends, nobody else can open it.
    """

    def __init__(self, descriptor: int, length: int) -> None:
        """A locked file whose first `length` bytes are whole lines; what comes after them will be overwritten."""
        self._descriptor = descriptor
        self._length = length

    def append(self, line: bytes) -> None:
        """Write one line; it is safe on disk when this returns.

        Raises: OSError. Nothing of the line counts then, and the next one takes its place.
        """
        if b"\n" in line:
            raise ValueError("a line holds no end of line")
        content = line + b"\n"
        os.ftruncate(self._descriptor, self._length)  # half a line, from a full disk or a kill
        _write(self._descriptor, content, at=self._length)
        os.fsync(self._descriptor)
        self._length += len(content)


@contextmanager
def new_lines(path: Path, first: bytes) -> Iterator[LineFile]:
    """A new file with this first line; it does not exist without it, and is locked before it exists.

    Raises: OSError.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    with _opened(unfinished, os.O_CREAT | os.O_TRUNC) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file = LineFile(descriptor, 0)
        try:
            file.append(first)
            unfinished.rename(path)
            sync_folder(path.parent)
        except BaseException:
            for half in (unfinished, path):
                with suppress(OSError):
                    half.unlink(missing_ok=True)
            raise
        yield file


@contextmanager
def locked_lines(path: Path) -> Iterator[int]:
    """The descriptor of an existing file, which nobody else has open.

    Raises: BlockingIOError where somebody has; OSError.
    """
    with _opened(path, 0) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody has this file open to write to it.

    Raises: OSError.
    """
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def holder(path: Path) -> int | None:
    """The process that has this file open to write to it; None where there is none, or none that can be seen.

    The kernel lists locks by the number of the file alone, so that each is looked at; of another user's process that
    cannot be done, and the number has to do.
    """
    try:
        status, lines = path.stat(), _LOCKS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if "FLOCK" in words and "WRITE" in words and words[-3].endswith(f":{status.st_ino}"):
            pid = int(words[-4])
            if pid > 0 and _has_open(pid, status):
                return pid
    return None


def _has_open(pid: int, status: os.stat_result) -> bool:
    try:
        files = [*Path(f"/proc/{pid}/fd").iterdir()]
    except PermissionError:
        return True
    except OSError:
        return False
    for file in files:
        with suppress(OSError):
            if os.path.samestat(file.stat(), status):
                return True
    return False


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | flags, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes, *, at: int) -> None:
    """All of it: a disk that fills up takes a part without an error first."""
    while content:
        written = os.pwrite(descriptor, content, at)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        content, at = content[written:], at + written
