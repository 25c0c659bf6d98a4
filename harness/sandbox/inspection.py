"""What the engine made of a container, held against a list of what it may have, before anything runs in it.

The list is written here once more, apart from the flags that the engine was sent: a flag that was forgotten, one that
an engine of another version reads differently, and whatever its settings or a plugin add, are all found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from harness.errors import SandboxFailed
from harness.sandbox.policy import seccomp_profile

if TYPE_CHECKING:
    from docker.models.containers import Container

_EXACTLY = {
    "ReadonlyRootfs": True,
    "NetworkMode": "none",
    "IpcMode": "private",
    "CapDrop": ["ALL"],
    "Init": True,
}
# Null, empty, false or left out: engines differ in which.
_NOTHING = (
    *("Privileged", "CapAdd", "Devices", "DeviceCgroupRules", "GroupAdd", "Sysctls", "OomKillDisable"),
    *("Binds", "VolumesFrom", "VolumeDriver", "ExtraHosts", "Links", "PortBindings", "PublishAllPorts"),
    *("PidMode", "UTSMode", "UsernsMode", "CgroupParent"),
)
_SHOWN = 120
_UNLIMITED = -1
_LOOK = "look at the engine's settings and plugins"

SWAP_IS_NOT_COUNTED = (
    "this host's kernel does not count swap, so the engine drops the limit on it, and an entry could take the host's "
    "swap as memory"
)
COUNT_SWAP = (
    "add swapaccount=1 to GRUB_CMDLINE_LINUX in /etc/default/grub, then sudo update-grub && sudo reboot; or boot with "
    "control groups of version 2 (systemd.unified_cgroup_hierarchy=1), which count it"
)


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """All that the container of an entry may have.

    Attributes:
        user: as `uid:gid`.
        image: the digest.
        mounts: by their target in the container, the volume or the host's folder there; all are read only.
        writable: the same of what may be written too; nothing but where a program of the open protocol saves.
        tmpfs: the folders of memory.
        environment: what it is told beyond the image's own.
        memory_bytes, pids: limits.
        gpus: the devices it is given.
        runtime: the OCI runtime.
    """

    user: str
    image: str
    mounts: Mapping[str, str]
    tmpfs: frozenset[str]
    environment: Mapping[str, str]
    memory_bytes: int
    pids: int
    gpus: tuple[str, ...]
    runtime: str
    writable: Mapping[str, str] = field(default_factory=dict)


def check(container: Container, allowed: Allowed) -> None:
    """Nothing, if a container that was not started yet is as it may be.

    Raises: SandboxFailed.
    """
    container.reload()
    image_environment = (container.image.attrs.get("Config") or {}).get("Env") or []
    found = list(differences(container.attrs, allowed, image_environment))
    if found:
        has_no_limit = container.attrs["HostConfig"].get("MemorySwap") == _UNLIMITED
        cause = f". {SWAP_IS_NOT_COUNTED}" if has_no_limit else ""
        raise SandboxFailed(
            f"the engine made the container otherwise than it was asked to: {'; '.join(found)}{cause}",
            fix=f"{COUNT_SWAP if has_no_limit else _LOOK}; nothing was started, and nothing shown to the entry",
            code="sandbox.not_as_asked",
        )


def differences(
    attributes: Mapping[str, Any], allowed: Allowed, image_environment: list[str]
) -> Iterator[str]:
    """What is not as it may be, in words; `attributes` are the engine's answer to `inspect`."""
    host, config = attributes["HostConfig"], attributes["Config"]
    wanted = {
        **_EXACTLY,
        "Memory": allowed.memory_bytes,
        "MemorySwap": allowed.memory_bytes,
        "PidsLimit": allowed.pids,
        "Runtime": allowed.runtime,
    }
    for key, value in wanted.items():
        yield from _difference(key, host.get(key), value)
    for key in _NOTHING:
        if host.get(key):
            yield from _difference(key, host[key], "nothing")
    security = sorted(host.get("SecurityOpt") or [])
    yield from _difference("SecurityOpt", security, ["no-new-privileges", f"seccomp={seccomp_profile()}"])
    gpus = tuple(
        each for request in host.get("DeviceRequests") or [] for each in request["DeviceIDs"] or ["all"]
    )
    yield from _difference("DeviceRequests", gpus, allowed.gpus)
    yield from _difference("Tmpfs", sorted(host.get("Tmpfs") or {}), sorted(allowed.tmpfs))
    mounts = {
        (each["Destination"], each.get("Name") or each["Source"], each["RW"]) for each in attributes["Mounts"]
    }
    wanted_mounts = {(target, source, False) for target, source in allowed.mounts.items()}
    wanted_mounts |= {(target, source, True) for target, source in allowed.writable.items()}
    yield from _difference("Mounts", sorted(mounts), sorted(wanted_mounts))
    networks = sorted(attributes["NetworkSettings"].get("Networks") or {})
    yield from _difference("Networks", networks, ["none"])
    yield from _difference("User", config["User"], allowed.user)
    yield from _difference("Image", attributes["Image"], allowed.image)
    told = dict(line.split("=", 1) for line in config.get("Env") or [])
    image = dict(line.split("=", 1) for line in image_environment)
    yield from _difference("Env", told, {**image, **allowed.environment})


def _difference(name: str, found: object, wanted: object) -> Iterator[str]:
    if found != wanted:
        yield f"{name} is {repr(found)[:_SHOWN]}, not {repr(wanted)[:_SHOWN]}"
