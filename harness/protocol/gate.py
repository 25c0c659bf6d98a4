"""The folder a guest is given instead of the held-out clip: `metadata.json`, and a socket for one connection."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.disk import scratch
from harness.errors import GuestFailed, SandboxFailed
from harness.protocol.guest import SOCKET_NAME
from harness.protocol.wire import SocketChannel

_POLL_S = 0.1
_MAX_SOCKET_PATH = 107


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A folder with a listening `gate.sock`, of which exactly one connection is taken."""

    folder: Path
    listener: socket.socket

    @contextmanager
    def accept(self, *, ready_by: float, how_it_ended: Callable[[], str | None]) -> Iterator[SocketChannel]:
        """The channel to the first process that connects; later ones are refused.

        Raises: GuestFailed (guest.no_connection) when the guest ends first or it is later than `ready_by`, on the
        monotonic clock.
        """
        self.listener.settimeout(_POLL_S)
        while True:
            try:
                stream, _ = self.listener.accept()
                break
            except TimeoutError:
                _check_alive(ready_by, how_it_ended())
        self.listener.close()
        with stream:
            yield SocketChannel(stream)


@contextmanager
def open_gate(metadata: Mapping[str, Any], folder: Path | None = None) -> Iterator[Gate]:
    """A gate in `folder`, or in a temporary one, as long as the context lasts; any user may enter the folder itself."""
    with nullcontext(folder) if folder else scratch.folder("gate") as place:
        with scratch.writing():
            place.chmod(0o755)
            (place / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
        with _listening(place / SOCKET_NAME) as listener:
            yield Gate(folder=place, listener=listener)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise SandboxFailed(
            f"the path {path} is too long for a unix socket",
            fix="set TMPDIR to a shorter folder, such as /tmp",
        )
    unannounced = path.with_suffix(".new")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        with scratch.writing():
            listener.bind(str(unannounced))
            listener.listen(1)
            unannounced.chmod(0o666)
            unannounced.rename(path)  # who sees gate.sock can connect to it
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _check_alive(deadline: float, ended: str | None) -> None:
    if ended is None and time.monotonic() < deadline:
        return
    raise GuestFailed(
        f"evaluate.py {ended} before it connected to the gate"
        if ended
        else "evaluate.py did not connect in time",
        code="guest.no_connection",
        fix="its output, and any traceback, is in the entry's log; evaluate.py has to call wmc_guest.serve(Predictor)",
    )
