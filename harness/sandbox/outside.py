"""Whether somebody else had a hand in how a container ended, as its engine tells it.

An entry has no way to the engine, so it can make none of these events; whatever it does to itself is only its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from harness.errors import GuestFailed, SandboxFailed

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

_DEEDS: Mapping[str, str] = {
    "kill": "killed",
    "stop": "stopped",
    "restart": "restarted",
    "pause": "paused",
    "destroy": "removed",
}
"""What only somebody who may use the engine can do, and how a message calls it."""
_LAST = {"die", "destroy"}
_BEGIN = "start"
_EVERYTHING = 0  # since long ago, as far back as the engine remembers
_PATIENCE_S = 5.0


class Witness:
    """Hears on a thread of its own what happens to one container, and what did already; made by `watched`."""

    def __init__(self, client: DockerClient, container: Container) -> None:
        self._client = client
        self._container = container
        self._seen: list[str] = []
        self._has_begun = threading.Event()
        self._is_over = threading.Event()  # the container has ended, or nothing more is heard
        self._is_deaf = False
        self._is_closing = False
        self._stream: Any = None
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def excuse(self) -> SandboxFailed | None:
        """What to tell the operator where somebody else had a hand in it; None where the entry was alone.

        Raises: what the client raises: that is no fault of the entry's either.
        """
        from docker.errors import NotFound

        try:
            self._container.reload()
            is_running = self._container.attrs["State"]["Running"]
        except NotFound:
            return _meddled(_deeds(self._seen) or ["removed"])
        (self._has_begun if is_running else self._is_over).wait(_PATIENCE_S)
        if deeds := _deeds(self._seen):
            return _meddled(deeds)
        if not self._is_deaf and _BEGIN in self._seen:
            return None
        remembered = self._remembered()
        if _BEGIN not in remembered:
            return _restarted()  # and it may have killed, as it came back, what it no longer minds
        deeds = _deeds(remembered)
        return _meddled(deeds) if deeds else None

    def close(self) -> None:
        """Hear nothing more."""
        self._is_closing = True
        self._hang_up()
        self._thread.join(timeout=_PATIENCE_S)

    def _listen(self) -> None:
        import requests
        import urllib3
        from docker.errors import DockerException

        # A stream that breaks ends like one that is over: what was missed is asked for.
        with suppress(
            requests.RequestException, urllib3.exceptions.HTTPError, DockerException, ValueError, OSError
        ):
            self._stream = self._events()
            if self._is_closing:
                self._hang_up()
            for event in self._stream:
                self._hear(event["Action"])
        self._hang_up()
        self._is_deaf = True
        self._has_begun.set()
        self._is_over.set()

    def _hear(self, action: str) -> None:
        self._seen.append(action)
        if action == _BEGIN:
            self._has_begun.set()
        if action in _LAST:
            self._is_over.set()

    def _remembered(self) -> list[str]:
        """What the engine can still tell: nothing from before it was started, for it keeps events in memory."""
        return [event["Action"] for event in self._events(until=int(time.time()) + 1)]

    def _events(self, *, until: int | None = None) -> Any:
        filters = {"type": "container", "container": self._container.id}
        return self._client.events(since=_EVERYTHING, until=until, filters=filters, decode=True)

    def _hang_up(self) -> None:
        from docker.errors import DockerException

        if self._stream is not None:
            # The library looks for the socket of a stream that may be over by now, or goes through a program.
            with suppress(OSError, AttributeError, DockerException):
                self._stream.close()


@contextmanager
def watched(client: DockerClient, container: Container) -> Iterator[Witness]:
    """Somebody who hears what happens to a container."""
    witness = Witness(client, container)
    try:
        yield witness
    finally:
        witness.close()


@contextmanager
def excused(client: DockerClient, container: Container) -> Iterator[None]:
    """A failure of the entry in this context is one of ours when somebody else had a hand in it.

    Raises: SandboxFailed.
    """
    with watched(client, container) as witness:
        try:
            yield
        except GuestFailed as error:
            if excuse := witness.excuse():
                raise excuse from error
            raise


def _deeds(actions: Iterable[str]) -> list[str]:
    """Those among them that others did, each once."""
    return [_DEEDS[action] for action in dict.fromkeys(actions) if action in _DEEDS]


def _meddled(deeds: Sequence[str]) -> SandboxFailed:
    return SandboxFailed(
        f"the entry's container was {' and '.join(deeds)} from outside while it ran",
        fix="find out who does that on this machine (docker events shows it), then grade again; nothing is charged to "
        "the entry",
        code="sandbox.ended_from_outside",
    )


def _restarted() -> SandboxFailed:
    return SandboxFailed(
        "the Docker engine was restarted while the entry ran",
        fix="grade again; nothing is charged to the entry",
        code="sandbox.engine",
    )
