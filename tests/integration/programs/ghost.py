"""Runs inside a container: tries to make the engine believe that the container exited while a process of it runs on.

The container's first process is made to call ptrace(PTRACE_TRACEME) and then gets a signal. It stops, traced by its
parent outside, which takes the stop for the end. An init in front is no help: it can be traced and made to do it.
(x86-64: the registers are written by hand.)
"""

import ctypes
import os
import signal
import sys
import time

PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_ATTACH, PTRACE_DETACH = 12, 13, 16, 17
SYSCALL_PTRACE = 101
RAX, RDX, RSI, RDI, ORIG_RAX, RIP = 10, 12, 13, 14, 15, 16
SYSCALL_INSTRUCTION_BYTES = 2

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
LIBC.ptrace.restype = ctypes.c_long


def trace(request, data=None):
    if LIBC.ptrace(request, 1, None, data) < 0:
        print("no ghost:", os.strerror(ctypes.get_errno()), flush=True)
        sys.exit(9)


if os.fork() == 0:
    os.setsid()
    while True:
        time.sleep(0.1)

trace(PTRACE_ATTACH)
time.sleep(0.2)
registers = (ctypes.c_ulong * 27)()
trace(PTRACE_GETREGS, registers)
registers[RIP] -= SYSCALL_INSTRUCTION_BYTES  # it waits in a system call: make it another one
registers[RAX], registers[ORIG_RAX] = SYSCALL_PTRACE, 2**64 - 1
registers[RDI] = registers[RSI] = registers[RDX] = 0
trace(PTRACE_SETREGS, registers)
trace(PTRACE_DETACH)
time.sleep(0.2)
os.kill(1, signal.SIGABRT)  # one that an init does not block
print("the first process is traced", flush=True)
time.sleep(60)
