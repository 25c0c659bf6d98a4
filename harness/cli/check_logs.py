"""What an entry wrote during a check that failed: the end on the screen, all of it where its entrant can read it."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from harness.asking import REPORTED
from harness.cli.console import Console
from harness.disk import force
from harness.disk.places import cache_folder
from harness.errors import UsageError
from harness.sandbox.logs import last_lines

_LOG_LINES = 20


def show_log_ends(folder: Path, console: Console, *, said: str) -> None:
    """The last lines of each log of a grade, but for those that are in what is `said` of its failure anyway."""
    for log in sorted(folder.glob("*.log"), key=lambda path: path.stat().st_mtime):
        lines = _without_repetition(log.read_text("utf-8", "replace")).splitlines()
        if lines and last_lines(log) not in said:
            shown = lines[-_LOG_LINES:]
            console.note(f"--- {log.name}, {_how_many(len(shown), len(lines))}")
            console.note("\n".join(shown))


def keep_logs(folder: Path, entry: Path) -> Path | None:
    """Where the logs of this check of `entry` are from now on, in place of its last one's; None if nowhere.

    It is no folder that could be packed with the entry.
    """
    forget_logs(entry)
    logs = [log for log in folder.glob("*.log") if log.stat().st_size]
    if not logs:
        return None
    with suppress(OSError, UsageError):  # a full disk or no home folder: their ends were shown
        place = _place(entry)
        place.mkdir(parents=True, exist_ok=True)
        for log in logs:
            shutil.copyfile(log, place / log.name)
        return place
    return None


def forget_logs(entry: Path) -> None:
    """Those of an earlier check of `entry` are gone: they say nothing about this one."""
    with suppress(OSError, UsageError):
        force.remove_tree(_place(entry))


def _without_repetition(text: str) -> str:
    """A log without what the grader heard from the entry, where the entry has written that itself."""
    written, mark, heard = text.rpartition(REPORTED)
    return written.rstrip() if mark and heard.strip() in written else text


def _place(entry: Path) -> Path:
    return cache_folder() / "checks" / entry.resolve().name


def _how_many(shown: int, there: int) -> str:
    if shown < there:
        return f"the last {shown} of {there:,} lines"
    return f"{there} lines" if there > 1 else "its one line"
