"""The journal of a grade: what was asked, and what is done so far, on disk before anybody relies on it.

`grades/ID/journal.jsonl` is begun before anything else happens and closed by the record's own end. A grade with a
journal, no record and no process that holds the journal is unfinished: its harness was killed. Each line carries its
own digest; a last line that a crash tore is ignored.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from harness.disk.line_file import LineFile, holder, locked_lines, new_lines
from harness.errors import Blame, NotAdmitted, ResumeRefused, StoreFailed, UsageError
from harness.owner import began_at
from harness.results.journal_lines import (
    VERSION,
    Asked,
    Ended,
    History,
    Line,
    beginning,
    from_bytes,
    to_bytes,
)
from harness.results.next_commands import resume_command
from harness.results.report import GradeReport
from harness.results.store import Store

FILE_NAME = "journal.jsonl"
OURS = (Blame.OPERATOR, Blame.BUG)
"""Whose failures leave a grade that can be resumed."""
_LOCK_PATIENCE_S = 1.0  # somebody who only looks holds it for a moment
_POLL_S = 0.05


class Journal:
    """The journal of a grade that this process works on; nobody else can meanwhile."""

    def __init__(self, *, store: Store, lines: LineFile, history: History) -> None:
        self._store = store
        self._lines = lines
        self.history = history

    def write(self, line: Line) -> None:
        """Add a line; it is safe on disk when this returns.

        Raises: StoreFailed; the journal is as it was then.
        """
        try:
            self._lines.append(to_bytes(line))
        except OSError as error:
            raise _unwritable(self._store, self.history.grade_id, error) from error
        self.history = self.history.after(line)

    def close(self, report: GradeReport) -> None:
        """The record is in the store. What only a resumption needs goes, unless the record can still be resumed."""
        failure = report.failure
        with suppress(StoreFailed):  # the record says the same
            self.write(Ended(status=report.status))
        if failure is None or failure.blame not in OURS:
            for finished in self.history.finished.values():
                with suppress(OSError):
                    if finished.answers:
                        (self._store.folder / finished.answers.file).unlink(missing_ok=True)

    def withdraw(self) -> None:
        """There was no such grade: for one that could not even begin. What it left beside its journal goes too."""
        path = journal_path(self._store, self.history.grade_id)
        with suppress(OSError):
            path.unlink()
            shutil.rmtree(path.parent)
            for folder in (path.parent.parent, self._store.folder):  # as far as they are empty
                folder.rmdir()


@contextmanager
def begin(store: Store, asked: Asked) -> Iterator[Journal]:
    """The journal of a new grade; of one that is not admitted, or a slip of the caller's, nothing is left.

    Raises: StoreFailed.
    """
    path = store.grade_folder(asked.grade_id) / FILE_NAME
    with ExitStack() as stack:
        try:
            lines = stack.enter_context(new_lines(path, to_bytes(asked)))
        except OSError as error:
            raise _unwritable(store, asked.grade_id, error) from error
        journal = Journal(store=store, lines=lines, history=beginning(asked))
        try:
            yield journal
        except (NotAdmitted, UsageError):
            journal.withdraw()
            raise


@contextmanager
def reopen(store: Store, grade_id: str) -> Iterator[Journal]:
    """The journal of a grade that nobody works on.

    Raises: ResumeRefused where somebody does, or where there is none; StoreFailed.
    """
    path = journal_path(store, grade_id)
    with ExitStack() as stack:
        try:
            descriptor = _claimed(stack, path, grade_id)
            history, length = _read(path, os.pread(descriptor, os.fstat(descriptor).st_size, 0))
        except FileNotFoundError as error:
            raise _no_journal(path) from error
        except OSError as error:
            raise _unwritable(store, grade_id, error) from error
        yield Journal(store=store, lines=LineFile(descriptor, length), history=history)


def read_history(store: Store, grade_id: str) -> History:
    """What the journal of this grade says; whoever works on it is not disturbed.

    Raises: ResumeRefused where there is none; StoreFailed.
    """
    path = journal_path(store, grade_id)
    try:
        return _read(path, path.read_bytes())[0]
    except FileNotFoundError as error:
        raise _no_journal(path) from error
    except OSError as error:
        raise _unwritable(store, grade_id, error) from error


def journal_path(store: Store, grade_id: str) -> Path:
    """Where the journal of this grade is, if it has one."""
    return store.folder / "grades" / grade_id / FILE_NAME


def _read(path: Path, content: bytes) -> tuple[History, int]:
    """What the whole lines say, and how many bytes they are.

    Raises: StoreFailed where a line before the last one is damaged: no crash does that.
    """
    *whole, torn = content.split(b"\n")
    history, length = None, 0
    for number, text in enumerate(whole, start=1):
        try:
            line = from_bytes(text)
        except ValueError as error:
            if number > 1 and number == len(whole) and not torn:
                break  # its end reached the disk, its middle did not
            raise _damaged(path, f"line {number}: {error}") from error
        if history is None:
            if not isinstance(line, Asked) or line.version != VERSION:
                raise _damaged(path, "it does not begin as this version of wmc begins a journal")
            history = beginning(line)
        else:
            history = history.after(line)
        length += len(text) + 1
    if history is None:
        raise _damaged(path, "it has no line")
    return history, length


def _claimed(stack: ExitStack, path: Path, grade_id: str) -> int:
    """The descriptor of the journal, for nobody else until the stack is closed."""
    until = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            return stack.enter_context(locked_lines(path))
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise still_running(path, grade_id) from error
            time.sleep(_POLL_S)


def _no_journal(path: Path) -> ResumeRefused:
    return ResumeRefused(
        f"there is no journal {path}",
        code="resume.no_journal",
        fix="name a grade that this version of wmc began, as `wmc grade` shows it, and its --store",
    )


def _unwritable(store: Store, grade_id: str, error: OSError) -> StoreFailed:
    return StoreFailed(
        f"{journal_path(store, grade_id)}: {error}",
        fix="free space on its disk, and get the right to write there; then the grade goes on where it stopped",
        command=resume_command(store, grade_id),
    )


def _damaged(path: Path, what: str) -> StoreFailed:
    return StoreFailed(
        f"{path} is damaged: {what}",
        code="store.bad_journal",
        fix="restore the store from a copy, or grade the entry again",
    )


def still_running(path: Path, grade_id: str) -> ResumeRefused:
    """That somebody works on it: who, and since when, as far as it can be seen from here."""
    pid = holder(path)
    if pid is None:
        where, end = "in a process that cannot be seen from here", "end that process"
    else:
        began = began_at(pid)
        where = f"in process {pid}{f', since {began.isoformat()}' if began else ''}"
        end = f"end it (`kill {pid}`)"
    return ResumeRefused(
        f"grade {grade_id} is still running {where}",
        code="resume.running",
        fix=f"wait for it; or {end}, which leaves a grade that can be resumed",
        command=f"ps -o pid,lstart,args -p {pid}" if pid else None,
    )
