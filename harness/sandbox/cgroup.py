"""Which processes of a container are alive, asked of the kernel: "exited" in the engine's words is not "dead"."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def folders(container_id: str, *, root: Path = _ROOT) -> tuple[Path, ...]:
    """The control groups that carry this container's id, whatever driver named them; empty when none is visible."""
    return tuple(
        Path(parent, name)
        for hierarchy in _hierarchies(root)
        for parent, names, _ in os.walk(hierarchy)
        for name in names
        if container_id in name
    )


def are_visible(*, root: Path = _ROOT) -> bool:
    """True when there is a place to look for containers' control groups."""
    return bool(_hierarchies(root))


def processes(container_id: str, *, root: Path = _ROOT) -> tuple[int, ...]:
    """Ids, as this host numbers them, of every process in the container's control groups and those below."""
    found: set[int] = set()
    for folder in folders(container_id, root=root):
        for parent, _, files in os.walk(folder):
            if "cgroup.procs" in files:
                # Gone between the listing and the reading: then nothing lives in it.
                with suppress(OSError):
                    found.update(int(word) for word in Path(parent, "cgroup.procs").read_text().split())
    return tuple(sorted(found))


def survivors(container_id: str, *, patience_s: float, root: Path = _ROOT) -> tuple[int, ...]:
    """Processes still there `patience_s` after the container ended: the kernel takes a moment to bury the dead."""
    deadline = time.monotonic() + patience_s
    while (alive := processes(container_id, root=root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def destroy(container_id: str, *, patience_s: float, root: Path = _ROOT) -> tuple[int, ...]:
    """Kill what lives in the container's control groups and remove them; who could not be killed is returned."""
    for process_id in processes(container_id, root=root):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process_id, signal.SIGKILL)
    alive = survivors(container_id, patience_s=patience_s, root=root)
    for parent, names, _ in os.walk(root, topdown=False):
        for name in names:
            if container_id in name:
                with suppress(OSError):  # still in use, or not ours to remove
                    Path(parent, name).rmdir()
    return alive


def _hierarchies(root: Path) -> tuple[Path, ...]:
    """The folders worth searching: the unified tree, or one version 1 controller that every process is in."""
    if (root / "cgroup.controllers").exists():
        return (root,)
    controllers = (root / name for name in ("pids", "memory", "freezer", "systemd"))
    return tuple(folder for folder in controllers if folder.is_dir())[:1]
