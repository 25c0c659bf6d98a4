"""Zips with a few things wrong in them: flipped bytes, lying fields, pieces of two archives, ends cut off."""

from __future__ import annotations

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import corpus
from rawzip import REQUIRED, Raw, build, deflated

from harness.intake.limits import DEFAULT_LIMITS

LARGEST = 200_000
"""Bytes of a zip that is worth mutating: what is larger is large and nothing else."""

_DESCRIPTOR = struct.Struct("<4s3L")
# Where the fields of each record lie behind its signature: (offset, size in bytes).
_FIELDS = {
    b"PK\x03\x04": ((4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)),
    b"PK\x01\x02": (
        *(
            (4, 2),
            (6, 2),
            (8, 2),
            (10, 2),
            (16, 4),
            (20, 4),
            (24, 4),
            (28, 2),
            (30, 2),
            (32, 2),
            (34, 2),
            (36, 2),
        ),
        *((38, 4), (42, 4)),
    ),
    b"PK\x05\x06": ((4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)),
    b"PK\x06\x06": ((4, 8), (12, 2), (14, 2), (16, 4), (20, 4), (24, 8), (32, 8), (40, 8), (48, 8)),
    b"PK\x06\x07": ((4, 4), (8, 8), (16, 4)),
    b"PK\x07\x08": ((4, 4), (8, 4), (12, 4)),
}
_BYTES = (0, 1, 0x08, 0x2E, 0x2F, 0x50, 0x5C, 0x7F, 0x80, 0xFF)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Zips to begin with: valid ones of several makers, and the corpus of hostile ones."""

    valid: tuple[bytes, ...]
    hostile: tuple[bytes, ...]

    @property
    def every(self) -> tuple[bytes, ...]:
        """All of them."""
        return self.valid + self.hostile


def sources() -> Sources:
    """Everything that mutants are made of."""
    cases = (case for case in corpus.every_case() if case.limits is DEFAULT_LIMITS)
    hostile = (case().zip() for case in cases)
    return Sources(valid=_valid(), hostile=tuple(data for data in hostile if len(data) <= LARGEST))


def mutant(rng: random.Random, originals: Sources) -> bytes:
    """A zip with one to four things changed; half of them begin as a valid one."""
    data = bytearray(rng.choice(originals.valid if rng.random() < 0.5 else originals.hostile))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        rng.choice(_CHANGES)(rng, data, originals.every)
    return bytes(data)


def _valid() -> tuple[bytes, ...]:
    text = b"print('hello')\n" * 40
    described = []
    for raw in (*REQUIRED, Raw(name=b"lib/model.py", data=text)):
        packed = deflated(raw.data)
        facts = _DESCRIPTOR.pack(b"PK\x07\x08", zlib.crc32(raw.data), len(packed), len(raw.data))
        described.append(
            Raw(
                name=raw.name,
                data=raw.data,
                method=8,
                flags=8,
                mode=raw.mode,
                descriptor=facts,
                local={"crc": 0, "size": 0, "packed_size": 0},
            )
        )
    more = Raw(name=b"lib/model.py", data=text, method=8)
    bulky = [Raw(name=b"weights%d.bin" % part, data=_bulk(part), method=8) for part in range(2)]
    return (
        build(*REQUIRED),
        build(*REQUIRED, more),
        build(*described),
        build(*REQUIRED, *bulky),
        _by_zipfile(text, wide=True),
        _by_zipfile(text, wide=False),
    )


def _bulk(part: int) -> bytes:
    """Nearly a megabyte that shrinks well, though not as a bomb does: two of it are close to the caps."""
    rng = random.Random(part)
    return b"".join(rng.randbytes(40) + bytes(2000) for _ in range(450))


def _by_zipfile(text: bytes, *, wide: bool) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for raw in (*REQUIRED, Raw(name=b"lib/model.py", data=text)):
            info = zipfile.ZipInfo(raw.name.decode())
            info.external_attr = raw.mode << 16
            with archive.open(info, "w", force_zip64=wide) as file:
                file.write(raw.data)
    return stream.getvalue()


def _flip(rng: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice(_BYTES)


def _insert(rng: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 40))


def _cut(rng: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    at = rng.randint(0, len(data))
    del data[at : at + rng.randint(1, 60)]


def _repeat(rng: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    start = rng.randint(0, len(data))
    piece = data[start : start + rng.randint(1, 400)]
    at = rng.randint(0, len(data))
    data[at:at] = piece


def _truncate(rng: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    del data[rng.randint(0, len(data)) :]


def _splice(rng: random.Random, data: bytearray, originals: tuple[bytes, ...]) -> None:
    """Its beginning and another's end, or both one after the other."""
    other = rng.choice(originals)
    data[rng.choice((len(data), rng.randint(0, len(data)))) :] = other[
        rng.choice((0, rng.randint(0, len(other)))) :
    ]


def _lie(rng: random.Random, data: bytearray, _: tuple[bytes, ...]) -> None:
    """Another number in one field of one record; often one that is near the truth, or at an end of what fits."""
    signature = rng.choice(list(_FIELDS))
    places = _places(data, signature)
    if not places:
        return
    at = rng.choice(places)
    offset, size = rng.choice(_FIELDS[signature])
    most = (1 << 8 * size) - 1
    old = int.from_bytes(data[at + offset : at + offset + size], "little")
    new = rng.choice(
        (
            0,
            1,
            most,
            most - 1,
            most >> 1,
            old + 1,
            old - 1,
            old ^ 8,
            old * 2,
            len(data),
            rng.choice(places),
            at,
        )
    )
    if at + offset + size <= len(data):
        data[at + offset : at + offset + size] = (new & most).to_bytes(size, "little")


def _places(data: bytearray, signature: bytes) -> list[int]:
    places, at = [], data.find(signature)
    while at >= 0:
        places.append(at)
        at = data.find(signature, at + 1)
    return places


_CHANGES: tuple[Callable[[random.Random, bytearray, tuple[bytes, ...]], None], ...] = (
    *(_lie, _lie, _lie, _flip, _flip, _set, _insert, _cut, _repeat, _truncate, _splice),
)
