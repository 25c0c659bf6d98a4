"""What was built before, kept beside nothing of the entry's own: a record exists only for a finished build."""

from __future__ import annotations

import fcntl
import json
import os
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from harness.disk.digests import file_sha256
from harness.disk.whole_file import whole_file
from harness.errors import SandboxFailed
from harness.plain import from_plain, to_plain
from harness.sandbox.contract import BuiltEntry


def read(path: Path, *, entry_sha256: str) -> BuiltEntry | None:
    """The finished build of exactly this submission, or None.

    Names are cut to twelve digits, and two submissions can be made to agree in those; the record holds all 64. A build
    whose inventory is lost or damaged is none.
    """
    try:
        built = from_plain(BuiltEntry, json.loads(path.read_text(encoding="utf-8")))
        if built.entry_sha256 != entry_sha256 or file_sha256(Path(built.inventory)) != built.inventory_sha256:
            return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return built


def write(path: Path, built: BuiltEntry) -> None:
    """Replace the record in one step, on disk before this returns.

    Raises: SandboxFailed.
    """
    with writing(path.parent), whole_file(path) as file:
        file.write(json.dumps(to_plain(built)).encode())


def inventory(path: Path) -> Path:
    """Where the inventory of the build with this record lies."""
    return path.with_suffix(".files.jsonl.gz")


def forget(path: Path) -> None:
    """No build is on record any more."""
    path.unlink(missing_ok=True)


def mark_used(path: Path) -> None:
    """Its time says when the build was last asked for: what nobody asks for is cleaned away some day."""
    with suppress(OSError):  # a cache that can be read only has its use too
        os.utime(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else on this machine builds or cleans away the same entry meanwhile.

    Raises: SandboxFailed when the cache folder cannot be written.
    """
    while True:
        with writing(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.with_suffix(".lock").open("a")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if _is_still_there(lock.fileno(), path.with_suffix(".lock")):
                yield
                return


@contextmanager
def locked_if_unused(path: Path) -> Iterator[bool]:
    """True, and nobody may take the build meanwhile; False when somebody builds it or has claimed it."""
    with ExitStack() as stack:
        try:
            for suffix in (".lock", ".used"):
                file = stack.enter_context(path.with_suffix(suffix).open("a"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


class Claims:
    """The builds this process needs until it ends or lets them go: nobody cleans them away."""

    def __init__(self) -> None:
        self._descriptors: dict[Path, int] = {}
        weakref.finalize(self, _close_all, self._descriptors)

    def add(self, path: Path) -> None:
        """Claim a build; to be called while it is locked.

        Raises: SandboxFailed.
        """
        if path not in self._descriptors:
            with writing(path.parent):
                descriptor = os.open(path.with_suffix(".used"), os.O_RDWR | os.O_CREAT, 0o644)
            self._descriptors[path] = descriptor
            fcntl.flock(descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        """Claim nothing any more."""
        _close_all(self._descriptors)


def _close_all(descriptors: dict[Path, int]) -> None:
    while descriptors:
        os.close(descriptors.popitem()[1])


def _is_still_there(descriptor: int, path: Path) -> bool:
    """False when the lock was cleaned away between our opening and our locking it."""
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """The host's own trouble with its disk, raised as SandboxFailed: no entry is to blame for it."""
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        raise SandboxFailed(
            f"the cache folder {folder} cannot be written: {error.strerror or error} ({place})",
            fix="free space on its disk, give it to the user who grades, or name another with XDG_CACHE_HOME",
            code="sandbox.cache",
        ) from error
