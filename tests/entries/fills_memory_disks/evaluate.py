#!/usr/bin/env python3
"""Fills every file system it may write to, with bytes and with empty files."""

import os

import kit

MIB = 1 << 20
ENOUGH_MIB, ENOUGH_FILES = 100, 3000


def mib_that_fit(folder):
    written = 0
    with open(f"{folder}/filler", "wb", buffering=0) as file:
        try:
            while written < ENOUGH_MIB * MIB:
                written += file.write(bytes(MIB))
        except OSError:
            pass
    os.unlink(f"{folder}/filler")
    return written // MIB


def files_that_fit(folder):
    made = 0
    try:
        while made < ENOUGH_FILES:
            os.close(os.open(f"{folder}/{made}", os.O_CREAT | os.O_WRONLY))
            made += 1
    except OSError:
        pass
    for number in range(made):
        os.unlink(f"{folder}/{number}")
    return made


kit.tell(
    {
        "MiB in /tmp": mib_that_fit("/tmp"),
        "files in /tmp": files_that_fit("/tmp"),
        "MiB in /dev/shm": mib_that_fit("/dev/shm"),
    }
)
