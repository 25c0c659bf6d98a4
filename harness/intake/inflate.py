"""A member's bytes, measured while they come out."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator

from harness.intake.layout import Member
from harness.intake.limits import ArchiveLimits
from harness.intake.zipformat import STORED, reject

_CHUNK = 1 << 18


def unpacked_chunks(fd: int, member: Member, limits: ArchiveLimits) -> Iterator[bytes]:
    """The member's content; raises ArchiveRejected as soon as it is more than declared, or more than allowed.

    After the last chunk size and CRC have been checked; what came before an error must be thrown away.
    """
    crc32, size = 0, 0
    for chunk, packed_size in _raw_chunks(fd, member):
        size += len(chunk)
        _check_growth(member, size, packed_size, limits)
        crc32 = zlib.crc32(chunk, crc32)
        yield chunk
    if size != member.size:
        raise reject(
            "archive.size_mismatch", f'"{member.name}" has {size} bytes, not the {member.size} it declares'
        )
    if crc32 != member.crc32:
        raise reject(
            "archive.crc_mismatch",
            f'"{member.name}" is damaged: its checksum is wrong',
            "upload the zip again",
        )


def _check_growth(member: Member, size: int, packed_size: int, limits: ArchiveLimits) -> None:
    if size > limits.file_bytes:
        raise reject(
            "archive.file_too_large",
            f'"{member.name}" unpacks to more than {limits.file_bytes} bytes',
            "split it",
        )
    if size > limits.ratio_free_bytes and size > limits.ratio * packed_size:
        raise reject(
            "archive.ratio",
            f'"{member.name}" unpacks to more than {limits.ratio} times its size',
            "store it uncompressed, as `wmc submit FOLDER` does",
        )
    if size > member.size:
        raise reject(
            "archive.size_mismatch", f'"{member.name}" has more bytes than the {member.size} it declares'
        )


def _raw_chunks(fd: int, member: Member) -> Iterator[tuple[bytes, int]]:
    """Pieces of content, each with the compressed bytes read so far."""
    packed = _packed_chunks(fd, member)
    if member.method == STORED:
        yield from packed
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    for data, packed_size in packed:
        waiting = data
        while waiting and not inflater.eof:
            try:
                chunk = inflater.decompress(waiting, _CHUNK)
            except zlib.error as error:
                raise reject(
                    "archive.deflate_broken", f'"{member.name}" cannot be unpacked ({error})'
                ) from error
            waiting = inflater.unconsumed_tail
            yield chunk, packed_size
        if waiting or inflater.unused_data:
            raise reject(
                "archive.deflate_trailing", f'"{member.name}" has bytes behind the end of its compressed data'
            )
    yield inflater.flush(), member.compressed_size  # at most what its bit buffer still encodes
    if not inflater.eof:
        raise reject(
            "archive.deflate_broken", f'"{member.name}" cannot be unpacked (its compressed data is cut off)'
        )


def _packed_chunks(fd: int, member: Member) -> Iterator[tuple[bytes, int]]:
    done = 0
    while done < member.compressed_size:
        data = os.pread(fd, min(_CHUNK, member.compressed_size - done), member.data_at + done)
        if not data:
            raise reject("archive.truncated", f'the zip ends inside "{member.name}"')
        done += len(data)
        yield data, done
