"""Decoded frames, kept on disk: decoding is dear, and every grade on the same data compares with the same truth.

Axes: N frames, H and W tokens, Y and X pixels, C colours.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.codec.codec import Codec, decode_in_blocks
from harness.disk.whole_file import whole_file
from harness.errors import StoreFailed
from harness.progress import Advance, Progress

RESERVE_BYTES = 64 << 20
"""What is left free on the disk: the grade's own record must still fit."""

_CHUNK_BYTES = 1 << 20


def decoded_frames(
    folder: Path, codec: Codec, tokens_NHW: NDArray[np.uint32], progress: Progress
) -> NDArray[np.uint8]:
    """The images of these frames, uint8 `[N,Y,X,C]`, mapped from a file in `folder`; it is made where it is missing.

    The file is whole or absent, of two grades that want it at once one waits for the other, and a file whose bytes
    are not those that were written is made again.
    Raises: StoreFailed, and what the codec raises.
    """
    path = folder / f"{_key(codec, tokens_NHW)}.npy"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock"), progress):
            if not _is_intact(path):
                if path.exists():
                    progress.note(f"{path} is damaged and is made again")
                with progress.step("decoding the truth, frames", total=len(tokens_NHW)) as advance:
                    _make(path, codec, tokens_NHW, advance)
        images_NYXC: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except OSError as error:
        raise StoreFailed(
            f"decoded frames cannot be kept at {path}: {error.strerror or error}",
            fix="name a folder that can be written, with free space, in --store",
        ) from error
    return images_NYXC


def _key(codec: Codec, tokens_NHW: NDArray[np.uint32]) -> str:
    """A name that changes with whatever decides the images: the codec and the tokens themselves."""
    digest = hashlib.sha256(codec.digest.encode())
    digest.update(np.ascontiguousarray(tokens_NHW, "<u4").tobytes())
    return digest.hexdigest()


def _make(path: Path, codec: Codec, tokens_NHW: NDArray[np.uint32], advance: Advance) -> None:
    """The .npy file, and beside it the digest by which it is known to be intact."""
    digest = hashlib.sha256()
    with whole_file(path) as file:
        for images_BYXC in decode_in_blocks(codec, tokens_NHW):
            if file.tell() == 0:
                _check_room(path.parent, len(tokens_NHW) * images_BYXC[0].nbytes)
                _write(file, digest, _header((len(tokens_NHW), *images_BYXC.shape[1:])))
            _write(file, digest, images_BYXC.tobytes())
            advance(len(images_BYXC))
    with whole_file(_digest_of(path)) as file:
        file.write(digest.hexdigest().encode())


def _write(file: BinaryIO, digest: hashlib._Hash, content: bytes) -> None:
    file.write(content)
    digest.update(content)


def _header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _check_room(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes + RESERVE_BYTES:
        raise StoreFailed(
            f"decoded frames take {num_bytes / 1e6:,.0f} MB and {folder} has {free / 1e6:,.0f} MB free, "
            f"where {RESERVE_BYTES / 1e6:,.0f} MB stay for records",
            code="store.no_room",
            fix="free space there, or name a folder on another disk in --store",
        )


def _is_intact(path: Path) -> bool:
    """True when the file is there and holds what was written."""
    try:
        expected = _digest_of(path).read_bytes()
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        return False
    return digest.hexdigest().encode() == expected


def _digest_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    """Nobody else on this machine makes the same file meanwhile; a process that dies lets go."""
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note("another grade is decoding the same truth: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
