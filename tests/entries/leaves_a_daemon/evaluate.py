#!/usr/bin/env python3
"""A grandchild in a session of its own holds the gate and beats on; what the host started ends at once."""

import os
import socket
import time

import kit

stream = socket.socket(socket.AF_UNIX)
stream.connect(kit.GATE)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        kit.ready(stream)
        while True:
            time.sleep(0.1)
    os._exit(0)
time.sleep(0.5)
