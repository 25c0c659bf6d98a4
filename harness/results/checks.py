"""One thing that was looked at once more, and how it compares with what was written down."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass
from enum import Enum
from typing import Any


class Outcome(str, Enum):
    """What a second look says."""

    SAME = "as recorded"
    DIFFERENT = "different"
    UNCHECKED = "not checked"


@dataclass(frozen=True, kw_only=True)
class Check:
    """What was looked at, and in `detail` what was seen, or why it was not looked at."""

    what: str
    outcome: Outcome
    detail: str = ""


def compared(what: str, recorded: Any, recomputed: Any, *, tolerance: float = 0.0) -> Check:
    """The check of one figure; numbers may differ by this share of the larger one, and by as much in all near zero."""
    if _alike(recorded, recomputed, tolerance):
        return Check(what=what, outcome=Outcome.SAME, detail=_shown(recorded))
    where = ""
    if isinstance(recorded, tuple) and isinstance(recomputed, tuple) and len(recorded) == len(recomputed):
        pairs = enumerate(zip(recorded, recomputed, strict=True), start=1)
        place, (recorded, recomputed) = next(each for each in pairs if not _alike(*each[1], tolerance))
        where = f"number {place}: "
    detail = f"{where}recorded {_shown(recorded)}, recomputed {_shown(recomputed)}"
    return Check(what=what, outcome=Outcome.DIFFERENT, detail=detail)


def unchecked(what: str, why: str) -> Check:
    """A check that could not be made."""
    return Check(what=what, outcome=Outcome.UNCHECKED, detail=why)


def different(what: str, detail: str) -> Check:
    """A check that failed."""
    return Check(what=what, outcome=Outcome.DIFFERENT, detail=detail)


def _alike(one: Any, other: Any, tolerance: float) -> bool:
    if is_dataclass(one) and is_dataclass(other):
        return _alike(vars(one), vars(other), tolerance)
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key], tolerance) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_alike, one, other, [tolerance] * len(one)))
    if isinstance(one, float) and isinstance(other, float | int):
        return abs(one - other) <= tolerance * max(1.0, abs(one), abs(other))
    return bool(one == other)


def _shown(value: Any) -> str:
    """A figure with all digits that could differ, a list by its ends."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple | list):
        few = [*value[:2], "...", value[-1]] if len(value) > 4 else value
        return f"({', '.join(each if each == '...' else _shown(each) for each in few)})"
    if is_dataclass(value):
        return ", ".join(f"{name} {_shown(each)}" for name, each in vars(value).items())
    return str(value.value if isinstance(value, Enum) else value)
