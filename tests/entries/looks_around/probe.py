"""What the host may have forgotten: environment, arguments, mounts, other processes, open files."""

import os
from pathlib import Path

OURS = {"HOME", "HOSTNAME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}
GATE = {"gate.sock", "metadata.json"}


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def attempts():
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    of_the_host = [
        place
        for place in mounts
        if place.startswith(("/entry", "/held_out", "/opt", "/home", "/root", "/mnt"))
    ]
    inherited = [os.readlink(f"/proc/self/fd/{number}") for number in range(3, 256) if is_open(number)]
    return {
        "environment": sorted(set(os.environ) - OURS),
        "in the gate": sorted(set(os.listdir("/held_out")) - GATE),
        "mounts of the host": sorted(of_the_host),
        "open files": sorted(inherited),
        "users": sorted(
            {str(os.stat(f"/proc/{number}").st_uid) for number in os.listdir("/proc") if number.isdigit()}
        ),
    }
