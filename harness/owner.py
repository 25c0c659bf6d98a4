"""Which process something is of, and since when: written on containers and folders, so that leftovers of a killed
harness can be told apart.
"""

from __future__ import annotations

import os
import platform
from datetime import datetime, timedelta, timezone
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """`host/boot/pid namespace/pid/start time` of this process; the last two are never used twice in one boot."""
    return "/".join((*_place(), str(os.getpid()), _start_time(os.getpid()) or "?"))


def is_gone(owner: str) -> bool:
    """True when `owner` was a process of this host that is certainly no more; False when in doubt."""
    host, *rest = owner.split("/")
    our_host, our_boot, our_namespace = _place()
    if host != our_host or len(rest) != 4 or "?" in rest:
        return False
    boot, namespace, pid, started = rest
    if boot != our_boot:
        return True
    return namespace == our_namespace and pid.isdigit() and _start_time(int(pid)) != started


def began_at(pid: int) -> datetime | None:
    """When this process of this host began, to the second; None where that cannot be seen."""
    ticks = _start_time(pid)
    try:
        uptime_s = float((_PROC / "uptime").read_text().split()[0])
    except (OSError, ValueError):
        return None
    if ticks is None:
        return None
    age = timedelta(seconds=uptime_s - int(ticks) / os.sysconf("SC_CLK_TCK"))
    return (datetime.now(timezone.utc) - age).replace(microsecond=0)


def _place() -> tuple[str, str, str]:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        boot = namespace = "?"
    return platform.node().replace("/", "_"), boot, namespace


def _start_time(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The second field is the command's name in brackets and may hold any bytes; the start time is field 22.
    return stat.rpartition(b")")[2].split()[19].decode()
