"""Asks for every asynchronous I/O context that the whole machine has, so that nobody else gets one."""

import ctypes
import errno
import os
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
EVENTS = 1000


def attempts():
    child = os.fork()
    if child == 0:
        contexts = [ctypes.c_ulong(0) for _ in range(40)]
        errors = [
            LIBC.syscall(206, EVENTS, ctypes.byref(context)) and ctypes.get_errno() for context in contexts
        ]
        used = int(Path("/proc/sys/fs/aio-nr").read_text())
        os._exit(255 if used >= 20 * EVENTS else errors[0])
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"io_setup": errno.errorcode.get(code, "worked")}
