"""A container as a context: whatever happens inside, on exit it is dead, its log is saved and it is gone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import owner
from harness.errors import SandboxFailed
from harness.sandbox import cgroup, logs
from harness.sandbox.flags import GRADE_LABEL, OWNER_LABEL

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_END_TIMEOUT_S = 30.0
_BURIAL_S = 5.0


@contextmanager
def container(
    client: DockerClient, settings: dict[str, Any], *, purpose: str, log: Path | None, log_bytes: int
) -> Iterator[Container]:
    """A created, not yet started container; on exit it is killed, waited for, logged, checked and removed.

    The name is chosen before the engine hears of it, so an interrupt while it is being created loses nothing.

    Raises: SandboxFailed with code `sandbox.survivor` when a process of it outlived it.
    """
    name = f"wmc-{purpose}-{uuid.uuid4().hex[:12]}"
    try:
        yield client.containers.create(name=name, **settings)
    finally:
        _end(client, name, log=log, log_bytes=log_bytes)


def remove_leftovers(client: DockerClient) -> int:
    """How many containers of harnesses that are no more were removed."""
    from docker.errors import NotFound

    found = client.containers.list(all=True, filters={"label": GRADE_LABEL}, ignore_removed=True)
    gone = [left for left in found if owner.is_gone(left.labels.get(OWNER_LABEL, ""))]
    for left in gone:
        with suppress(NotFound):
            _end(client, left.name, log=None, log_bytes=0)
    return len(gone)


def _end(client: DockerClient, name: str, *, log: Path | None, log_bytes: int) -> None:
    from docker.errors import APIError, NotFound

    try:
        ending = client.containers.get(name)
    except NotFound:
        return
    try:
        with suppress(APIError):  # not running: it ended by itself, or never started
            ending.kill()
        _wait_until_ended(ending)
        if log is not None:
            chunks = ending.logs(stdout=True, stderr=True, stream=True, follow=False)
            logs.save(chunks, log, limit=log_bytes)
        _check_nothing_lives(ending.id)
    finally:
        with suppress(NotFound):
            ending.remove(v=True, force=True)


def _wait_until_ended(ending: Container) -> None:
    deadline = time.monotonic() + _END_TIMEOUT_S
    while True:
        ending.reload()
        if not ending.attrs["State"]["Running"]:
            return
        if time.monotonic() > deadline:
            raise SandboxFailed(
                f"container {ending.name} runs on {_END_TIMEOUT_S:.0f} s after it was killed",
                fix="restart the engine, and the machine if a GPU driver holds the process",
                code="sandbox.survivor",
            )
        time.sleep(0.02)


def _check_nothing_lives(container_id: str) -> None:
    alive = cgroup.survivors(container_id, patience_s=_BURIAL_S)
    if not alive:
        return
    left = cgroup.destroy(container_id, patience_s=_BURIAL_S)
    raise SandboxFailed(
        f"{len(alive)} process(es) of container {container_id[:12]} outlived it: {alive[:10]}; "
        + (f"{left[:10]} cannot be killed" if left else "they are killed now"),
        fix="this grade is void: look at the entry, and at this machine, before anything else is graded on it",
        code="sandbox.survivor",
    )
