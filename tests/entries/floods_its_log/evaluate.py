#!/usr/bin/env python3
"""Writes to standard output and standard error as fast as it can while it answers."""

import os
import threading
import time

import kit

import wmc_guest


def flood():
    ends = time.monotonic() + 2
    while time.monotonic() < ends:
        os.write(1, b"flood" * 2000 + b"\n")
        os.write(2, b"\x1b[31mflood" * 2000 + b"\n")


flooding = threading.Thread(target=flood)
flooding.start()
wmc_guest.serve(kit.Twin)
flooding.join()
