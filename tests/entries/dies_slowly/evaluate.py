#!/usr/bin/env python3
"""Makes its own death long: for each open file of each process the kernel walks all its file locks, within SIGKILL.

On a bad figure an engine that takes this for its own fault would make the grade a failure that counts for nobody.
"""

import fcntl
import os
import time

FILES = ("/tmp/a", "/tmp/b")
LOCKS = 15_000  # of each file, no two of them side by side
WAITERS = 80
COPIES = 3_900  # of one open file in each process
LAST = 4_090  # a process's files are closed in the order of their numbers: its own locks go when all else is closed


def hold(own, other):
    """Lock one file through the last descriptor, and have many of the other one."""
    low = os.open(own, os.O_RDWR | os.O_CREAT)
    descriptor = os.dup2(low, LAST)
    os.close(low)
    for number in range(LOCKS, 0, -1):  # backwards: each goes to the head of the list
        fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, 2 * number)
    wait(f"{own}.locked", f"{other}.locked")
    copy(other)


def copy(path):
    """Open a file many times over; whoever has no lock of it walks the whole list at each closing."""
    descriptor = os.open(path, os.O_RDWR)
    for _ in range(COPIES):
        os.dup(descriptor)


def wait(own, *others):
    """Say that this one is there, and wait for the others."""
    open(own, "w").close()
    while not all(map(os.path.exists, others)):
        time.sleep(0.05)


def start(work, *arguments, done):
    """Do it in a child, which stays."""
    if os.fork() == 0:
        work(*arguments)
        open(done, "w").close()
        while True:
            time.sleep(60)


marks = [f"/tmp/{number}.done" for number in range(2 + WAITERS)]
start(hold, *FILES, done=marks[0])
start(hold, *reversed(FILES), done=marks[1])
wait("/tmp/main", *marks[:2])
for number in range(WAITERS):
    start(copy, FILES[number % 2], done=marks[2 + number])
wait("/tmp/main", *marks)

import kit  # noqa: E402 - after the forks: what it loads would be charged to each of them

import wmc_guest  # noqa: E402

wmc_guest.serve(kit.Twin)
kit.sleep_for_ever()
