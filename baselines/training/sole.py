"""One run at a time in a folder: two would remove each other's half-written checkpoints."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import OutputFailed, UsageError

FILE_NAME = ".lock"


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """The run's folder, there and for this process alone; the lock goes with the process, however that ends.

    Raises: UsageError, if another process works there; OutputFailed.
    """
    path = out / FILE_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = path.open("a")
    except OSError as error:
        raise _failed(path, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another process is training in {out}",
                code="usage.run_in_use",
                fix="wait until it has ended, or name another --out",
            ) from error
        except OSError as error:
            raise _failed(path, error) from error
        yield


def _failed(path: Path, error: OSError) -> OutputFailed:
    return OutputFailed(f"{path} cannot be locked: {error}", fix="name an --out that you may write to")
