"""A program that grades, or resumes a grade, and kills itself with SIGKILL at the n-th thing that it does.

Things that it does: a step of work begins, gets on or ends; a line is half written; a file or folder is about to be
synced, is synced, is about to get its name, has it; the database is about to run a statement.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import grading
from harness.grading import GradeRequest
from harness.pictures import strips, suspects
from harness.plain import from_plain
from harness.results import store as store_module
from harness.results.store import Store
from harness.resuming.going_on import resume
from harness.resuming.resumable import find_resumable
from harness.sandbox.process import ProcessSandbox

LEAST_BYTES = 700
"""Of a line, written at once: most have some more."""


@dataclass(kw_only=True)
class Reaper:
    """Counts, and kills at `kill_at`."""

    kill_at: int | None
    seen: list[str] = field(default_factory=list)

    def passes(self, what: str) -> None:
        if len(self.seen) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append(what)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """A Progress; where the reaper is told of every step."""

    reaper: Reaper

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Any]:
        self.reaper.passes(f"begin {title}")
        yield lambda _amount=1, /, **_: self.reaper.passes(f"amid {title}")
        self.reaper.passes(f"end {title}")

    def note(self, text: str) -> None:
        self.reaper.passes(f"note {text}")


def watch(reaper: Reaper) -> None:
    """The reaper is told of every write that matters too."""
    fsync, pwrite, rename, replace = os.fsync, os.pwrite, os.rename, os.replace
    connected = store_module.connected

    def watched_fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        reaper.passes(f"before sync {path}")
        fsync(descriptor)
        reaper.passes(f"after sync {path}")

    def watched_pwrite(descriptor: int, content: bytes, at: int) -> int:
        written = pwrite(descriptor, content[:LEAST_BYTES], at)
        reaper.passes("amid a line")
        return written

    def watched_rename(old: Any, new: Any) -> None:
        reaper.passes(f"before {Path(new).name} has its name")
        rename(old, new)
        reaper.passes(f"after {Path(new).name} has its name")

    def watched_replace(old: Any, new: Any) -> None:
        reaper.passes(f"before {Path(new).name} has its name")
        replace(old, new)
        reaper.passes(f"after {Path(new).name} has its name")

    def watched_connection(path: Path) -> sqlite3.Connection:
        database = connected(path)
        database.set_trace_callback(lambda statement: reaper.passes(f"sql {statement[:20]}"))
        return database

    os.fsync, os.pwrite, os.rename, os.replace = (
        watched_fsync,
        watched_pwrite,
        watched_rename,
        watched_replace,
    )  # type: ignore[assignment]
    store_module.connected = watched_connection


def main() -> None:
    asked = json.loads(sys.stdin.read())
    strips.MOST_BYTES = suspects.MOST_BYTES = 1 << 30  # to draw small files takes longer than all the rest
    reaper = Reaper(kill_at=asked["kill_at"])
    watch(reaper)
    store, cache = Store(Path(asked["store"])), Path(asked["cache"])
    progress = Watched(reaper=reaper)
    if asked["resume"]:
        found = find_resumable(store, None)
        resume(
            found,
            store=store,
            open_sandbox=lambda _, policy: ProcessSandbox(policy=policy, cache=cache),
            progress=progress,
        )
    else:
        request = from_plain(GradeRequest, asked["request"])
        grading.grade(request, sandbox=ProcessSandbox(cache=cache), store=store, progress=progress)
    print(json.dumps(reaper.seen))


main()
