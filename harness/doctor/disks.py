"""Free space where a grade writes, beside what it needs there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from harness.disk.places import cache_folder
from harness.doctor.check import Check, broken, warned, well
from harness.intake.limits import ArchiveLimits
from harness.sandbox.policy import GIB, MIB, SandboxPolicy

_STORE_BYTES = 2 * GIB
"""Kept answers of a grade on an hour of video, and its decoded truth, with room to spare."""
_LEAST_BYTES = 64 * MIB
"""Of a disk with less there is no saying what can still be written."""


def disk_checks(store: Path, policy: SandboxPolicy) -> Iterator[Check]:
    """The store's disk, the cache's and that of temporary files; the engine's own is looked at through the engine."""
    yield disk_check("disk of the store", store, wanted_bytes=_STORE_BYTES, fix="name another with --store")
    cache = cache_folder()
    yield disk_check(
        "disk of the cache",
        cache,
        wanted_bytes=policy.entry_bytes,
        fix="wmc sandbox clean, or name another with XDG_CACHE_HOME",
    )
    temporary = Path(tempfile.gettempdir())
    yield disk_check(
        "disk of temporary files",
        temporary,
        wanted_bytes=ArchiveLimits().total_bytes,
        fix="wmc doctor --clean, or name another with TMPDIR",
    )


def engine_disk_check(root: Path, policy: SandboxPolicy) -> Check:
    """The disk that volumes lie on; below its reserve no build goes on."""
    reserve = policy.disk_reserve_bytes
    return disk_check(
        "disk of the engine",
        root,
        wanted_bytes=policy.entry_bytes + reserve,
        least_bytes=reserve,
        below="and a build is stopped below",
        fix="wmc sandbox clean; docker system df shows what else is there",
    )


def disk_check(
    what: str,
    place: Path,
    *,
    wanted_bytes: int,
    fix: str,
    least_bytes: int = _LEAST_BYTES,
    below: str = "a grade may find no room below",
) -> Check:
    """Free space at `place`, or where it will be made; `below` says what happens with less than the least."""
    there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists())
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        return broken(what, f"{there} cannot be looked at: {error.strerror}", fix)
    seen = f"{_in_words(free)} free at {there}"
    if free < least_bytes:
        return broken(what, f"{seen}, {below} {_in_words(least_bytes)}", fix)
    if free < wanted_bytes:
        return warned(what, f"{seen}, a grade may need {_in_words(wanted_bytes)}", fix)
    return well(what, f"{seen}, a grade needs at most {_in_words(wanted_bytes)}")


def _in_words(size_bytes: int) -> str:
    """In the unit that tells it from none."""
    return f"{size_bytes / GIB:.1f} GiB" if size_bytes >= GIB else f"{size_bytes // MIB} MiB"
