#!/usr/bin/env python3
"""Says READY and reads nothing more, with as small a buffer as there is: the host's own sending would hang."""

import socket

import kit

with socket.socket(socket.AF_UNIX) as stream:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    stream.connect(kit.GATE)
    kit.ready(stream)
    kit.sleep_for_ever()
