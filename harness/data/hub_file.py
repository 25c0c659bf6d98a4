"""One file of the Hub on disk: continued where an earlier run stopped, in place only once its digest is right.

huggingface_hub itself keeps no partial file between runs (its issue 4196), which for `video.bin` of `train` means
11 GB again; so the partial file is ours, and its `http_get` is told where to continue.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from harness.data.hub_errors import transport_error
from harness.errors import DownloadFailed
from harness.progress import Advance, Progress, Silent

_MIB = 1 << 20
_LONG_TO_HASH = 256 * _MIB
_PAUSES_S = (2, 8)
_SERVER_ERROR = 500


@dataclass(frozen=True, kw_only=True)
class HubFile:
    """A file as the Hub lists it.

    Attributes:
        path: in the repository, with slashes.
        url: where its bytes are.
        size: in bytes.
        sha256: of its content; None for small files that git itself keeps.
        git_sha1: of its git blob, which for large files is only a pointer.
    """

    path: str
    url: str
    size: int
    sha256: str | None
    git_sha1: str

    @property
    def digest(self) -> str:
        """What its content must hash to."""
        return self.sha256 or self.git_sha1


def fetch(file: HubFile, target: Path, *, headers: dict[str, str], progress: Progress) -> None:
    """Make `target` hold `file`; a right one is left alone, a partial one is continued.

    Raises: DownloadFailed, and what `http_get` and the disk raise; whatever had arrived is kept.
    """
    if _holds(target, file, progress):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{file.digest[:12]}.part")
    with _sole_writer(part) as stream:
        if _size(stream) > file.size:
            stream.truncate(0)
        _check_room(file, part.parent, missing=file.size - _size(stream))
        with progress.step(f"{file.path} (MiB)", total=file.size // _MIB) as advance:
            _receive(file, stream, headers=headers, meter=_Meter(advance))
        if not _holds(part, file, progress):
            part.unlink()
            raise DownloadFailed(
                f"{file.path} arrived with other bytes than the Hub lists; they were deleted",
                code="download.corrupted",
                fix="run the same command again; if it happens twice, do without the mirror or proxy in between",
            )
        os.replace(part, target)


def _receive(file: HubFile, stream: BinaryIO, *, headers: dict[str, str], meter: _Meter) -> None:
    """Append what is missing; passing faults are retried as long as each try brings bytes."""
    from huggingface_hub.file_download import http_get

    tries = 0
    while (had := _size(stream)) < file.size:
        try:
            http_get(
                file.url,
                stream,
                resume_size=had,
                headers=headers,
                displayed_filename=file.path,
                tqdm_class=_bar_of(meter),
            )
        except transport_error() as error:
            stream.flush()
            tries = tries + 1 if _size(stream) == had else 1
            if tries > len(_PAUSES_S) or not _passes(error):
                raise
            time.sleep(_PAUSES_S[tries - 1])
        else:
            stream.flush()
            if _size(stream) == had:
                return  # the server has no more; the digest will say that this is not all


def _passes(error: Exception) -> bool:
    """True for a cut connection and for the Hub's own trouble, which may be over in a moment."""
    response = getattr(error, "response", None)
    return response is None or response.status_code >= _SERVER_ERROR


class _Meter:
    """Tells a bar that counts MiB where a download stands."""

    def __init__(self, advance: Advance) -> None:
        self._advance = advance
        self.position = 0

    def move_to(self, position: int) -> None:
        """So many bytes are there; fewer than before when a server starts over."""
        self._advance(position // _MIB - self.position // _MIB)
        self.position = position


def _bar_of(meter: _Meter) -> type[Any]:
    """A class with the methods of a tqdm that `http_get` uses."""

    class Bar:
        def __init__(self, *, initial: int = 0, **_: Any) -> None:
            meter.move_to(initial)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, amount: int = 1) -> None:
            meter.move_to(meter.position + amount)

    return Bar


def _holds(path: Path, file: HubFile, progress: Progress) -> bool:
    """True if `path` has the size and the digest of `file`."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(usedforsecurity=False)
    if not file.sha256:
        digest.update(b"blob %d\0" % file.size)
    watched = progress if file.size > _LONG_TO_HASH else Silent()
    with (
        watched.step(f"checking {file.path} (MiB)", total=file.size // _MIB) as advance,
        path.open("rb") as stream,
    ):
        while chunk := stream.read(_MIB):
            digest.update(chunk)
            advance(len(chunk) // _MIB)
    return digest.hexdigest() == file.digest


def _check_room(file: HubFile, folder: Path, *, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if missing > free:
        raise DownloadFailed(
            f"{file.path} needs {missing:,} more bytes; the disk has {free:,}",
            code="download.disk_full",
            fix="make room, or choose another folder with -o",
        )


@contextmanager
def _sole_writer(part: Path) -> Iterator[BinaryIO]:
    """`part`, open for appending, by nobody else at the same time; where nothing arrived it is not left behind."""
    with part.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadFailed(
                f"another command is downloading {part.name}",
                code="download.in_progress",
                fix="wait until it has ended",
            ) from error
        try:
            yield stream
        finally:
            stream.flush()
            if not _size(stream):
                part.unlink(missing_ok=True)


def _size(stream: BinaryIO) -> int:
    return os.fstat(stream.fileno()).st_size
