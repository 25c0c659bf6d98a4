"""How much an entry may use, and on what it stands. Time limits of the gate belong to the protocol, not here."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from importlib import resources

GIB = 1 << 30
MIB = 1 << 20

DEFAULT_BASE_IMAGE = "wmc-base:ubuntu22.04-cuda12.3"


def default_base_image() -> str:
    """The image named by WMC_BASE_IMAGE, else the one `wmc sandbox build` makes."""
    return os.environ.get("WMC_BASE_IMAGE") or DEFAULT_BASE_IMAGE


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one container may use; what the machine does not have is clamped to what it has.

    Attributes:
        memory_bytes: of all its processes and its /tmp together; there is no swap beyond it.
        pids: processes and threads.
        cpus: cores; None means all of them.
        tmp_bytes, tmp_inodes: size of /tmp, which is also the home folder. It is memory.
        shm_bytes: of /dev/shm.
    """

    memory_bytes: int
    pids: int = 1024
    cpus: float | None = None
    tmp_bytes: int = 8 * GIB
    tmp_inodes: int = 100_000
    shm_bytes: int = GIB


@dataclass(frozen=True, kw_only=True)
class SandboxPolicy:
    """Everything an operator may change about the sandbox.

    Attributes:
        base_image: name of the image entries are built and run on.
        uid: user and group of entries; nobody else's on the host (65534 may own reserved disk blocks).
        build, run: limits of build.sh and of evaluate.py.
        build_timeout_s: for the whole of build.sh.
        entry_bytes, entry_files: cap of /entry after build.sh.
        disk_reserve_bytes: free space of the engine's disk below which a build is stopped.
        log_bytes: cap of a saved log.
        gpu_device_ids: GPUs (index or UUID) an entry sees; empty for none.
        runtime: OCI runtime, such as `runsc`; None is the engine's default.
        block_private_networks: keep build.sh from this host and from private networks, where that can be done.
    """

    base_image: str = field(default_factory=default_base_image)
    uid: int = 210_000
    build: Limits = Limits(memory_bytes=32 * GIB, pids=4096, tmp_bytes=16 * GIB, tmp_inodes=400_000)
    run: Limits = Limits(memory_bytes=64 * GIB)
    build_timeout_s: float = 3600.0
    entry_bytes: int = 32 * GIB
    entry_files: int = 500_000
    disk_reserve_bytes: int = 4 * GIB
    log_bytes: int = MIB
    gpu_device_ids: tuple[str, ...] = ()
    runtime: str | None = None
    block_private_networks: bool = True


def seccomp_profile() -> str:
    """The system calls containers may make, as the JSON text the engine takes (comments left out)."""
    text = resources.files("harness.sandbox").joinpath("seccomp.json").read_text(encoding="utf-8")
    profile = json.loads(text)
    for rule in profile["syscalls"]:
        rule.pop("comment", None)
    return json.dumps(profile, sort_keys=True)


def seccomp_sha256() -> str:
    """Digest of the profile as containers get it."""
    return hashlib.sha256(seccomp_profile().encode()).hexdigest()
