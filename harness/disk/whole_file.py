"""Files that are there complete or not at all, and folders that a power cut does not take."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_NO_SUCH_SYNC = (errno.EINVAL, errno.ENOTSUP)  # a file system whose folders need none, or know none


@contextmanager
def whole_file(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file to write; it takes the place of `path` when the context ends without an error.

    A reader sees the old file or the new one, and whoever has the old one open keeps it. Unless `durable` is false it
    is safe on disk by then, its name too; what can be made again need not be, for waiting for the disk takes long.
    After an error nothing of it is left: half a file on a full disk would leave no room for what comes next. Of several
    writers at once each writes a file of its own, and the last one stays.

    Raises: OSError.
    """
    unfinished = path.with_name(
        f".{path.name}.{uuid.uuid4().hex[:12]}.unfinished"
    )  # two may write one at once
    try:
        with unfinished.open("xb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        unfinished.replace(path)
        if durable:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            unfinished.unlink(missing_ok=True)
        raise


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; the names of those that are new are safe on disk.

    Raises: OSError.
    """
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in new:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """The names in a folder are safe on disk: a file that was synced can be lost with its name.

    Raises: OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SUCH_SYNC:
            raise
    finally:
        os.close(descriptor)
