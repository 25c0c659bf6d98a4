"""Output of an entry on its way to a file or a message: capped, and made safe to show."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.errors import SandboxFailed
from harness.text import printable

_LEFT_OUT = b"... (what came before this is left out: the log is capped)\n"


def save(chunks: Iterable[bytes], path: Path, *, limit: int) -> None:
    """Write `chunks` to `path` as they come, never more than `limit` bytes; of longer output the end is kept."""
    kept = bytearray()
    is_cut = False
    with path.open("wb", buffering=0) as file:
        for chunk in chunks:
            if not is_cut:
                file.write(chunk[: limit - len(kept)])
            kept += chunk
            is_cut = is_cut or len(kept) > limit
            if len(kept) > 2 * limit:
                del kept[:-limit]
        if is_cut:
            file.seek(0)
            file.truncate()
            file.write((_LEFT_OUT + bytes(kept[-max(1, limit - len(_LEFT_OUT)) :]))[:limit])


def copy(earlier: Path, log: Path) -> None:
    """`log` is what it was when the same was built before, if that is still there.

    Raises: SandboxFailed.
    """
    if earlier.exists():
        try:
            shutil.copyfile(earlier, log)
        except OSError as error:
            raise unwritable(log, error) from error


def unwritable(log: Path, error: OSError) -> SandboxFailed:
    """What the host says when it has no room for an entry's output."""
    return SandboxFailed(
        f"the log {log} cannot be written: {error.strerror or error}",
        fix="free space on its disk, then grade again",
        code="sandbox.log",
    )


def last_lines(log: Path, *, count: int = 10, width: int = 200) -> str:
    """The last lines of a log that say something, indented, without control characters."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 64 * 1024))
            text = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    lines = [printable(line)[:width].rstrip() for line in text.splitlines()]
    return "\n".join(f"  {line}" for line in [line for line in lines if line][-count:])
