"""Files that are there complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when the context ends without an error.

    A reader sees the old file or the new one, and whoever has the old one open keeps it. Unless `durable` is false it
    is safe on disk by then; what can be made again need not be, for waiting for the disk takes long. After an error
    nothing of it is left: half a file on a full disk would leave no room for what comes next.

    Raises: OSError.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            unfinished.unlink(missing_ok=True)
        raise
