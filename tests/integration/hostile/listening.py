"""Somebody on this host who would answer a build, at every address the host has."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

DEFAULT_BRIDGE = "docker0"
_SIOCGIFADDR = 0x8915


@contextmanager
def listener() -> Iterator[int]:
    """The port at which somebody listens, on all addresses."""
    with listening() as socket_:
        yield socket_.getsockname()[1]


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Somebody who listens on all addresses."""
    with socket.socket() as listens:
        listens.bind(("0.0.0.0", 0))
        listens.listen()
        yield listens


def address_of(interface: str) -> str:
    """The host's own address on one of the engine's bridges."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16s240x", interface.encode())
        return socket.inet_ntoa(fcntl.ioctl(any_socket, _SIOCGIFADDR, request)[20:24])


def own_address() -> str:
    """The host's address in the network around it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address: str = probe.getsockname()[0]
        return address
