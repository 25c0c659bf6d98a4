"""A zip built record by record, so that every record can lie."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field, replace

LOCAL, CENTRAL, END = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s4H2LH")

MANIFEST = b"""user_name = "tester"
email = "tester@example.org"
entry_name = "test"
description = "An entry for the tests."
training_flops = 0
external_data = []
rules_accepted = true
eligibility_attested = true
"""
BUILD_SH = b"#!/bin/sh\nexit 0\n"
EVALUATE_PY = b"#!/usr/bin/env python3\n"


def deflated(data: bytes) -> bytes:
    """`data` as a raw deflate stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@dataclass(frozen=True, kw_only=True)
class Raw:
    """One member; `local` and `central` replace fields of either header by name."""

    name: bytes = b"a.txt"
    data: bytes = b""
    packed: bytes | None = None
    method: int = 0
    flags: int = 0
    mode: int = 0o100644
    dos: int = 0
    local_extra: bytes = b""
    central_extra: bytes = b""
    comment: bytes = b""
    descriptor: bytes = b""
    lead: bytes = b""
    local: dict[str, object] = field(default_factory=dict)
    central: dict[str, object] = field(default_factory=dict)

    @property
    def payload(self) -> bytes:
        """The member's data as it lies in the zip."""
        if self.packed is not None:
            return self.packed
        return deflated(self.data) if self.method == 8 else self.data

    def local_bytes(self) -> bytes:
        """Local header, data, descriptor."""
        says = self._says() | self.local
        name = says["name"]
        header = LOCAL.pack(
            says["magic"], says["version"], says["flags"], says["method"], 0, 33, says["crc"], says["packed_size"],
            says["size"], len(name), len(self.local_extra),
        )  # fmt: skip
        return header + name + self.local_extra + self.payload + self.descriptor

    def central_bytes(self, offset: int) -> bytes:
        """The record in the directory."""
        says = self._says() | {"magic": b"PK\x01\x02", "offset": offset, "disk": 0} | self.central
        name = says["name"]
        header = CENTRAL.pack(
            says["magic"], 3 << 8 | 20, says["version"], says["flags"], says["method"], 0, 33, says["crc"],
            says["packed_size"], says["size"], len(name), len(self.central_extra), len(self.comment),
            says["disk"], 0, self.mode << 16 | self.dos, says["offset"],
        )  # fmt: skip
        return header + name + self.central_extra + self.comment

    def _says(self) -> dict[str, object]:
        return {
            "magic": b"PK\x03\x04",
            "version": 20,
            "name": self.name,
            "flags": self.flags,
            "method": self.method,
            "crc": zlib.crc32(self.data),
            "size": len(self.data),
            "packed_size": len(self.payload),
        }


REQUIRED = (
    Raw(name=b"build.sh", data=BUILD_SH, mode=0o100755),
    Raw(name=b"evaluate.py", data=EVALUATE_PY, mode=0o100755),
    Raw(name=b"wmc.toml", data=MANIFEST),
)


def changed(name: bytes, **changes: object) -> tuple[Raw, ...]:
    """The required files with one of them changed."""
    return tuple(replace(raw, **changes) if raw.name == name else raw for raw in REQUIRED)


def build(
    *members: Raw, lead: bytes = b"", shift: int = 0, gap: bytes = b"", before_end: bytes = b"", **end: object
) -> bytes:
    """A zip of `members`: `lead` before them, `gap` before the directory, `before_end` behind it.

    `shift` is added to every offset; `end` replaces fields of the end record.
    """
    body, directory = lead, b""
    for member in members:
        body += member.lead
        directory += member.central_bytes(len(body) + shift)
        body += member.local_bytes()
    body += gap
    says = {
        "disk": 0, "first_disk": 0, "here": len(members), "count": len(members),
        "size": len(directory), "start": len(body) + shift, "comment": b"",
    } | end  # fmt: skip
    fields = (says[key] for key in ("disk", "first_disk", "here", "count", "size", "start"))
    comment = says["comment"]
    return body + directory + before_end + END.pack(b"PK\x05\x06", *fields, len(comment)) + comment
