"""The Docker engine: whether it answers, what it is, and whether a container sees the GPU."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.doctor.check import Check, broken, warned, well
from harness.doctor.disks import engine_disk_check
from harness.errors import SandboxUnavailable
from harness.sandbox import engine, flags, gpu
from harness.sandbox.engine import Engine
from harness.sandbox.inspection import COUNT_SWAP, SWAP_IS_NOT_COUNTED
from harness.sandbox.policy import GIB, SandboxPolicy

if TYPE_CHECKING:
    from docker import DockerClient

_GVISOR = "runsc"
_SLOW_STORAGE = "vfs"


def engine_checks(client: DockerClient, policy: SandboxPolicy) -> Iterator[Check]:
    """Every check of an engine that answers.

    Raises: what the client raises.
    """
    info = client.info()
    yield from facts_checks(info)
    if (root := Path(info["DockerRootDir"])).is_dir():
        yield engine_disk_check(root, policy)
    try:
        facts = engine.describe(client, base_image=policy.base_image)
    except SandboxUnavailable as error:
        [command] = engine.switch_on(error.code, base_image=policy.base_image)
        yield broken("base image", error.message, command)
        return
    yield well("base image", f"{facts.base_name}, {facts.base_id}")
    yield memory_check(facts, policy)
    if policy.gpu_device_ids:
        yield gpu_in_container_check(client, facts, policy)


def facts_checks(info: Mapping[str, Any]) -> Iterator[Check]:
    """What the engine says of itself."""
    groups = info.get("CgroupVersion") or "1"
    yield well("engine", f"Docker {info['ServerVersion']}, control groups version {groups}")
    driver = info["Driver"]
    if driver == _SLOW_STORAGE:
        fix = (
            "give the engine a disk that overlay2 works on (ext4, xfs): data-root in /etc/docker/daemon.json"
        )
        yield warned("engine's storage", f"{driver}: every container copies its whole image", fix)
    else:
        yield well("engine's storage", f"{driver} at {info['DockerRootDir']}")
    yield swap_check(info)
    runtimes = sorted(info.get("Runtimes") or {})
    there = f"{_GVISOR} is there (--runtime {_GVISOR})" if _GVISOR in runtimes else f"{_GVISOR} is not there"
    yield well("engine's runtimes", f"{', '.join(runtimes)}; {there}")


def swap_check(info: Mapping[str, Any]) -> Check:
    """Whether an entry's memory can be limited with its swap; if not, no container of it is started."""
    if info.get("SwapLimit"):
        return well("swap", "it is counted: the limit on an entry's memory holds for both")
    seen = f"{SWAP_IS_NOT_COUNTED}: every grade in Docker is refused (sandbox.not_as_asked)"
    return broken("swap", seen, COUNT_SWAP)


def memory_check(facts: Engine, policy: SandboxPolicy) -> Check:
    """How much of what the policy grants an entry gets on this machine."""
    gets, granted = flags.effective_memory_bytes(policy.run, facts) / GIB, policy.run.memory_bytes / GIB
    cpus = flags.effective_cpus(policy.run, facts)
    seen = f"an entry gets {gets:.1f} of {granted:.0f} GiB, and {cpus:g} cores"
    if gets < granted:
        return warned("memory", seen, "grade on a machine with more, where entries were promised all of it")
    return well("memory", seen)


def gpu_in_container_check(client: DockerClient, facts: Engine, policy: SandboxPolicy) -> Check:
    """Whether a container like an entry's sees the GPUs that were asked for."""
    try:
        seen = gpu.seen(client, facts, policy)
    except SandboxUnavailable as error:
        return broken("GPU in a container", error.message, error.fix)
    if not seen:
        unknown = "the base image has no nvidia-smi that could name it"
        return warned("GPU in a container", unknown, "take a base image that `wmc sandbox build` makes")
    return well("GPU in a container", "; ".join(seen))
