#!/usr/bin/env python3
"""Sends itself netlink messages and reads none: memory of the host's that is charged to nobody and limited by nothing.

NETLINK_USERSOCK lets anybody send to anybody of the same network namespace.
"""

import contextlib
import os
import socket
import time
from pathlib import Path

import kit

PROCESSES, SOCKETS_EACH = 2, 1800
NETLINK_USERSOCK = 2
MESSAGE = (60_000).to_bytes(4, "little") + bytes(59_996)


def fill():
    """The sockets that are full, as many as could be had."""
    kept = []
    with contextlib.suppress(OSError):
        for _ in range(SOCKETS_EACH):
            kept.append(own := socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_USERSOCK))
            own.bind((0, 0))
            own.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    own.sendto(MESSAGE, own.getsockname())
    return kept


def filled_mib():
    lines = Path("/proc/net/netlink").read_text().splitlines()
    column = lines[0].split().index("Rmem")
    return sum(int(line.split()[column]) for line in lines[1:]) >> 20


reader, writer = os.pipe()
for _ in range(PROCESSES):
    if os.fork() == 0:
        kept = fill()
        os.write(writer, b".")
        time.sleep(3600)
os.close(writer)
for _ in range(PROCESSES):
    os.read(reader, 1)
kit.tell({"MiB in sockets": filled_mib()})
