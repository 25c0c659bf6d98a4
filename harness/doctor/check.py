"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from harness.errors import WmcError


class Health(str, Enum):
    """How well one thing is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at and what was seen.

    Attributes:
        health: a warning costs a grade something; what is broken keeps it from being made or trusted.
        fix: what to do, as a command where one does it; empty for what is well.
    """

    what: str
    health: Health
    seen: str
    fix: str = ""


def well(what: str, seen: str) -> Check:
    """Nothing to do."""
    return Check(what=what, health=Health.OK, seen=seen)


def warned(what: str, seen: str, fix: str) -> Check:
    """Grades go on, with less."""
    return Check(what=what, health=Health.WARNING, seen=seen, fix=fix)


def broken(what: str, seen: str, fix: str) -> Check:
    """Grades do not go on, or are not to be trusted."""
    return Check(what=what, health=Health.BROKEN, seen=seen, fix=fix)


def told(what: str, error: WmcError, *, health: Health = Health.BROKEN) -> Check:
    """What an error of ours says."""
    return Check(what=what, health=health, seen=error.message, fix=error.fix)
