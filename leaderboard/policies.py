"""A sandbox's policy as a page shows it: all of it, in words and units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_GIB = 1 << 30

LABELS = {
    "uid": "User and group of entries",
    "build_timeout_s": "Time for build.sh",
    "entry_bytes": "Cap of the built entry",
    "entry_files": "Cap of its files and folders",
    "disk_reserve_bytes": "Free space kept on the disk",
    "log_bytes": "Cap of a log",
    "gpus": "GPUs",
    "runtime": "Runtime",
    "block_private_networks": "Private networks blocked, where that can be done",
    "seccomp_sha256": "Seccomp profile, sha256",
    "memory_bytes": "Memory",
    "pids": "Processes and threads",
    "cpus": "CPU cores",
    "tmp_bytes": "/tmp, in memory",  # noqa: S108 - a label
    "tmp_inodes": "Files in /tmp",
    "shm_bytes": "/dev/shm",  # noqa: S108 - a label
}
"""Of what this version knows; what it does not know goes by its own name."""


@dataclass(frozen=True, kw_only=True)
class InForce:
    """`facts` are pairs of a label and a value; `limits` a label and the values of build.sh and evaluate.py."""

    facts: tuple[tuple[str, str], ...]
    limits: tuple[tuple[str, str, str], ...]


def in_force(policy: Mapping[str, Any]) -> InForce:
    """The policy of a record, in its own order; nothing of a record that has none."""
    build, run = policy.get("build") or {}, policy.get("run") or {}
    return InForce(
        facts=tuple(
            (_label(name), _value(name, value))
            for name, value in policy.items()
            if not isinstance(value, Mapping)
        ),
        limits=tuple(
            (_label(name), _value(name, build[name]), _value(name, run.get(name))) for name in build
        ),
    )


def _label(name: str) -> str:
    return LABELS.get(name, name)


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if not isinstance(value, int | float) or name == "uid":
        return str(value)
    if name.endswith("_bytes"):
        return f"{value / _GIB:,.4g} GiB" if value >= _GIB / 10 else f"{value / (1 << 20):,.4g} MiB"
    if name.endswith("_s"):
        return f"{value:,.0f} s"
    return f"{value:,}"
