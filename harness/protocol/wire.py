"""Sized messages on a stream, read into buffers we already have, against absolute deadlines.

The format is defined in `guest.py`, the one file that has to stand alone. Nothing here parses what a guest sends:
it measures. Ancillary data (file descriptors) is dropped by a plain recv.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import Any, Protocol

from harness.errors import GuestFailed
from harness.protocol.guest import HEADER, MAGIC, Kind

_SEND_BYTES = 32 << 10  # one buffer of the kernel's: its timeout starts anew for each
_TIMEVAL = struct.Struct("@ll")  # seconds, microseconds


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
        stream.setblocking(True)
        self._stream = stream

    def send(self, kind: Kind, t: int, batch: int, *payload: Any, deadline: float) -> None:
        """Send one message or raise GuestFailed (guest.closed, guest.timeout)."""
        # What is empty cannot be cast.
        views = [view for part in payload if (view := memoryview(part)).nbytes]
        parts = [view.cast("B") for view in views]
        header = HEADER.pack(MAGIC, kind, t, batch, sum(part.nbytes for part in parts))
        self._send_all(memoryview(b"".join([header, *parts])), deadline)

    def receive_into(self, view: memoryview, *, deadline: float) -> None:
        """Fill `view` or raise GuestFailed (guest.closed, guest.timeout); a slow dribble does not move the deadline."""
        while view.nbytes:
            self._limit(socket.SO_RCVTIMEO, deadline)
            try:
                count = self._stream.recv_into(view, 0, socket.MSG_WAITALL)
            except BlockingIOError as error:
                raise _too_slow() from error
            except OSError as error:
                raise _closed() from error
            if not count:
                raise _closed()
            view = view[count:]

    def has_unread(self) -> bool:
        """Whether a byte waits to be read; raises GuestFailed when the stream has ended."""
        try:
            waiting = self._stream.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            raise _closed() from error
        if not waiting:
            raise _closed()
        return True

    def _send_all(self, message: memoryview, deadline: float) -> None:
        while message.nbytes:
            self._limit(socket.SO_SNDTIMEO, deadline)
            try:
                count = self._stream.send(message[:_SEND_BYTES])
            except BlockingIOError as error:
                raise _too_slow() from error
            except OSError as error:
                raise _closed() from error
            message = message[count:]

    def _limit(self, which: int, deadline: float) -> None:
        """Let the kernel keep the deadline of one call: fewer calls than a poll before each piece."""
        remaining_us = int((deadline - time.monotonic()) * 1e6)
        if remaining_us <= 0:
            raise _too_slow()
        self._stream.setsockopt(socket.SOL_SOCKET, which, _TIMEVAL.pack(*divmod(remaining_us, 1_000_000)))


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
