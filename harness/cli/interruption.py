"""What Ctrl-C or a polite kill leaves of a grade, and the exact commands that go on with it or give it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.cli.console import Ending
from harness.errors import WmcError

if TYPE_CHECKING:
    from harness.results.store import Store
    from harness.resuming.left import Left


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, once all is cleaned up; `ending` says what is left."""

    def __init__(self, ending: Ending) -> None:
        super().__init__()
        self.ending = ending


class Terminated(SystemExit):
    """A polite kill or a closed terminal; it ends like an interruption: containers go, the grade is recorded."""

    def __init__(self, status: int, ending: Ending | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.ending = ending or Ending()


@contextmanager
def telling_what_is_left(store: Store, grade_id: str) -> Iterator[None]:
    """An interruption of this grade that leaves the context says what is left of it."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(_ending(store, grade_id)) from error
    except Terminated as error:
        raise Terminated(error.status, _ending(store, grade_id)) from error


def _ending(store: Store, grade_id: str) -> Ending:
    from harness.resuming.left import what_is_left

    try:
        left = what_is_left(store, grade_id)
    except (WmcError, OSError) as error:  # a full disk, perhaps; nothing is known then
        return Ending(lines=(f"grade {grade_id}: the store cannot be read: {error}",))
    return _told(store, left) if left else Ending(lines=("nothing was begun, and nothing is kept",))


def _told(store: Store, left: Left) -> Ending:
    from harness.results.next_commands import abandon_command, notice_command, resume_command

    name = f"grade {left.grade_id}"
    if left.report and not left.report.failure:
        return Ending(
            lines=(f"{name} has its scores and is kept; only what came after them was cut short",),
            commands=(("next", notice_command(store, left.grade_id)),),
        )
    if left.history is None:
        return Ending(
            lines=(
                f"{name}: nothing of it is kept but its record; nothing is charged to the entry",
                "the same command grades it again",
            )
        )
    return Ending(
        lines=(
            f"{name} stopped {left.history.stage}; nothing is charged to the entry",
            f"kept: {_kept(left)}",
        ),
        commands=(
            ("go on", resume_command(store, left.grade_id)),
            ("give up", abandon_command(store, left.grade_id)),
        ),
    )


def _kept(left: Left) -> str:
    from harness.earlier import BUILT

    if left.history is None or not left.history.stages:
        return "what was asked; all of it is done again"
    finished = [regime.in_words for regime in left.history.finished]
    built = ["the built entry"] * (BUILT in left.history.stages)
    kept = [*built, *finished] or ["what was checked"]
    return f"{', '.join(kept)}; the rest is done again"
