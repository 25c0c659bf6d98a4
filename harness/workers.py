"""Processes that share work, and live and die with this one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PARTS = 8
"""Of the work that each worker does: all end at about the same time, and a part that is begun is soon over."""
_inherited: list[Any] = []
"""What a worker was given as it began."""


def cores() -> int:
    """How many processors this process may use, whatever share of their time a container gets."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool_of(workers: int, *inherited: Any, start: str = "spawn") -> Iterator[ProcessPoolExecutor]:
    """A pool of processes, started in one of multiprocessing's ways.

    Those that are spawned are fresh interpreters. Those that are forked are copies of this process: they may be given
    anything, but this process is to be busy with nothing else, or they would inherit locks that nobody opens.

    Raises: BrokenProcessPool when one of them died.
    """
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context(start), initializer=_begin, initargs=inherited
    )
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def by_all_cores(work: Callable[[Item], Result], items: Sequence[Item], *, least_each: int) -> list[Result]:
    """`work` of each of these, in their order: by as many cores as get `least_each` items or more.

    Only results and errors travel between the processes; see `pool_of` for what forks may inherit. Where one of them
    dies all is done again by this one, so `work` has to bear being done twice.

    Raises: what `work` raises.
    """
    workers = min(cores(), len(items) // least_each)
    if workers > 1 and sys.platform == "linux":
        part = -(-len(items) // (workers * _PARTS))
        with suppress(BrokenProcessPool), pool_of(workers, work, items, start="fork") as pool, _unwarned():
            return list(pool.map(_work, range(len(items)), chunksize=part))
    return [work(items[index]) for index in range(len(items))]


@contextmanager
def _unwarned() -> Iterator[None]:
    """Newer Pythons warn of every fork beside threads, those of numpy too, which are ready for it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* is multi-threaded", category=DeprecationWarning)
        yield


def _work(index: int) -> Any:
    work, items = _inherited
    return work(items[index])


def _begin(*inherited: Any) -> None:
    """Set a worker up in a process group of its own, which what it starts joins and Ctrl-C does not reach."""
    _inherited[:] = inherited
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a fork has its parent's handlers
        signal.signal(number, signal.SIG_DFL)
    os.setpgrp()
    threading.Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    """A killed parent's workers would wait for work for ever, and what they started for commands."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL)
