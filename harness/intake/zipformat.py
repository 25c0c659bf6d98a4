"""The records of a zip as they lie on disk (PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5), with zip64 resolved.

Python's zipfile takes the last record that looks right and repairs the rest; two readers that repair in
different ways see different submissions. This reader takes one layout only and refuses everything else.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from harness.errors import ArchiveRejected
from harness.text import spelled_out

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR64 = struct.Struct("<4sLQL")

LOCAL_MAGIC, CENTRAL_MAGIC, END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END64_MAGIC, LOCATOR64_MAGIC, DESCRIPTOR_MAGIC = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"

MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF
STORED, DEFLATED = 0, 8
ZIP64_EXTRA = 0x0001
# Times and owners, which are dropped. Others can change a name, a link's target or an encryption.
_HARMLESS_EXTRAS = frozenset({0x000A, 0x5455, 0x5855, 0x7875})

FLAG_DESCRIPTOR = 1 << 3
_NEWEST_VERSION = 45  # 4.5 brought zip64, the last thing we take
_FLAGS_ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
_FLAGS_TAKEN = 1 << 1 | 1 << 2 | FLAG_DESCRIPTOR | 1 << 11

PACK_AGAIN = "make the zip again with `wmc submit FOLDER`"


def reject(code: str, message: str, fix: str = PACK_AGAIN) -> ArchiveRejected:
    """The refusal, to be raised."""
    return ArchiveRejected(message, fix=fix, code=code)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Where the central directory lies: `count` records in bytes [start, stop)."""

    count: int
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class CentralRecord:
    """What the central directory says of one member.

    Attributes:
        raw_name: as stored, unchecked.
        flags, method, crc32, compressed_size, size: as stored; sizes in bytes with zip64 resolved.
        mode: unix mode bits, 0 where the packing system had none.
        is_dos_folder: the attribute some readers go by.
        offset: of the member's local header.
    """

    raw_name: bytes
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int
    mode: int
    is_dos_folder: bool
    offset: int


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Exactly `size` bytes of `fd` from `offset`; a file that ends before is refused."""
    parts = []
    while size:
        part = os.pread(fd, min(size, 1 << 20), offset)
        if not part:
            raise reject("archive.truncated", "the zip ends in the middle of a record")
        parts.append(part)
        offset, size = offset + len(part), size - len(part)
    return b"".join(parts)


def read_span(fd: int, zip_bytes: int) -> Span:
    """Where the central directory lies, from the end record in the zip's last bytes."""
    end_at = zip_bytes - END.size
    tail = read_at(fd, end_at, END.size) if end_at >= 0 else b""
    if not tail.startswith(END_MAGIC):
        raise _why_no_end_record(fd, zip_bytes)
    _, disk, first_disk, here, count, size, start, comment = END.unpack(tail)
    if comment:
        raise reject("archive.truncated", "the zip ends inside its own comment")
    locator_at = end_at - LOCATOR64.size
    if locator_at >= 0 and read_at(fd, locator_at, 4) == LOCATOR64_MAGIC:
        end_at, wide = _read_zip64_end(fd, locator_at)
        narrow = (disk, first_disk, here, count, size, start)
        limits = (MAX16, MAX16, MAX16, MAX16, MAX32, MAX32)
        if any(n not in {most, w} for n, most, w in zip(narrow, limits, wide, strict=True)):
            raise reject("archive.zip64_lie", "the zip's two end records contradict each other")
        disk, first_disk, here, count, size, start = wide
    if disk or first_disk or here != count:
        raise reject("archive.multi_disk", "the zip is one part of several")
    if start + size != end_at:
        raise _why_misplaced(fd, start=start, size=size, end_at=end_at)
    return Span(count=count, start=start, stop=end_at)


def read_directory(fd: int, span: Span) -> list[CentralRecord]:
    """The central directory's records; they fill the span exactly."""
    data = read_at(fd, span.start, span.stop - span.start)
    records, at = [], 0
    while at < len(data):
        record, at = _central_record(data, at)
        records.append(record)
    if len(records) != span.count:
        raise reject(
            "archive.count_mismatch", f"the zip says it has {span.count} members and lists {len(records)}"
        )
    return records


def extra_fields(data: bytes, *, raw_name: bytes) -> bytes | None:
    """The body of the zip64 field in an extra block, None without one; other meanings are refused."""
    wide, at = None, 0
    while at < len(data):
        kind, size = struct.unpack_from("<2H", data, at) if at + 4 <= len(data) else (None, 0)
        body = data[at + 4 : at + 4 + size]
        is_repeated = kind == ZIP64_EXTRA and wide is not None
        if kind is None or len(body) != size or is_repeated or kind not in {ZIP64_EXTRA, *_HARMLESS_EXTRAS}:
            label = "a broken one" if kind is None or len(body) != size else f"kind 0x{kind:04x}"
            raise reject(
                "archive.extra_field",
                f'"{spelled_out(raw_name)}" has an extra field we do not take ({label})',
            )
        wide = body if kind == ZIP64_EXTRA else wide
        at += 4 + size
    return wide


def widened(values: tuple[int, ...], wide: bytes | None, *, raw_name: bytes) -> tuple[int, ...]:
    """`values`, each 0xFFFFFFFF replaced by the next number of the zip64 field, which holds no more."""
    wanted = sum(value == MAX32 for value in values)
    if len(wide or b"") != 8 * wanted or (wide is not None and not wanted):
        raise reject(
            "archive.zip64_lie", f'"{spelled_out(raw_name)}" has 64-bit sizes that do not fit its header'
        )
    numbers = iter(struct.unpack(f"<{wanted}Q", wide or b""))
    return tuple(next(numbers) if value == MAX32 else value for value in values)


def check_coding(raw_name: bytes, *, version: int, flags: int, method: int) -> None:
    """Refuse a member that is encrypted, or packed in a way that not every reader knows."""
    shown = f'"{spelled_out(raw_name)}"'
    if version > _NEWEST_VERSION:
        raise reject(
            "archive.unknown_version", f"{shown} asks for version {version / 10:.1f} of the zip format"
        )
    if flags & _FLAGS_ENCRYPTED:
        raise reject("archive.encrypted", f"{shown} is encrypted", "make the zip without a password")
    if flags & ~_FLAGS_TAKEN:
        raise reject("archive.unknown_flags", f"{shown} has flags we do not take (0x{flags:04x})")
    if method not in {STORED, DEFLATED}:
        raise reject(
            "archive.unknown_method",
            f"{shown} is compressed with method {method}; we take stored and deflated",
        )


def _central_record(data: bytes, at: int) -> tuple[CentralRecord, int]:
    header = data[at : at + CENTRAL.size]
    if len(header) < CENTRAL.size or not header.startswith(CENTRAL_MAGIC):
        raise reject("archive.directory_broken", "the zip's directory holds something that is not a member")
    fields = CENTRAL.unpack(header)
    _, _, version, flags, method, _, _, crc32, packed, size, name_len, extra_len, comment_len = fields[:13]
    disk, _, attributes, offset = fields[13:]
    name_at = at + CENTRAL.size
    extra_at = name_at + name_len
    stop = extra_at + extra_len + comment_len
    raw_name = data[name_at:extra_at]
    if stop > len(data):
        raise reject("archive.directory_broken", "the zip's directory ends in the middle of a member")
    if comment_len:
        raise reject("archive.member_comment", f'"{spelled_out(raw_name)}" has a comment')
    if disk:
        raise reject(
            "archive.multi_disk", f'"{spelled_out(raw_name)}" lies in another part of a zip in several parts'
        )
    check_coding(raw_name, version=version, flags=flags, method=method)
    wide = extra_fields(data[extra_at : extra_at + extra_len], raw_name=raw_name)
    size, packed, offset = widened((size, packed, offset), wide, raw_name=raw_name)
    record = CentralRecord(
        raw_name=raw_name,
        flags=flags,
        method=method,
        crc32=crc32,
        compressed_size=packed,
        size=size,
        mode=attributes >> 16,
        is_dos_folder=bool(attributes & 0x10),
        offset=offset,
    )
    return record, stop


def _read_zip64_end(fd: int, locator_at: int) -> tuple[int, tuple[int, ...]]:
    """Where the 64-bit end record lies, and its (disk, first disk, members here, members, bytes, start)."""
    _, disk, end_at, disks = LOCATOR64.unpack(read_at(fd, locator_at, LOCATOR64.size))
    if disk or disks != 1 or end_at != locator_at - END64.size:
        raise reject("archive.zip64_lie", "the zip's 64-bit end record is not where the zip says")
    magic, size, _, _, *wide = END64.unpack(read_at(fd, end_at, END64.size))
    if magic != END64_MAGIC or size != END64.size - 12:
        raise reject("archive.zip64_lie", "the zip's 64-bit end record is not one")
    return end_at, tuple(wide)


def _why_no_end_record(fd: int, zip_bytes: int) -> ArchiveRejected:
    """The reason why the last 22 bytes are no end record."""
    start = max(0, zip_bytes - END.size - MAX16)
    tail = read_at(fd, start, zip_bytes - start)
    at = tail.rfind(END_MAGIC)
    if at >= 0 and at + END.size <= len(tail):
        comment_len = END.unpack_from(tail, at)[-1]
        left = len(tail) - at - END.size
        if comment_len == left:
            return reject("archive.comment", "the zip has a comment (as GitHub's downloads have)")
        if comment_len < left:
            return reject("archive.trailing_data", f"{left - comment_len} bytes follow the end of the zip")
    if tail[:4] == LOCAL_MAGIC or read_at(fd, 0, min(4, zip_bytes)) == LOCAL_MAGIC:
        return reject("archive.truncated", "the zip has no end: it was cut off", "upload it again")
    return reject("archive.not_a_zip", "this is not a zip file")


def _why_misplaced(fd: int, *, start: int, size: int, end_at: int) -> ArchiveRejected:
    """The reason why the directory does not end where the end record begins."""
    if start + size > end_at:
        return reject("archive.directory_broken", "the zip's directory is not where the zip says")
    shift = end_at - start - size
    gap = read_at(fd, start + size, min(shift, 1 << 20)) + read_at(fd, max(0, shift - END.size), END.size)
    if END_MAGIC in gap:
        return reject(
            "archive.several_archives",
            "several zips are joined in one file: readers disagree on which counts",
        )
    if read_at(fd, 0, 4) != LOCAL_MAGIC or read_at(fd, start, 4) != CENTRAL_MAGIC:
        return reject("archive.leading_data", f"{shift} bytes come before the zip begins")
    return reject("archive.hidden_data", "bytes lie between the zip's directory and its end record")
