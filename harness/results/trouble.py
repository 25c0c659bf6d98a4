"""What stands between us and a store or what is looked for in it, in words, and what an organiser does about it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from harness.errors import StoreFailed

_BROKEN = ("not a database", "malformed", "no such table", "no such column", "disk i/o error", "is encrypted")
_LOCKED = ("locked", "busy")
_FORBIDDEN = ("unable to open", "readonly", "read-only", "permission")
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)


def unreadable(path: Path, error: Exception) -> StoreFailed:
    """Why the database at `path` cannot be read."""
    return _known(path, error) or StoreFailed(
        f"{path} cannot be read: {error}",
        code="store.unreadable",
        fix="name a folder that `wmc grade` wrote to, and that you may read, in --store",
    )


def unwritable(path: Path, error: Exception) -> StoreFailed:
    """Why the database at `path`, or a file beside it, cannot be written."""
    return _known(path, error) or no_place(path, error)


def no_place(path: Path, error: Exception) -> StoreFailed:
    """Nothing can be kept at `path`."""
    return StoreFailed(
        f"{path}: {error}",
        fix="name a folder that can be written, with free space, in --store; the grade can be run again",
    )


def damaged(path: Path, what: str) -> StoreFailed:
    """The database is not what was written there; nothing is written to it until a person has looked."""
    return StoreFailed(
        f"{path} is damaged: {what}. Nothing was written to it",
        code="store.damaged",
        fix=f"put a copy back: see that it is whole (`wmc verify --store COPY`), move the damaged file aside, and copy "
        f"COPY/grades.sqlite into {path.parent}; everything beside it stays. Then `wmc verify --store {path.parent}` "
        "names the rows that the copy does not have; to go on without them, copy COPY/chain.head too",
    )


def no_store(folder: Path) -> StoreFailed:
    """No grade was ever kept there."""
    return StoreFailed(
        f"there is no store of grades at {folder}",
        code="store.missing",
        fix="name the folder that `wmc grade` wrote to in --store",
    )


def no_such_grade(folder: Path, grade_id: str) -> StoreFailed:
    """The store has no record of that id."""
    return StoreFailed(
        f"{folder} has no grade {grade_id}",
        code="store.no_such_grade",
        fix="name a grade by its id, as `wmc grade` shows it",
    )


def no_json(error: ValueError) -> StoreFailed:
    """A record is not even text of the right kind."""
    return StoreFailed(
        f"a record is no JSON: {error}",
        code="store.bad_record",
        fix="`wmc verify` says which one was edited; restore the store from a copy",
    )


def _known(path: Path, error: Exception) -> StoreFailed | None:
    said = str(error).lower()
    if path.is_dir():
        return damaged(path, "it is a folder, and no database")
    if isinstance(error, sqlite3.Error) and any(words in said for words in _BROKEN):
        return damaged(path, str(error))
    if isinstance(error, sqlite3.Error) and any(words in said for words in _LOCKED):
        return StoreFailed(
            f"{path} is locked: another process has been writing to it for a long time",
            code="store.locked",
            fix=f"wait for it; `fuser -v {path}` names it, and one that hangs can be ended: what it had not finished "
            "is undone",
        )
    is_forbidden = isinstance(error, sqlite3.Error) and any(words in said for words in _FORBIDDEN)
    if is_forbidden or (isinstance(error, OSError) and error.errno in _NOT_OURS):
        return StoreFailed(
            f"{path} may not be used: {error}",
            code="store.forbidden",
            fix=f"let this user read and write {path.parent} and what is in it (ls -ld shows whose it is), on a disk "
            "that is not mounted read only: SQLite writes a file beside the database",
        )
    return None
