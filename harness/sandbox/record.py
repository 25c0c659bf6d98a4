"""What was built before, kept beside nothing of the entry's own: a record exists only for a finished build."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import SandboxFailed
from harness.sandbox.contract import BuiltEntry


def default_cache() -> Path:
    """The user's cache folder of wmc."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wmc"


def read(path: Path, *, entry_sha256: str) -> BuiltEntry | None:
    """The finished build of exactly this submission, or None.

    Names are cut to twelve digits, and two submissions can be made to agree in those; the record holds all 64.
    """
    try:
        built = BuiltEntry(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return built if built.entry_sha256 == entry_sha256 else None


def write(path: Path, built: BuiltEntry) -> None:
    """Replace the record in one step, on disk before this returns."""
    draft = path.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(built), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def forget(path: Path) -> None:
    """No build is on record any more."""
    path.unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else on this machine builds the same entry meanwhile.

    Raises: SandboxFailed when the cache folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise SandboxFailed(
            f"the cache folder {path.parent} cannot be written: {error.strerror}",
            fix="give it to the user who grades, or name another with XDG_CACHE_HOME",
            code="sandbox.cache",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
