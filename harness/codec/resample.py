"""Frames at one rate from frames at any: each moment is shown by the frame nearest in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TypeVar

T = TypeVar("T")

_ROUNDING = Fraction(1, 1000)
"""Seconds: many files round times to milliseconds, so the last frame may seem to come just before its moment."""


def at_rate(timed: Iterable[tuple[Fraction, T]], hz: Fraction) -> Iterator[tuple[T, int]]:
    """Each frame that is needed with how many times in a row it is, so that together they run at `hz`.

    `timed` is (seconds, frame), seconds never falling. Moments are the first frame's time and every 1/`hz` seconds
    after it, up to the last frame's. Each takes the frame nearest in time, the earlier of two. Only one frame is held.
    """
    moments = 0  # how many have their frame
    first = before = Fraction(0)
    held: T | None = None
    for seconds, frame in timed:
        if held is None:
            first = seconds
        else:
            middle = (before + seconds) / 2
            until = int((middle - first) * hz) + 1  # moments up to the middle, that included
            if until > moments:
                yield held, until - moments
                moments = until
        before, held = seconds, frame
    if held is not None:
        until = int((before - first + _ROUNDING) * hz) + 1
        if until > moments:
            yield held, until - moments
