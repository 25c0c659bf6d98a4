"""The Python packages that a folder says are installed in it, held against the digests of what lies there.

A program of its own, as `harness.sandbox.tree`: standard library only, and Python 3.8. Name, version and RECORD are
the folder's own words; that a file has the digest which a RECORD promises is a fact.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import os
import posixpath
from typing import Dict, Iterator, Mapping, NamedTuple, Tuple  # noqa: UP035 - runs on Python 3.8 too

_METADATA, _RECORD = "METADATA", "RECORD"
_FOLDER_ENDS = ".dist-info"
_METADATA_BYTES = 64 << 10
_RECORD_BYTES = 64 << 20
"""Of all RECORDs together; those of a large environment have some megabytes."""
_MOST_DISTRIBUTIONS = 2000
_SHOWN_CHARACTERS = 100

Digests = Dict[str, Tuple[bytes, int]]  # noqa: UP006 - evaluated
"""Sha256 and size of every regular file, by its path below the root."""


class Distribution(NamedTuple):
    """One folder `*.dist-info`, its files counted by what its RECORD promises of them.

    `listed` files have a digest there: `matching` ones lie there with it, `different` ones with another, `missing` ones
    do not. `size_bytes` is of those that lie there; `problem` says why nothing could be compared.
    """

    name: str
    version: str
    listed: int
    matching: int
    different: int
    missing: int
    size_bytes: int
    problem: str


class Installed(NamedTuple):
    """What was found: `distributions`, the largest first; how many there are; the files that some RECORD promises."""

    distributions: list[Distribution]
    found: int
    recorded_files: int
    recorded_bytes: int


def look(root: str, digests: Digests) -> Installed:
    """The installed packages below `root`."""
    recorded: set[str] = set()
    distributions = []
    budget = _RECORD_BYTES
    folders = sorted({folder for path in digests if (folder := _info_folder(path)) is not None})
    for folder in folders[:_MOST_DISTRIBUTIONS]:
        promises, problem, read_bytes = _promises(root, folder, digests, budget)
        budget -= read_bytes
        name, version = _names(root, posixpath.join(folder, _METADATA), digests)
        if problem:
            distributions.append(Distribution(name, version, 0, 0, 0, 0, 0, problem))
        else:
            distributions.append(_compared(name, version, promises, digests, recorded))
    distributions.sort(key=lambda each: (-each.size_bytes, each.name, each.version))
    return Installed(distributions, len(folders), len(recorded), sum(digests[path][1] for path in recorded))


def _info_folder(path: str) -> str | None:
    folder, name = posixpath.split(path)
    return folder if name in (_METADATA, _RECORD) and folder.endswith(_FOLDER_ENDS) else None


def _compared(
    name: str, version: str, promises: Mapping[str, bytes], digests: Digests, recorded: set[str]
) -> Distribution:
    """The distribution; paths that are what it promises are added to `recorded`."""
    there = {path: digests[path] for path in promises if path in digests}
    matching = {path for path, (digest, _) in there.items() if digest == promises[path]}
    recorded |= matching
    return Distribution(
        name=name,
        version=version,
        listed=len(promises),
        matching=len(matching),
        different=len(there) - len(matching),
        missing=len(promises) - len(there),
        size_bytes=sum(size_bytes for _, size_bytes in there.values()),
        problem="",
    )


def _names(root: str, path: str, digests: Digests) -> tuple[str, str]:
    """Name and version, as METADATA has them; empty where it says nothing."""
    said: dict[str, str] = {}
    if path in digests:
        for line in _read(root, path, _METADATA_BYTES).decode("utf-8", "replace").split("\n"):
            key, colon, value = line.partition(":")
            if not (colon or line.startswith((" ", "\t"))):
                break  # the description begins, which may say anything
            said.setdefault(key.lower(), value.strip()[:_SHOWN_CHARACTERS])
    return said.get("name", ""), said.get("version", "")


def _promises(root: str, folder: str, digests: Digests, budget: int) -> tuple[dict[str, bytes], str, int]:
    """The sha256 that RECORD gives each file, by its path below the root; why there are none; the bytes read."""
    record = posixpath.join(folder, _RECORD)
    if record not in digests:
        return {}, "it has no RECORD", 0
    size_bytes = digests[record][1]
    if size_bytes > budget:
        return {}, "its RECORD was not read: too much text", 0
    try:
        text = _read(root, record, size_bytes)
        return dict(_rows(root, posixpath.dirname(folder), text)), "", size_bytes
    except (csv.Error, ValueError):
        return {}, "its RECORD cannot be read", size_bytes


def _rows(root: str, base: str, text: bytes) -> Iterator[tuple[str, bytes]]:
    lines = io.StringIO(text.decode("utf-8", "surrogateescape"), newline="")
    for row in csv.reader(lines):
        if len(row) < 2 or not row[1].startswith("sha256="):
            continue  # RECORD itself, and what pip compiled, have no digest
        path = row[0][len(root) + 1 :] if row[0].startswith(f"{root}/") else posixpath.join(base, row[0])
        yield posixpath.normpath(path), _digest(row[1][len("sha256=") :])


def _digest(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""  # no file's


def _read(root: str, path: str, most_bytes: int) -> bytes:
    """A regular file that was hashed a moment ago; nothing runs that could have put a link in its place."""
    descriptor = os.open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        return file.read(most_bytes)
