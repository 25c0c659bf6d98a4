"""Removing what was built and is not needed any more: volumes on the engine, folders of the process sandbox."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness import owner
from harness.disk import force
from harness.sandbox import built as builds
from harness.sandbox import disk_image, engine, flags, volume

if TYPE_CHECKING:
    from docker import DockerClient

_SUFFIXES = (
    ".json",
    ".log",
    ".files.jsonl.gz",
    ".used",
    ".lock",
)  # the lock goes last: it is held until then


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """How many builds were removed, and how many stayed because somebody uses them."""

    removed: int
    in_use: int


def clean_process(cache: Path, *, unused_s: float) -> Cleaned:
    """Remove the process sandbox's folders that nobody asked for in the last `unused_s` seconds.

    Raises: SandboxFailed.
    """

    def remove(record: Path) -> bool:
        with builds.writing(cache):
            force.remove_tree(record.with_suffix(""))
        return True

    return _clean(cache / "process", unused_s, remove)


def clean_docker(cache: Path, *, unused_s: float) -> Cleaned:
    """Remove this cache's volumes that nobody asked for in the last `unused_s` seconds, and orphans of any cache.

    An orphan is a volume of a harness that is gone, without the record of a finished build, or an image that lost
    its volume.

    Raises: SandboxUnavailable, SandboxFailed.
    """
    with engine.connected() as client:
        known = _clean(cache / "docker", unused_s, lambda record: _remove_volume(client, record.stem))
        lost, freed = orphans(client), remove_orphans(client)
    return Cleaned(removed=known.removed + len(freed), in_use=known.in_use + len({*lost} - {*freed}))


def orphans(client: DockerClient) -> tuple[str, ...]:
    """Volumes of harnesses that are certainly no more, without the record of a finished build; and their images."""
    found = client.volumes.list(filters={"label": flags.RECORD_LABEL})
    volumes = (each.name for each in found if _is_orphan(each.attrs["Labels"]))
    return tuple(dict.fromkeys([*volumes, *disk_image.orphans(client)]))


def remove_orphans(client: DockerClient) -> tuple[str, ...]:
    """Names of the orphans that were removed; one that a container has stays."""
    return tuple(name for name in orphans(client) if _remove_volume(client, name))


def _clean(folder: Path, unused_s: float, remove: Callable[[Path], bool]) -> Cleaned:
    removed = in_use = 0
    for record in _records(folder):
        with builds.locked_if_unused(record) as is_unused:
            if is_unused and time.time() - _last_used(record) < unused_s:
                continue
            if is_unused and remove(record):
                for half in folder.glob(f".{record.stem}.*.unfinished"):  # of a writer that was killed
                    half.unlink(missing_ok=True)
                for suffix in _SUFFIXES:
                    record.with_suffix(suffix).unlink(missing_ok=True)
                removed += 1
            else:
                in_use += 1
    return Cleaned(removed=removed, in_use=in_use)


def _records(folder: Path) -> list[Path]:
    """Where the record of every build is or would be; a failed one has a lock only."""
    return [lock.with_suffix(".json") for lock in sorted(folder.glob("*.lock"))]


def _last_used(record: Path) -> float:
    newest = record if record.exists() else record.with_suffix(".lock")
    return newest.stat().st_mtime


def _remove_volume(client: DockerClient, name: str) -> bool:
    """False when a container has it."""
    from docker.errors import APIError

    try:
        volume.remove(client, name)
    except APIError as error:
        if error.status_code != 409:
            raise
        return False
    return True


def _is_orphan(labels: dict[str, str]) -> bool:
    return owner.is_gone(labels.get(flags.OWNER_LABEL, "")) and not Path(labels[flags.RECORD_LABEL]).exists()
