"""Every file of a folder with its size and digest, taken while the folder is measured.

A program of its own, as `harness.sandbox.tree`, which it stands on: it runs in the container that meters an entry, and
in the harness for the process sandbox.
"""

from __future__ import annotations

import json
import os
import socket
import stat
from typing import Any, Callable, Dict  # noqa: UP035 - runs on Python 3.8 too

from harness.sandbox import installed, tree

_KINDS = {stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFDIR: "folder"}

Tell = Callable[[Dict[str, Any]], None]  # noqa: UP006 - evaluated
"""Is told of one path."""


def take(root: str, tell: Tell, *, max_bytes: int, max_files: int) -> dict[str, Any]:
    """Tell of every path in byte order; returns the measure of them all, and the packages found among them.

    A path has `kind`, `mode`, `size_bytes`, `sha256`, and `same_as` where it is another name of a file told of before.

    Raises: TreeRefused.
    """
    digests: installed.Digests = {}
    names: dict[tuple[int, int], str] = {}

    def found(path: str, info: os.stat_result, content: bytes) -> None:
        kind = _KINDS.get(stat.S_IFMT(info.st_mode), "other")
        item = {
            "path": path,
            "kind": kind,
            "mode": f"{stat.S_IMODE(info.st_mode):o}",
            "size_bytes": 0 if kind == "folder" else info.st_size,
            "sha256": content.hex(),
        }
        if kind == "file":
            digests[path] = content, info.st_size
        if kind != "folder" and info.st_nlink > 1:
            first = names.setdefault((info.st_dev, info.st_ino), path)
            if first != path:
                item["same_as"] = first
        tell(item)

    measured = tree.measure(root, max_bytes=max_bytes, max_files=max_files, found=found)
    packages = installed.look(root, digests)
    return {
        "measured": measured._asdict(),
        "installed": {
            **packages._asdict(),
            "distributions": [each._asdict() for each in packages.distributions],
        },
    }


def send(root: str, address: str, *, max_bytes: int, max_files: int) -> None:
    """All that `take` tells, a line of JSON each, to whoever listens on the socket; the last line is its answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.connect(address)
        with listener.makefile("wb") as stream:

            def tell(item: dict[str, Any]) -> None:
                stream.write(json.dumps(item).encode() + b"\n")

            try:
                answer = take(root, tell, max_bytes=max_bytes, max_files=max_files)
            except tree.TreeRefused as refused:
                answer = {"refused": refused.reason, "message": refused.message}
            tell(answer)


def main(arguments: list[str]) -> int:
    """Send the inventory of a folder: `inventory ROOT '{"bytes": ..., "files": ..., "socket": ...}'`."""
    _, root, settings_text = arguments
    settings = json.loads(settings_text)
    send(root, settings["socket"], max_bytes=settings["bytes"], max_files=settings["files"])
    return 0
