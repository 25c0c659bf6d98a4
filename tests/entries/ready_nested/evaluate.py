#!/usr/bin/env python3
"""Says READY in brackets within brackets, as deep as a text may be: a parser that recurses falls."""

import socket

import kit

with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(kit.GATE)
    kit.ready(stream, b"[" * 4096)
    kit.sleep_for_ever()
