#!/usr/bin/env python3
"""Starts threads and opens files as long as it may, instead of processes."""

import contextlib
import os
import threading

import kit

ENOUGH_THREADS, ENOUGH_FILES = 400, 6000

stop = threading.Event()
threads = 0
with contextlib.suppress(RuntimeError):
    while threads < ENOUGH_THREADS:
        threading.Thread(target=stop.wait, daemon=True).start()
        threads += 1
files = []
with contextlib.suppress(OSError):
    while len(files) < ENOUGH_FILES:
        files.append(os.open("/dev/null", os.O_RDONLY))
found = {"threads": threads, "files": len(files)}
stop.set()
for file in files:
    os.close(file)
kit.tell(found)
