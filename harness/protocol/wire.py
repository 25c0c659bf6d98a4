"""Sized messages on a stream, read into buffers we already have, against absolute deadlines.

The format is defined in `guest.py`, the one file that has to stand alone. Nothing here parses what a guest sends:
it measures. Ancillary data (file descriptors) is dropped by a plain recv.
"""

from __future__ import annotations

import socket
import time
from typing import Any, Protocol

from harness.errors import GuestFailed
from harness.protocol.guest import HEADER, MAGIC, Kind


class Channel(Protocol):
    """A byte stream to one guest."""

    def send(self, kind: Kind, t: int, batch: int, *payload: Any, deadline: float) -> None:
        """Send one message; `payload` parts are contiguous buffers. Deadlines are `time.monotonic()` values."""
        ...

    def receive_into(self, view: memoryview, *, deadline: float) -> None:
        """Fill `view` completely."""
        ...

    def has_unread(self) -> bool:
        """Whether the guest has sent something nobody has read yet."""
        ...


class SocketChannel:
    """A `Channel` over a connected stream socket."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream

    def send(self, kind: Kind, t: int, batch: int, *payload: Any, deadline: float) -> None:
        """Send one message or raise GuestFailed (guest.closed, guest.timeout)."""
        parts = [memoryview(part).cast("B") for part in payload]
        header = HEADER.pack(MAGIC, kind, t, batch, sum(part.nbytes for part in parts))
        self._send_all(b"".join([header, *parts]), deadline)

    def receive_into(self, view: memoryview, *, deadline: float) -> None:
        """Fill `view` or raise GuestFailed (guest.closed, guest.timeout); a slow dribble does not move the deadline."""
        while view.nbytes:
            self._limit(deadline)
            try:
                count = self._stream.recv_into(view)
            except TimeoutError as error:
                raise _too_slow() from error
            except OSError as error:
                raise _closed() from error
            if not count:
                raise _closed()
            view = view[count:]

    def has_unread(self) -> bool:
        """Whether a byte waits to be read; raises GuestFailed when the stream has ended."""
        self._stream.setblocking(False)
        try:
            waiting = self._stream.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError as error:
            raise _closed() from error
        if not waiting:
            raise _closed()
        return True

    def _send_all(self, message: bytes, deadline: float) -> None:
        self._limit(deadline)
        try:
            self._stream.sendall(message)
        except TimeoutError as error:
            raise _too_slow() from error
        except OSError as error:
            raise _closed() from error

    def _limit(self, deadline: float) -> None:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise _too_slow()
        self._stream.settimeout(remaining)


def _closed() -> GuestFailed:
    return GuestFailed(
        "the entry closed the gate before the grade was over",
        code="guest.closed",
        fix="look for the crash in the entry's log; evaluate.py must stay until the host says goodbye",
    )


def _too_slow() -> GuestFailed:
    return GuestFailed(
        "the entry did not answer in time",
        code="guest.timeout",
        fix="predict faster or in smaller batches (max_batch); `wmc check` shows the time per frame",
    )
