"""What must be true after every grade, whatever the entry did: nothing of it is left, and the host is as it was."""

from __future__ import annotations

import gc
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.sandbox import cgroup
from harness.sandbox.flags import GRADE_LABEL

MIB = 1 << 20
PATIENCE_S = 10.0
MEMORY_GROWTH_BYTES = 200 * MIB
GRADE_FOLDER_BYTES = 2 * MIB
ENGINE_LOG_BYTES = 3 * MIB
RECORDS = ("grades.sqlite", "chain.")  # every grade adds to them


@dataclass(frozen=True, kw_only=True)
class Host:
    """What is compared, before and after.

    Attributes:
        canaries: digest of the folders that no grade may touch.
        store: digest of the store without the grade's own folder and the table itself.
        descriptors: how many files this process has open.
        memory_bytes: of this process and the engine's.
    """

    canaries: str
    store: str
    descriptors: int
    memory_bytes: int


def look(store: Path, canaries: Path, *, without: str = "") -> Host:
    """The host as it is now; the grade `without` is left out of the store."""
    gc.collect()  # memory maps of a clip that an error still refers to
    return Host(
        canaries=digest_of(canaries),
        store=digest_of(store, leave_out=(f"grades/{without}", *RECORDS) if without else RECORDS),
        descriptors=len(os.listdir("/proc/self/fd")),
        memory_bytes=sum(map(_resident_bytes, [os.getpid(), *_engine()])),
    )


def check(before: Host, after: Host) -> None:
    """Nothing of the host was changed, and it grew little."""
    assert after.canaries == before.canaries
    assert after.store == before.store
    assert after.descriptors <= before.descriptors + 2, "an idle connection to the engine may come and go"
    assert after.memory_bytes < before.memory_bytes + MEMORY_GROWTH_BYTES


def check_nothing_is_left(client: Any, *, grade_id: str, container_ids: list[str], temporary: Path) -> None:
    """No container, process, socket or folder of the grade, ten seconds later at the most."""
    deadline = time.monotonic() + PATIENCE_S
    while left := _left(client, grade_id, container_ids, temporary):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _left(client: Any, grade_id: str, container_ids: list[str], temporary: Path) -> list[str]:
    containers = client.containers.list(all=True, ignore_removed=True)
    return [
        *(f"container {each.name}" for each in containers if each.labels.get(GRADE_LABEL) == grade_id),
        *(f"process {pid}" for each in container_ids for pid in cgroup.processes(each)),
        *(f"control group {folder}" for each in container_ids for folder in cgroup.folders(each)),
        *(
            f"mount {line}"
            for line in Path("/proc/mounts").read_text().splitlines()
            if _is_of(line, container_ids)
        ),
        *(
            f"socket {line}"
            for line in Path("/proc/net/unix").read_text().splitlines()
            if str(temporary) in line
        ),
        *(f"file {path}" for path in temporary.iterdir()),
    ]


def _is_of(line: str, container_ids: list[str]) -> bool:
    return any(each in line for each in container_ids)


def digest_of(root: Path, *, leave_out: tuple[str, ...] = ()) -> str:
    """Over every path, mode, content and link target below `root`."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith(leave_out):
            continue
        digest.update(f"{name} {path.lstat().st_mode:o}\n".encode())
        if path.is_symlink():
            digest.update(os.readlink(path).encode())
        elif path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def size_of(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _engine() -> list[int]:
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if Path("/proc", name, "comm").read_text().strip() == "dockerd":
                found.append(int(name))
        except OSError:
            continue
    return found


def _resident_bytes(pid: int) -> int:
    pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
