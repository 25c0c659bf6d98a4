"""The flags of every container, in one place: what an entry, or our own meter, may touch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness import owner
from harness.plain import to_plain
from harness.sandbox.engine import Engine
from harness.sandbox.policy import MIB, Limits, SandboxPolicy, seccomp_profile, seccomp_sha256

GRADE_LABEL = "wmc.grade"
OWNER_LABEL = "wmc.owner"
ENTRY_LABEL = "wmc.entry"
RECORD_LABEL = "wmc.record"

ENTRY_FOLDER = "/entry"
GATE_FOLDER = "/held_out"
GUEST_FOLDER = "/opt/wmc_guest"
OUTPUTS_FOLDER = "/outputs"
HOME_FOLDER = "/tmp"  # noqa: S108 - inside a container, in memory, and the only folder an entry may write to

_HOST_MEMORY_BYTES = 2048 * MIB  # kept for the host itself, however much the policy grants
_LOG_FILE_BYTES = MIB


def hardened(policy: SandboxPolicy, limits: Limits, engine: Engine, *, grade: str) -> dict[str, Any]:
    """What every container has: no rights, no writable root, our system calls, limits, a capped log."""
    from docker.types import LogConfig, Ulimit

    memory_bytes = effective_memory_bytes(limits, engine)
    return {
        "image": engine.base_id,
        "labels": {GRADE_LABEL: grade, OWNER_LABEL: owner.this_process()},
        "init": True,
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "user": f"{policy.uid}:{policy.uid}",
        "mem_limit": memory_bytes,
        "memswap_limit": memory_bytes,
        "pids_limit": limits.pids,
        "nano_cpus": int(effective_cpus(limits, engine) * 1e9),
        # 1, not 0: only that keeps the kernel from piping a dump, and with it held-out data, to a program of the host.
        "ulimits": [Ulimit(name="core", soft=1, hard=1), Ulimit(name="nofile", soft=4096, hard=4096)],
        "ipc_mode": "private",
        "shm_size": limits.shm_bytes,
        "tmpfs": {HOME_FOLDER: _tmpfs(limits)},
        # The `local` driver costs the engine least under a flood of output and keeps to its cap.
        "log_config": LogConfig(
            type="local", config={"max-size": str(_LOG_FILE_BYTES), "max-file": "2", "compress": "false"}
        ),
        "healthcheck": {"test": ["NONE"]},
        "hostname": "wmc",
        "use_config_proxy": False,
    }


def offline() -> dict[str, Any]:
    """No network but the container's own loopback."""
    return {"network_mode": "none"}


def runtime(policy: SandboxPolicy) -> dict[str, Any]:
    """The OCI runtime for an entry's own code; programs of ours run on the engine's default."""
    return {} if policy.runtime is None else {"runtime": policy.runtime}


def entry_mount(volume: str, *, read_only: bool) -> Any:
    """The entry's volume at /entry; nothing of the image is copied into it."""
    from docker.types import Mount

    return Mount(target=ENTRY_FOLDER, source=volume, type="volume", read_only=read_only, no_copy=True)


def outputs_mount(volume: str) -> Any:
    """The volume that a program of the open protocol saves in."""
    from docker.types import Mount

    return Mount(target=OUTPUTS_FOLDER, source=volume, type="volume", no_copy=True)


def folder_mount(source: str, target: str) -> Any:
    """A folder of the host, to be read only."""
    from docker.types import Mount

    return Mount(target=target, source=source, type="bind", read_only=True)


def effective_memory_bytes(limits: Limits, engine: Engine) -> int:
    """The policy's memory, or what the machine has less a share for the host."""
    return min(limits.memory_bytes, max(engine.memory_bytes - _HOST_MEMORY_BYTES, engine.memory_bytes // 2))


def effective_cpus(limits: Limits, engine: Engine) -> float:
    """The policy's cores, or all that the machine has."""
    return min(limits.cpus or engine.cpus, engine.cpus)


def in_force(policy: SandboxPolicy, engine: Engine) -> dict[str, Any]:
    """The policy as plain JSON, as containers get it: limits clamped, the runtime that runs, the profile's digest."""
    clamped = replace(
        policy,
        build=_clamped(policy.build, engine),
        run=_clamped(policy.run, engine),
        runtime=policy.runtime or engine.default_runtime,
    )
    return {**to_plain(clamped), "seccomp_sha256": seccomp_sha256()}


def _clamped(limits: Limits, engine: Engine) -> Limits:
    return replace(
        limits, memory_bytes=effective_memory_bytes(limits, engine), cpus=effective_cpus(limits, engine)
    )


def _tmpfs(limits: Limits) -> str:
    return f"rw,nosuid,nodev,exec,size={limits.tmp_bytes},nr_inodes={limits.tmp_inodes},mode=1777"
