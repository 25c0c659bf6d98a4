"""`./build.sh` in a container of its own, from its start until it is gone, and whose fault its end is."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SandboxFailed
from harness.sandbox import (
    disk_image,
    failures,
    flags,
    lifecycle,
    logs,
    outside,
    traffic,
    tree,
    volume,
)
from harness.sandbox.volume import Watch
from harness.sandbox.workshop import Workshop

if TYPE_CHECKING:
    from docker.models.containers import Container

_POLL_S = 0.1
_CUT_SHORT = 128 + signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class _Ran:
    """How build.sh ended.

    Attributes:
        status: its own, or as if it had been killed where it was still running: of such a one the engine says 0.
        killed_at_bytes: the memory beyond which the kernel killed something of it; None where it did not.
        excuse: what happened to the container from outside, which no entry is blamed for.
    """

    seconds: float
    status: int
    was_late: bool
    killed_at_bytes: int | None
    excuse: SandboxFailed | None


def run(shop: Workshop, name: str, line: traffic.Line, *, log: Path) -> float:
    """Run the script in the volume of this name, on this line; how long it took.

    Raises: BuildFailed, SandboxFailed.
    """
    with volume.watched(shop, name) as watch:
        ran = _ran(shop, name, _settings(shop, name, line), watch, log)
        watch.check()
    _check(shop, name, ran, log)
    return ran.seconds


def _settings(shop: Workshop, name: str, line: traffic.Line) -> dict[str, Any]:
    """What the engine is asked for."""
    policy = shop.policy
    return {
        **flags.hardened(policy, policy.build, shop.engine, grade=shop.grade),
        **flags.runtime(policy),
        **line.settings,
        "mounts": [flags.entry_mount(name, read_only=False)],
        "working_dir": flags.ENTRY_FOLDER,
        "entrypoint": ["./build.sh"],
        # /tmp is memory: what pip would keep there for a second build is of no use to anybody.
        "environment": {
            "HOME": flags.HOME_FOLDER,
            "LANG": "C.UTF-8",
            "PIP_NO_CACHE_DIR": "1",
            # Compiled Python then goes by the source's hash: its time will be another one.
            "SOURCE_DATE_EPOCH": str(tree.EPOCH_S),
        },
    }


def _ran(shop: Workshop, name: str, settings: dict[str, Any], watch: Watch, log: Path) -> _Ran:
    """Run it to its end, its time limit or a cap of its volume, whichever comes first; its container is gone then."""
    client, policy = shop.client, shop.policy
    with (
        disk_image.at_hand(client, name),
        lifecycle.container(client, settings, purpose="build", log=log, log_bytes=policy.log_bytes) as script,
        outside.watched(client, script) as witness,
    ):
        started = time.monotonic()
        script.start()
        with _following(script, log, limit=policy.log_bytes):
            was_late = _wait(script, watch, timeout_s=policy.build_timeout_s)
        seconds = time.monotonic() - started
        state = script.attrs["State"]
        return _Ran(
            seconds=seconds,
            status=_CUT_SHORT if state["Running"] else state["ExitCode"],
            was_late=was_late,
            killed_at_bytes=settings["mem_limit"] if state["OOMKilled"] else None,
            excuse=witness.excuse(),
        )


def _check(shop: Workshop, name: str, ran: _Ran, log: Path) -> None:
    """Nothing, if build.sh ended well. Raises: BuildFailed; SandboxFailed where somebody else is to blame."""
    failure = failures.of_script(
        status=ran.status,
        killed_at_bytes=ran.killed_at_bytes,
        was_late=ran.was_late,
        log=log,
        policy=shop.policy,
    )
    if failure is None:
        return
    if ran.excuse is not None:
        raise ran.excuse
    volume.look(shop, name)  # it may have failed of a full disk, between two looks
    raise failure


def _wait(script: Container, watch: Watch, *, timeout_s: float) -> bool:
    """True when time ran out; returns too when the script ended or the volume is over a cap."""
    deadline = time.monotonic() + timeout_s
    while True:
        is_content = watch.is_content()  # also when the script has just ended, perhaps of what is seen here
        script.reload()
        if not (is_content and script.attrs["State"]["Running"]):
            return False
        if time.monotonic() > deadline:
            return True
        time.sleep(_POLL_S)


@contextmanager
def _following(script: Container, log: Path, *, limit: int) -> Iterator[None]:
    """Meanwhile `log` grows as the script writes, up to `limit`; the final log replaces it at the script's end."""
    stream = script.logs(stream=True, follow=True)
    thread = threading.Thread(target=_copy, args=(stream, log, limit), daemon=True)
    thread.start()
    try:
        yield
    finally:
        with suppress(OSError):
            stream.close()
        thread.join(timeout=5)


def _copy(stream: Any, log: Path, limit: int) -> None:
    import requests
    import urllib3

    # A broken stream, or a full disk, only means that the log stops growing until the script has ended.
    with suppress(requests.RequestException, urllib3.exceptions.HTTPError, OSError):
        logs.save(stream, log, limit=limit)
