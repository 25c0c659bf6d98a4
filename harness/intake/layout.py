"""Members that lie back to back and whose local headers say what the central directory says."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import ArchiveRejected
from harness.intake.limits import ArchiveLimits
from harness.intake.names import Tree, checked_name
from harness.intake.zipformat import (
    DESCRIPTOR_MAGIC,
    FLAG_DESCRIPTOR,
    LOCAL,
    LOCAL_MAGIC,
    MAX32,
    STORED,
    CentralRecord,
    Span,
    check_coding,
    extra_fields,
    read_at,
    reject,
    widened,
)
from harness.text import spelled_out

_MISMATCHES = {
    "name": "archive.header_mismatch_name",
    "flags": "archive.header_mismatch_flags",
    "method": "archive.header_mismatch_method",
    "crc": "archive.header_mismatch_crc",
    "sizes": "archive.header_mismatch_sizes",
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member, checked: what it will be called on disk and where its bytes lie.

    Attributes:
        name: relative path, no trailing slash.
        is_folder, executable: kind and mode.
        method, crc32, compressed_size, size: of its data; sizes in bytes as declared.
        data_at: where its data begins in the zip.
    """

    name: str
    is_folder: bool
    executable: bool
    method: int
    crc32: int
    compressed_size: int
    size: int
    data_at: int


def checked_members(
    records: Iterable[CentralRecord], limits: ArchiveLimits
) -> list[tuple[CentralRecord, str]]:
    """Each record with its name on disk; names, kinds and modes that must not be unpacked are refused.

    So are more files and folders than `limits` allow: one long name alone makes twenty folders.
    """
    tree, named = Tree(), []
    for record in records:
        name = checked_name(record.raw_name)
        _check_kind(record, name)
        tree.add(name, is_folder=record.raw_name.endswith(b"/"))
        if len(tree) > limits.files:
            raise reject(
                "archive.too_many_files",
                f"the zip makes more than {limits.files} files and folders",
                "pack fewer files, in fewer folders",
            )
        named.append((record, name))
    return named


def located_members(fd: int, span: Span, named: Iterable[tuple[CentralRecord, str]]) -> list[Member]:
    """Every member with its data's place; together they fill the zip up to its directory."""
    members, free_from = [], 0
    for record, name in sorted(named, key=lambda pair: pair[0].offset):
        if record.offset < free_from:
            raise reject(
                "archive.overlap", f'"{name}" lies inside another member: this is how a zip bomb is made'
            )
        if record.offset > free_from:
            raise _why_gap(fd, free_from, record.offset)
        data_at = _checked_local_header(fd, record, name, limit=span.start)
        data_stop = data_at + record.compressed_size
        if data_stop > span.start:
            raise reject("archive.overlap", f'"{name}" reaches into the zip\'s directory')
        free_from = data_stop + _checked_descriptor(fd, record, name, at=data_stop, limit=span.start)
        members.append(
            Member(
                name=name,
                is_folder=record.raw_name.endswith(b"/"),
                executable=bool(record.mode & 0o111),
                method=record.method,
                crc32=record.crc32,
                compressed_size=record.compressed_size,
                size=record.size,
                data_at=data_at,
            )
        )
    if free_from != span.start:
        raise _why_gap(fd, free_from, span.start)
    return members


def _check_kind(record: CentralRecord, name: str) -> None:
    is_folder = record.raw_name.endswith(b"/")
    kind = stat.S_IFMT(record.mode)
    if kind == stat.S_IFLNK:
        raise reject(
            "archive.link",
            f'"{name}" is a symbolic link',
            "put the file itself there, or make the link in build.sh",
        )
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise reject("archive.special_file", f'"{name}" is neither a file nor a folder', "leave it out")
    if (kind == stat.S_IFDIR or record.is_dos_folder) != is_folder and (kind or record.is_dos_folder):
        raise reject(
            "archive.kind_mismatch", f'"{name}" is a folder by its name or by its mode, but not by both'
        )
    if record.mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise reject(
            "archive.special_mode", f'"{name}" has a setuid, setgid or sticky bit', f"chmod ug-s,-t {name}"
        )
    if is_folder and (record.size or record.compressed_size):
        raise reject("archive.folder_with_data", f'"{name}" is a folder and has data')
    if record.method == STORED and record.size != record.compressed_size:
        raise reject("archive.size_mismatch", f'"{name}" is stored, but its two sizes differ')
    if record.method == STORED and record.flags & FLAG_DESCRIPTOR and record.size:
        raise reject(
            "archive.stored_with_descriptor",
            f'"{name}" is stored without its size before it: readers guess its end',
        )


def _checked_local_header(fd: int, record: CentralRecord, name: str, *, limit: int) -> int:
    """Where the data begins, after a local header that agrees with the central one."""
    if record.offset + LOCAL.size > limit:
        raise reject("archive.offset_broken", f'"{name}" begins where the zip has no member')
    fields = LOCAL.unpack(read_at(fd, record.offset, LOCAL.size))
    magic, version, flags, method, _, _, crc32, packed, size, name_len, extra_len = fields
    if magic != LOCAL_MAGIC:
        raise reject("archive.offset_broken", f'"{name}" begins where the zip has no member')
    tail = read_at(fd, record.offset + LOCAL.size, name_len + extra_len)
    local_name, extra = tail[:name_len], tail[name_len:]
    check_coding(record.raw_name, version=version, flags=flags, method=method)
    wide = extra_fields(extra, raw_name=record.raw_name)
    size, packed = widened((size, packed), wide, raw_name=record.raw_name)
    said = {"name": local_name, "flags": flags, "method": method, "crc": crc32, "sizes": (packed, size)}
    meant = {
        "name": record.raw_name,
        "flags": record.flags,
        "method": record.method,
        "crc": record.crc32,
        "sizes": (record.compressed_size, record.size),
    }
    if record.flags & FLAG_DESCRIPTOR:  # then both may be zero here, and follow the data
        said |= {"crc": said["crc"] or meant["crc"]}
        said |= {"sizes": meant["sizes"] if (packed, size) == (0, 0) else (packed, size)}
    for what, value in said.items():
        if value != meant[what]:
            raise reject(
                _MISMATCHES[what],
                f"\"{name}\": the zip's directory and the member's own header give different {what}"
                + (f' ("{spelled_out(local_name)}")' if what == "name" else ""),
            )
    return record.offset + LOCAL.size + len(tail)


def _checked_descriptor(fd: int, record: CentralRecord, name: str, *, at: int, limit: int) -> int:
    """The length of the data descriptor behind the data, 0 where the flags announce none."""
    if not record.flags & FLAG_DESCRIPTOR:
        return 0
    found = read_at(fd, at, min(24, limit - at))
    numbers = (record.crc32, record.compressed_size, record.size)
    layouts = ["<3L", "<L2Q"] if max(numbers[1:]) < MAX32 else ["<L2Q"]
    # The one with the magic first: without it, a descriptor could begin with a crc that looks like it.
    for magic in (DESCRIPTOR_MAGIC, b""):
        for layout in layouts:
            expected = magic + struct.pack(layout, *numbers)
            if found.startswith(expected):
                return len(expected)
    raise reject(
        "archive.descriptor_mismatch", f'"{name}": what follows its data contradicts the zip\'s directory'
    )


def _why_gap(fd: int, start: int, stop: int) -> ArchiveRejected:
    """The reason why bytes [start, stop) belong to no member."""
    is_member = read_at(fd, start, min(4, stop - start)) == LOCAL_MAGIC
    if is_member:
        return reject("archive.hidden_member", "the zip holds a member that its directory does not list")
    if not start:
        return reject("archive.leading_data", f"{stop} bytes come before the zip begins")
    return reject(
        "archive.hidden_data", f"{stop - start} bytes between the zip's members belong to none of them"
    )
