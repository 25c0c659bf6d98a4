"""Where a build is worked on, and the programs of ours that look at its volume, each in a container of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import SandboxFailed
from harness.sandbox import disk_image, flags, lifecycle
from harness.sandbox.engine import Engine
from harness.sandbox.policy import GIB, MIB, Limits, SandboxPolicy

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_LIMITS = Limits(memory_bytes=2 * GIB, pids=64, tmp_bytes=16 * MIB, tmp_inodes=1000, shm_bytes=MIB)
_TIMEOUT_S = 1800


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """An engine, what it may do and for which grade: what every step of a build needs."""

    client: DockerClient
    engine: Engine
    policy: SandboxPolicy
    grade: str


@contextmanager
def trusted(
    shop: Workshop,
    volume: str,
    command: list[str],
    mounts: list[Any],
    *,
    capabilities: list[str],
    purpose: str,
) -> Iterator[Container]:
    """A container for a program of ours: the image's python, isolated from the entry's files and settings."""
    settings = {
        **flags.hardened(shop.policy, _LIMITS, shop.engine, grade=shop.grade),
        **flags.offline(),
        "user": "0:0",
        "cap_add": capabilities,
        "mounts": mounts,
        "working_dir": "/",
        "entrypoint": ["python3", "-I", "-S"],
        "command": command,
    }
    with (
        disk_image.at_hand(shop.client, volume),
        lifecycle.container(shop.client, settings, purpose=purpose, log=None, log_bytes=0) as helper,
    ):
        yield helper


def finish(helper: Container) -> dict[str, Any]:
    """Run it to its end; what it answered. Raises: SandboxFailed."""
    helper.start()
    status = helper.wait(timeout=_TIMEOUT_S)["StatusCode"]
    if status != 0:
        raise broken(helper, f"exited with status {status}")
    return answer_of(helper)


def answer_of(helper: Container) -> dict[str, Any]:
    """What it has printed; nothing where it has not. Raises: SandboxFailed."""
    text = helper.logs(stdout=True, stderr=False)
    try:
        answer: dict[str, Any] = json.loads(text or "{}")
    except ValueError as error:
        raise broken(helper, "gave no answer") from error
    return answer


def broken(helper: Container, how: str) -> SandboxFailed:
    """That it did not do what it is for, in its last words."""
    said = helper.logs(stdout=False, stderr=True, tail=3).decode("utf-8", "replace").strip()
    return SandboxFailed(
        f"our own helper {helper.name} {how}: {said[:300]}",
        fix="the base image must have python3 (3.8 or later); `wmc sandbox status` shows which image is used",
        code="sandbox.helper",
    )
