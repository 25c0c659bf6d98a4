"""What Ctrl-C or a polite kill leaves of a grade, and the exact commands that go on with it or give it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.errors import WmcError

if TYPE_CHECKING:
    from harness.results.store import Store
    from harness.resuming.left import Left


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, once all is cleaned up; `lines` say what is left."""

    def __init__(self, *lines: str) -> None:
        super().__init__()
        self.lines = lines


class Terminated(SystemExit):
    """A polite kill or a closed terminal; it ends like an interruption: containers go, the grade is recorded."""

    def __init__(self, status: int, *lines: str) -> None:
        super().__init__(status)
        self.status = status
        self.lines = lines


@contextmanager
def telling_what_is_left(store: Store, grade_id: str) -> Iterator[None]:
    """An interruption of this grade that leaves the context says what is left of it."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(*_lines(store, grade_id)) from error
    except Terminated as error:
        raise Terminated(error.status, *_lines(store, grade_id)) from error


def _lines(store: Store, grade_id: str) -> tuple[str, ...]:
    from harness.resuming.left import what_is_left

    try:
        left = what_is_left(store, grade_id)
    except (WmcError, OSError) as error:  # a full disk, perhaps; nothing is known then
        return (f"grade {grade_id}: the store cannot be read: {error}",)
    return tuple(_told(store, left)) if left else ("nothing was begun, and nothing is kept",)


def _told(store: Store, left: Left) -> Iterator[str]:
    from harness.results.go_on import abandon_command, notice_command, resume_command

    if left.report and not left.report.failure:
        yield f"grade {left.grade_id} has its scores and is kept; only what came after them was cut short"
        yield f"next: {notice_command(store, left.grade_id)}"
        return
    if left.history is None:
        yield f"grade {left.grade_id}: nothing of it is kept but its record; nothing is charged to the entry"
        yield "next: the same command grades it again"
        return
    yield f"grade {left.grade_id} stopped {left.history.stage}; nothing is charged to the entry"
    yield f"kept: {_kept(left)}"
    yield f"go on:   {resume_command(store, left.grade_id)}"
    yield f"give up: {abandon_command(store, left.grade_id)}"


def _kept(left: Left) -> str:
    from harness.earlier import BUILT

    if left.history is None or not left.history.stages:
        return "what was asked; all of it is done again"
    finished = [regime.in_words for regime in left.history.finished]
    built = ["the built entry"] * (BUILT in left.history.stages)
    kept = [*built, *finished] or ["what was checked"]
    return f"{', '.join(kept)}; the rest is done again"
