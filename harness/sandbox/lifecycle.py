"""A container as a context: whatever happens inside, on exit it is dead, its log is saved and it is gone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import owner, undo
from harness.errors import SandboxFailed
from harness.sandbox import cgroup, logs, page_cache
from harness.sandbox.flags import GRADE_LABEL, OWNER_LABEL

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_END_TIMEOUT_S = 300.0
"""An entry can make its own death long: the kernel walks every file lock of every process before one is gone."""

_BURIAL_S = 5.0
_ENGINE_PATIENCE_S = 20.0  # an engine that crashed is started again by its supervisor within a few
_ENGINE_POLL_S = 0.25


@contextmanager
def container(
    client: DockerClient, settings: dict[str, Any], *, purpose: str, log: Path | None, log_bytes: int
) -> Iterator[Container]:
    """A created, not yet started container; on exit it is killed, waited for, logged, checked and removed.

    The name is chosen before the engine hears of it, so an interrupt while it is being created loses nothing.

    Raises: SandboxFailed with code `sandbox.survivor` when a process of it outlived it, `sandbox.log` when its log
    cannot be written.
    """
    name = f"wmc-{purpose}-{uuid.uuid4().hex[:12]}"
    made: Container | None = None
    try:
        made = client.containers.create(name=name, **settings)
        yield made
    finally:
        undo.surely(lambda: _end_without_fail(client, name, made, log=log, log_bytes=log_bytes))


def leftovers(client: DockerClient) -> tuple[str, ...]:
    """Names of the containers of harnesses that are certainly no more."""
    found = client.containers.list(all=True, filters={"label": GRADE_LABEL}, ignore_removed=True)
    return tuple(left.name for left in found if owner.is_gone(left.labels.get(OWNER_LABEL, "")))


def remove_leftovers(client: DockerClient) -> bool:
    """No container of a harness that is no more is left, nor what it left in the page cache, which nobody dropped.

    Returns whether nothing is left there: false only where there were some, and no right to drop it.
    """
    from docker.errors import NotFound

    found = leftovers(client)
    if not found:
        return True
    try:
        for name in found:
            with suppress(NotFound):
                _end(client, name, log=None, log_bytes=0)
    finally:
        is_dropped = page_cache.drop()
    return is_dropped


def _end_without_fail(
    client: DockerClient, name: str, made: Container | None, *, log: Path | None, log_bytes: int
) -> None:
    """The same as `_end`, also while the engine is away for a moment: its processes are killed without it."""
    import requests
    import urllib3

    deadline = time.monotonic() + _ENGINE_PATIENCE_S
    while True:
        try:
            return _end(client, name, log=log, log_bytes=log_bytes)
        except (requests.RequestException, urllib3.exceptions.HTTPError):
            if made is not None:
                cgroup.destroy(str(made.id), patience_s=_BURIAL_S)
            if time.monotonic() > deadline:
                raise
            time.sleep(_ENGINE_POLL_S)


def _end(client: DockerClient, name: str, *, log: Path | None, log_bytes: int) -> None:
    from docker.errors import APIError, NotFound

    try:
        ending = client.containers.get(name)
    except NotFound:
        return
    with suppress(APIError):  # not running: it ended by itself, or never started; or it is long in dying
        ending.kill()
    _wait_until_ended(ending)  # one that does not end cannot be removed: the next harness will
    try:
        try:
            if log is not None:
                _save_log(ending, log, limit=log_bytes)
        finally:
            _check_nothing_lives(ending.id)
    finally:
        with suppress(NotFound):
            ending.remove(v=True, force=True)


def _save_log(ended: Container, log: Path, *, limit: int) -> None:
    import requests

    chunks = ended.logs(stdout=True, stderr=True, stream=True, follow=False)
    try:
        logs.save(chunks, log, limit=limit)
    except requests.RequestException:  # one of its bases is OSError
        raise
    except OSError as error:
        for _ in chunks:  # the rest is not much, and the connection ends in good order
            pass
        raise logs.unwritable(log, error) from error


def _wait_until_ended(ending: Container) -> None:
    deadline = time.monotonic() + _END_TIMEOUT_S
    while True:
        ending.reload()
        if not ending.attrs["State"]["Running"]:
            return
        if time.monotonic() > deadline:
            raise SandboxFailed(
                f"container {ending.name} runs on {_END_TIMEOUT_S:.0f} s after it was killed",
                fix="look at the entry: it may hold on by itself; restart the engine, and the machine if a GPU driver "
                "holds the process",
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
