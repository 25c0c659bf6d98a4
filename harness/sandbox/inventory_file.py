"""An inventory as it comes in: compared with what was sent, written down line by line, summed up at its end."""

from __future__ import annotations

import gzip
import heapq
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from harness.disk.whole_file import whole_file
from harness.sandbox.source import Sent
from harness.sandbox.supply import NewFile, Package, Share, Supply

LARGEST = 20
"""Files that a record names."""
PACKAGES = 200
"""Packages that a record names."""
_PATH_CHARACTERS = 300
_LEVEL = 6


class InventoryFile:
    """Compares and writes down. What it holds does not grow with the number of files, but with those that were sent."""

    def __init__(self, file: IO[bytes] | gzip.GzipFile, sent: Mapping[str, Sent]) -> None:
        self._file = file
        self._left = dict(sent)
        self._counts = {word: [0, 0] for word in ("sent", "changed", "added", "removed")}
        self._largest: list[tuple[int, str, str, bool]] = []

    def tell(self, item: dict[str, Any]) -> None:
        """One path, as `inventory.take` tells it."""
        path, size_bytes = item["path"], item["size_bytes"]
        sent = self._left.pop(path, None)
        word = "added" if sent is None else "sent" if _is_as_sent(item, sent) else "changed"
        self._write({"is": word, **item})
        if item["kind"] == "folder":
            return
        self._count(word, 0 if "same_as" in item else size_bytes)
        if word != "sent" and item["kind"] == "file":
            new = (size_bytes, path, item["sha256"], sent is not None)
            push = heapq.heappush if len(self._largest) < LARGEST else heapq.heappushpop
            push(self._largest, new)

    def close(self, installed: Mapping[str, Any]) -> Supply:
        """The sum; every path was told."""
        for path, sent in sorted(self._left.items()):
            self._write({"is": "removed", "path": path, **_described(sent)})
            if not sent.is_folder:
                self._count("removed", sent.size_bytes)
        shares = {word: Share(files=files, size_bytes=size) for word, (files, size) in self._counts.items()}
        return Supply(
            as_sent=shares["sent"],
            changed=shares["changed"],
            added=shares["added"],
            removed=shares["removed"],
            largest=tuple(
                NewFile(path=_short(path), size_bytes=size_bytes, sha256=sha256, was_sent=was_sent)
                for size_bytes, path, sha256, was_sent in sorted(self._largest, key=_largest_first)
            ),
            packages=tuple(Package(**each) for each in installed["distributions"][:PACKAGES]),
            packages_found=installed["found"],
            recorded=Share(files=installed["recorded_files"], size_bytes=installed["recorded_bytes"]),
        )

    def _count(self, word: str, size_bytes: int) -> None:
        self._counts[word][0] += 1
        self._counts[word][1] += size_bytes

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


@contextmanager
def writing_down(path: Path, sent: Mapping[str, Sent]) -> Iterator[InventoryFile]:
    """An inventory whose lines are at `path` when the context ends without an error: JSON in a gzip file.

    Raises: OSError.
    """
    with (
        whole_file(path) as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
    ):
        yield InventoryFile(packed, sent)


def _is_as_sent(item: Mapping[str, Any], sent: Sent) -> bool:
    return all(item[key] == value for key, value in _described(sent).items())


def _described(sent: Sent) -> dict[str, Any]:
    kind = "folder" if sent.is_folder else "file"
    return {"kind": kind, "mode": f"{sent.mode:o}", "size_bytes": sent.size_bytes, "sha256": sent.sha256}


def _largest_first(new: tuple[int, str, str, bool]) -> tuple[int, str]:
    return -new[0], new[1]


def _short(path: str) -> str:
    """The path with what is no text replaced, its end kept where it is long."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text if len(text) <= _PATH_CHARACTERS else f"...{text[-_PATH_CHARACTERS:]}"
