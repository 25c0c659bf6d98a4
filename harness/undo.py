"""Undoing that an interruption does not cut short."""

from __future__ import annotations

from collections.abc import Callable


def surely(undo: Callable[[], object]) -> None:
    """What must be undone is undone, also when Ctrl-C or a polite kill comes in the middle; it goes on its way then.

    The command lets one through and no second, so what it broke off is done once more, from the beginning.
    """
    try:
        undo()
    except (KeyboardInterrupt, SystemExit):
        undo()
        raise
