#!/usr/bin/env python3
"""Says READY in a text of a hundred megabytes."""

import socket

import kit

from wmc_guest import Kind

with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(kit.GATE)
    stream.sendall(kit.reply(0, 0, b" ", kind=Kind.READY, size=100_000_000))
    while True:
        stream.sendall(b" " * 100_000)
