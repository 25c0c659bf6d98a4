"""Tracing, and reading or writing another process's memory."""

import ctypes
import os

from syscalls import call


def attempts():
    return {
        "ptrace": call(101, 0, 0, 0, 0),
        "process_vm_readv": call(310, os.getpid(), 0, 0, 0, 0, 0),
        "process_vm_writev": call(311, os.getpid(), 0, 0, 0, 0, 0),
        "kcmp": call(312, os.getpid(), os.getpid(), 0, 0, 0),
        "pidfd_getfd": call(438, -1, 0, 0),
        "userfaultfd": call(323, 1),
        "perf_event_open": call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0),
        "bpf": call(321, 0, 0, 0),
    }
