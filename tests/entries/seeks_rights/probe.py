"""Rights it was not given: other users, devices, the kernel's switches, and whatever is set-uid."""

import os
from pathlib import Path

import kit


def status(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((line.split()[1] for line in lines if line.startswith(f"{key}:")), "unknown")


def write(path):
    os.close(os.open(path, os.O_WRONLY))


def attempts():
    return {
        "setuid": kit.tried(os.setuid, 0),
        "mknod": kit.tried(os.mknod, "/tmp/disk", 0o60600, os.makedev(254, 0)),
        "nice": kit.tried(os.setpriority, os.PRIO_PROCESS, 0, -5),
        "core_pattern": kit.tried(write, "/proc/sys/kernel/core_pattern"),
        "drop_caches": kit.tried(write, "/proc/sys/vm/drop_caches"),
        "sysrq": kit.tried(write, "/proc/sysrq-trigger"),
        "uevent": kit.tried(write, "/sys/kernel/uevent_helper"),
        "kernel memory": kit.tried(os.open, "/proc/kcore", os.O_RDWR),
        "devices": kit.tried(os.open, "/dev/mem", os.O_RDONLY),
        "an entry's file": kit.tried(os.open, "/entry/evaluate.py", os.O_WRONLY),
        "the guest's module": kit.tried(os.open, "/opt/wmc_guest/wmc_guest.py", os.O_WRONLY),
        "capabilities": "worked" if int(status("CapBnd"), 16) else "none",
        "no new privileges": "worked" if status("NoNewPrivs") == "0" else "none",
    }
