"""A zip whose bytes follow from its files alone: same names, contents and execute bits, same zip.

Members are stored, not deflated: zlib, zlib-ng and their versions compress the same bytes to different ones,
weights hardly shrink, and a stored member asks nobody to trust a decompressor.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterable
from typing import BinaryIO

from harness.intake.zipformat import (
    CENTRAL,
    CENTRAL_MAGIC,
    END,
    END64,
    END64_MAGIC,
    END_MAGIC,
    LOCAL,
    LOCAL_MAGIC,
    LOCATOR64,
    LOCATOR64_MAGIC,
    MAX16,
    MAX32,
    STORED,
    ZIP64_EXTRA,
)

_PLAIN, _WIDE, _MADE_ON_UNIX = 20, 45, 3 << 8  # versions 2.0 and 4.5 (zip64) of the format
_TIME, _DATE = 0, 1 << 5 | 1  # 1980-01-01 00:00:00, the earliest a zip can say


class ZipWriter:
    """Writes members one after the other to a new, seekable file; `finish` ends the zip."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._directory: list[bytes] = []

    def add(self, name: str, chunks: Iterable[bytes], *, size: int, executable: bool) -> bool:
        """Append a regular file of `size` bytes; False if `chunks` held more or less: the zip is spoilt."""
        raw_name, offset = name.encode("ascii"), self._file.tell()
        self._file.write(_local(raw_name, crc32=0, size=size))
        crc32, written = 0, 0
        for chunk in chunks:
            self._file.write(chunk)
            crc32, written = zlib.crc32(chunk, crc32), written + len(chunk)
        stop = self._file.tell()
        self._file.seek(offset)
        self._file.write(_local(raw_name, crc32=crc32, size=size))
        self._file.seek(stop)
        mode = stat.S_IFREG | (0o755 if executable else 0o644)
        self._directory.append(_central(raw_name, crc32=crc32, size=size, mode=mode, offset=offset))
        return written == size

    def finish(self) -> None:
        """Append the directory and the end record."""
        start = self._file.tell()
        for record in self._directory:
            self._file.write(record)
        count, size = len(self._directory), self._file.tell() - start
        if count >= MAX16 or size >= MAX32 or start >= MAX32:
            end_at = self._file.tell()
            made = _MADE_ON_UNIX | _WIDE
            self._file.write(
                END64.pack(END64_MAGIC, END64.size - 12, made, _WIDE, 0, 0, count, count, size, start)
            )
            self._file.write(LOCATOR64.pack(LOCATOR64_MAGIC, 0, end_at, 1))
        narrow = min(count, MAX16)
        self._file.write(END.pack(END_MAGIC, 0, 0, narrow, narrow, min(size, MAX32), min(start, MAX32), 0))


def _narrowed(*values: int) -> tuple[tuple[int, ...], bytes]:
    """`values` for 32-bit fields, and the zip64 extra field that holds those which do not fit."""
    wide = [value for value in values if value >= MAX32]
    extra = struct.pack(f"<2H{len(wide)}Q", ZIP64_EXTRA, 8 * len(wide), *wide) if wide else b""
    return tuple(min(value, MAX32) for value in values), extra


def _local(raw_name: bytes, *, crc32: int, size: int) -> bytes:
    (narrow,), _ = _narrowed(size)
    _, extra = _narrowed(size, size)
    version = _WIDE if extra else _PLAIN
    header = LOCAL.pack(
        LOCAL_MAGIC, version, 0, STORED, _TIME, _DATE, crc32, narrow, narrow, len(raw_name), len(extra)
    )
    return header + raw_name + extra


def _central(raw_name: bytes, *, crc32: int, size: int, mode: int, offset: int) -> bytes:
    (narrow_size, narrow_packed, narrow_offset), extra = _narrowed(size, size, offset)
    version = _WIDE if extra else _PLAIN
    sizes = (crc32, narrow_packed, narrow_size, len(raw_name), len(extra))
    kind = (_MADE_ON_UNIX | version, version, 0, STORED, _TIME, _DATE)
    return CENTRAL.pack(CENTRAL_MAGIC, *kind, *sizes, 0, 0, 0, mode << 16, narrow_offset) + raw_name + extra
