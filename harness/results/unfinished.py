"""Grades that were begun and have no record: those that run, and those whose harness was killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.disk.line_file import is_locked
from harness.errors import ResumeRefused, StoreFailed
from harness.results.journal import FILE_NAME, read_history
from harness.results.journal_lines import History
from harness.results.store import Store


@dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A grade without a record.

    Attributes:
        is_running: a process works on it.
        history: what its journal says; None where that cannot be read, and `trouble` says why.
    """

    grade_id: str
    is_running: bool
    history: History | None
    trouble: str | None = None

    @property
    def in_words(self) -> str:
        """Its id, and how far it came."""
        if self.is_running:
            return f"{self.grade_id} (still running)"
        return f"{self.grade_id} ({self.history.stage if self.history else self.trouble})"


def unfinished_grades(store: Store) -> tuple[Unfinished, ...]:
    """Every grade of the store that has a journal and no record, oldest first; looking changes nothing.

    Raises: StoreFailed where the store cannot be read.
    """
    found = tuple(_begun(store))
    recorded = store.grade_ids()  # afterwards: a grade may finish meanwhile
    return tuple(each for each in found if each.grade_id not in recorded)


def _begun(store: Store) -> Iterator[Unfinished]:
    for path in sorted((store.folder / "grades").glob(f"*/{FILE_NAME}")):
        grade_id = path.parent.name
        try:
            is_running = is_locked(path)
            history = read_history(store, grade_id)
        except (FileNotFoundError, ResumeRefused):
            continue  # taken back meanwhile: it could not begin
        except (StoreFailed, OSError) as error:
            yield Unfinished(grade_id=grade_id, is_running=False, history=None, trouble=str(error))
        else:
            yield Unfinished(grade_id=grade_id, is_running=is_running, history=history)
