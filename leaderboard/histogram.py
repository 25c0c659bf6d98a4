"""How many graded windows have which delta: where the bars and the lines through them go, and the same in figures.

The template draws them, so that all text stays escaped by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from harness.retrieval.report import RetrievalReport
from leaderboard.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Tick, axis
from leaderboard.figures import delta

_BINS = 24
_TICKS_ACROSS = 6
_LEAST_SPAN = 0.2
"""Of the axis, or what hardly differs would fill it."""
_SPACE = 1.0
"""Between two bars, in the drawing's units."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How many windows lie from `low` to `high`; `path` draws it, `flagged` where all of them are beyond the line."""

    low: float
    high: float
    windows: int
    path: str
    flagged: bool


@dataclass(frozen=True, kw_only=True)
class VerticalLine:
    """A vertical line at `value`; `kind` is its class in the style sheet."""

    kind: str
    name: str
    value: float
    at: float


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """The delta of every graded window, with the panel's thresholds as far as there are any."""

    bars: tuple[Bar, ...]
    lines: tuple[VerticalLine, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    deltas: tuple[float, ...]
    flagged: int | None

    @property
    def in_words(self) -> str:
        """For those who do not see it."""
        low, high = min(self.deltas), max(self.deltas)
        drawn = "; ".join(f"{line.name} {delta(line.value)}" for line in self.lines)
        beyond = f" {self.flagged} beyond the line of single windows." if self.flagged is not None else ""
        return (
            f"Delta of {len(self.deltas)} windows: from {delta(low)} to {delta(high)}, half of them below "
            f"{delta(median(self.deltas))}.{beyond} Lines: {drawn}. All figures are in the table below."
        )


def histogram(found: RetrievalReport) -> Histogram | None:
    """The windows' deltas; None where they are not known or not shown."""
    deltas = tuple(value for value in found.delta_by_window if math.isfinite(value))
    if not deltas:
        return None
    lines = tuple(_lines(found))
    across = _Across.holding([*deltas, *(value for _, _, value in lines)])
    bound = found.thresholds.window_delta if found.thresholds else None
    counts = across.counts(deltas)
    step, _, top = axis(0, max(counts))
    step = max(1.0, step)
    top = math.ceil(top / step) * step
    return Histogram(
        bars=tuple(across.bars(counts, top, bound)),
        lines=tuple(
            VerticalLine(kind=kind, name=name, value=value, at=across.x(value)) for kind, name, value in lines
        ),
        across=tuple(across.ticks()),
        up=tuple(Tick(at=_y(count, top), label=f"{count:g}") for count in _steps(0, top, step)),
        deltas=deltas,
        flagged=None if bound is None else sum(value > bound for value in deltas),
    )


@dataclass(frozen=True, kw_only=True)
class _Across:
    """The axis of deltas: `bins` of the width `step`, from `low` on."""

    low: float
    step: float
    bins: int

    @classmethod
    def holding(cls, values: Sequence[float]) -> _Across:
        """The axis that holds all of these."""
        spare = max(0.0, _LEAST_SPAN - (max(values) - min(values))) / 2
        step, low, high = axis(min(values) - spare, max(values) + spare, ticks=_BINS)
        return cls(low=low, step=step, bins=max(1, round((high - low) / step)))

    def x(self, value: float) -> float:
        share = (value - self.low) / (self.bins * self.step)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def counts(self, deltas: Sequence[float]) -> list[int]:
        counts = [0] * self.bins
        for value in deltas:
            counts[min(self.bins - 1, max(0, int((value - self.low) / self.step)))] += 1
        return counts

    def bars(self, counts: Sequence[int], top: float, bound: float | None) -> Iterator[Bar]:
        """The bars that are not empty."""
        for number, count in enumerate(counts):
            low, high = self.low + number * self.step, self.low + (number + 1) * self.step
            if count:
                left, right, up = self.x(low) + _SPACE / 2, self.x(high) - _SPACE / 2, _y(count, top)
                path = f"M{left:.1f} {_y(0, top):g}V{up:g}H{right:.1f}V{_y(0, top):g}z"
                flagged = bound is not None and low >= bound - 1e-9
                yield Bar(low=low, high=high, windows=count, path=path, flagged=flagged)

    def ticks(self) -> Iterator[Tick]:
        high = self.low + self.bins * self.step
        step, begin, _ = axis(self.low, high, ticks=_TICKS_ACROSS)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        for value in _steps(begin, high, step):
            if value >= self.low - 1e-9:
                yield Tick(at=self.x(value), label=f"{value + 0.0:.{places}f}".replace("-", "\N{MINUS SIGN}"))


def _lines(found: RetrievalReport) -> Iterator[tuple[str, str, float]]:
    """Class, name and value of each vertical line."""
    if found.delta is not None:
        yield "mean", "all windows together", found.delta
    if those := found.thresholds:
        yield "honest", "the largest of an honest entry", those.delta_max
        yield "copied", "copied, if all together lie beyond", those.delta_copied
        yield "window", "flagged, if one window lies beyond", those.window_delta


def _steps(begin: float, end: float, step: float) -> Iterator[float]:
    for index in range(math.floor((end - begin) / step + 1e-9) + 1):
        yield begin + index * step


def _y(count: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - count / top * (HEIGHT - BOTTOM - TOP), 1)
