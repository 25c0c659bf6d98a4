"""Finding every process that came from one, also those that left its session, by asking /proc."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness import owner

_PROC = Path("/proc")
MARK = "WMC_GRADE"
"""Environment variable that everything started for a run inherits."""

OWNER_MARK = "WMC_OWNER"
"""Another, with the harness that started it, as `harness.owner` names it."""

_MAX_LOOKS = 50
_EXEC_PATIENCE_S = 0.1
_NOBODY = -1


@dataclass(frozen=True, kw_only=True)
class _Process:
    pid: int
    parent: int
    session: int
    is_marked: bool


def family(root: int, *, mark: str) -> frozenset[int]:
    """`root`'s session, its descendants, and whoever carries `mark` in the environment; not this process."""
    running = list(_running(mark))
    found = {process.pid for process in running if process.session == root or process.is_marked}
    found |= {root}
    while children := {process.pid for process in running if process.parent in found} - found:
        found |= children
    alive = {process.pid for process in running}
    return frozenset(found & alive - {os.getpid()})


def kill_family(root: int, *, mark: str, patience_s: float = 5.0) -> frozenset[int]:
    """Kill until nobody is left; what is still alive after `patience_s` is returned.

    Everybody is stopped before anybody is killed: a stopped parent cannot replace the child that was just killed,
    and an orphan cannot slip away to another parent between two looks.
    """
    deadline = time.monotonic() + patience_s
    seen: frozenset[int] = frozenset()
    while True:
        members = family(root, mark=mark)
        _signal(members, signal.SIGSTOP)
        if members <= seen:
            _signal(members, signal.SIGKILL)
            if not members or time.monotonic() > deadline:
                return members
            time.sleep(0.01)
        seen |= members


def orphans() -> dict[str, frozenset[int]]:
    """Processes of this user that killed harnesses started, by the mark of their run."""
    found: dict[str, set[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            marks = _marks(folder)
            if marks.get(MARK) and owner.is_gone(marks.get(OWNER_MARK, "")):
                found.setdefault(marks[MARK], set()).add(int(folder.name))
    return {mark: frozenset(members) for mark, members in found.items()}


def kill_orphans(*, patience_s: float = 5.0) -> frozenset[int]:
    """The processes of killed harnesses are dead, and their descendants too; who still lives is returned."""
    return frozenset(
        survivor for mark in orphans() for survivor in kill_family(_NOBODY, mark=mark, patience_s=patience_s)
    )


def _marks(folder: Path) -> dict[str, str]:
    """What the environment of a process of this user says of its run."""
    try:
        if folder.stat().st_uid != os.geteuid():
            return {}
        words = _environment(folder)
    except OSError:
        return {}
    pairs = (word.decode("utf-8", "replace").partition("=") for word in words)
    return {name: value for name, _, value in pairs if name in {MARK, OWNER_MARK}}


def _signal(members: frozenset[int], number: signal.Signals) -> None:
    for pid in members:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _running(mark: str) -> Iterator[_Process]:
    """Every process, also those that start while we look.

    One that ends before it is read may have left a child that the list did not hold, so the list is made again until
    it holds nobody new.
    """
    known: set[str] = set()
    for _ in range(_MAX_LOOKS):
        new = {name for name in os.listdir(_PROC) if name.isdecimal()} - known
        if not new:
            return
        known |= new
        for name in new:
            if (process := _read(_PROC / name, mark)) is not None:
                yield process


def _read(folder: Path, mark: str) -> _Process | None:
    """The process behind a folder of /proc; None when it has ended."""
    try:
        # The name in brackets may hold any bytes, brackets and blanks included.
        state, parent, _, session = (folder / "stat").read_bytes().rpartition(b")")[2].split()[:4]
    except (OSError, ValueError):
        return None
    if state in (b"Z", b"X"):
        return None
    return _Process(
        pid=int(folder.name), parent=int(parent), session=int(session), is_marked=_carries(folder, mark)
    )


def _carries(folder: Path, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in _environment(folder)
    except OSError:
        return False


def _environment(folder: Path) -> list[bytes]:
    """What a process was started with, after waiting for one that is just starting a program.

    Raises: OSError when it has ended, or is not ours to read.
    """
    deadline = time.monotonic() + _EXEC_PATIENCE_S
    while _is_starting_a_program(folder) and time.monotonic() < deadline:
        time.sleep(0.001)
    return (folder / "environ").read_bytes().split(b"\0")


def _is_starting_a_program(folder: Path) -> bool:
    """Whether the kernel shows neither arguments nor environment of it yet; its own threads have no program."""
    return not (folder / "cmdline").read_bytes() and (folder / "exe").exists()
