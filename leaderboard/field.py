"""The whole field of a board in two charts: what training bought, and how the best loss came down.

Only what the board shows is drawn: an entry's row and no grade that it replaced. The template draws them, so that all
text stays escaped by it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from leaderboard.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Tick, axis, dot_path
from leaderboard.figures import LARGEST
from leaderboard.references import PRIZE
from leaderboard.standings import Board, Row, no_worse_than_guessing

_LEAST_ROWS = 2
"""Entries without which a chart says nothing."""
_MOST_TICKS = 5
_DAY_S = 24 * 3600
_YEAR = 366


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A row of the board; `is_best` where nothing before it, or with less training, has a lower loss."""

    x: float
    y: float
    row: Row
    is_best: bool


@dataclass(frozen=True, kw_only=True)
class FieldChart:
    """Rows as dots, and a line through the best.

    Attributes:
        name, title: what is drawn.
        across_title: what lies to the right.
        dots: from left to right.
        front: points of an SVG polyline through the best, a staircase: between two of them the last one holds.
        up, across: the ticks of the axes.
        prize: how high the prize line lies; None where it is off the chart.
        unknown: rows of the board that have no place in it.
    """

    name: str
    title: str
    across_title: str
    dots: tuple[Dot, ...]
    front: str
    up: tuple[Tick, ...]
    across: tuple[Tick, ...]
    prize: float | None
    unknown: int

    @property
    def best(self) -> tuple[Dot, ...]:
        """The dots that the line goes through, from left to right."""
        return tuple(dot for dot in self.dots if dot.is_best)

    def path(self, *, best: bool) -> str:
        """The dots that are, or are not, of the best as one SVG path of lines without length: round ends make dots."""
        return dot_path((dot.x, dot.y) for dot in self.dots if dot.is_best is best)

    @property
    def in_words(self) -> str:
        """The same for those who do not see it."""
        first, last = self.best[0].row.result.loss, self.best[-1].row.result.loss
        return (
            f"{self.title}: {len(self.dots)} entries, {len(self.best)} of them on the line of the best, "
            f"from {first:.2f} to {last:.2f} nats per token. All figures are in the table below."
        )


@dataclass(frozen=True, kw_only=True)
class Field:
    """The charts of a board, as far as there is something to compare.

    Attributes:
        worse: entries that are worse than guessing uniformly, and in no chart: they would flatten all others.
        only_day: the day of all grades where they have but one, and so no course over time.
    """

    charts: tuple[FieldChart, ...]
    worse: int
    only_day: str | None


def field_of(board: Board) -> Field:
    """Training FLOPs against loss, and the best loss over time. What has no rank is no part of the field."""
    ranked = board.contenders
    rows = no_worse_than_guessing(ranked)
    days = {row.report.finished_at[:10] for row in rows}
    charts = (_effort(rows), _progress(rows) if len(days) > 1 else None)
    return Field(
        charts=tuple(chart for chart in charts if chart),
        worse=len(ranked) - len(rows),
        only_day=days.pop() if len(days) == 1 and len(rows) >= _LEAST_ROWS else None,
    )


def _effort(rows: Sequence[Row]) -> FieldChart | None:
    """Loss by declared training FLOPs, on a logarithmic axis; an entry that declares none has no place on it."""
    known = [(math.log10(flops), row) for row in rows if (flops := row.report.entry.training_flops)]
    return _chart(
        known,
        name="effort",
        title="Loss by training",
        across_title="training FLOPs, as declared",
        ticks=_powers_of_ten,
        unknown=len(rows) - len(known),
    )


def _progress(rows: Sequence[Row]) -> FieldChart | None:
    """Loss by the day of the grade."""
    known = [(_day_of(row).timestamp(), row) for row in rows]
    years = sorted({_day_of(row).year for row in rows})
    return _chart(
        known,
        name="progress",
        title="Loss over time",
        across_title="day of the grade, "
        + " to ".join(str(year) for year in dict.fromkeys((years[0], years[-1]))),
        ticks=_days,
        unknown=0,
    )


def _day_of(row: Row) -> datetime:
    return datetime.fromisoformat(row.report.finished_at)


@dataclass(frozen=True, kw_only=True)
class _Span:
    """The values from left to right."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Where one of them lies."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _chart(
    known: Sequence[tuple[float, Row]],
    *,
    name: str,
    title: str,
    across_title: str,
    ticks: Callable[[_Span], Iterator[Tick]],
    unknown: int,
) -> FieldChart | None:
    if len(known) < _LEAST_ROWS:
        return None
    values, losses = [value for value, _ in known], [_drawn(row) for _, row in known]
    span = _Span(low=min(values), high=max(values))
    step, low, high = axis(min(losses), max(losses))

    def y(loss: float) -> float:
        return round(HEIGHT - BOTTOM - (loss - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    in_order = sorted(known, key=lambda item: (item[0], item[1].result.loss))
    best = _falling([row.result.loss for _, row in in_order])
    dots = tuple(
        Dot(x=span.x(value), y=y(_drawn(row)), row=row, is_best=is_best)
        for (value, row), is_best in zip(in_order, best, strict=True)
    )
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    marks = (low + index * step for index in range(round((high - low) / step) + 1))
    return FieldChart(
        name=name,
        title=title,
        across_title=across_title,
        dots=dots,
        front=_staircase([dot for dot in dots if dot.is_best]),
        up=tuple(Tick(at=y(mark), label=f"{mark:.{decimals}f}") for mark in marks),
        across=tuple(ticks(span)),
        prize=y(PRIZE.loss) if low <= PRIZE.loss <= high else None,
        unknown=unknown,
    )


def _drawn(row: Row) -> float:
    """Its loss as far as a chart reaches."""
    return min(LARGEST, row.result.loss)


def _falling(losses: Sequence[float]) -> Iterator[bool]:
    """Whether each is lower than all before it."""
    best = math.inf
    for loss in losses:
        yield loss < best
        best = min(best, loss)


def _staircase(best: Sequence[Dot]) -> str:
    """Down to each of the best from the height of the one before, and on to the right edge."""
    corners: list[tuple[float, float]] = []
    for dot in best:
        if corners:
            corners.append((dot.x, corners[-1][1]))
        corners.append((dot.x, dot.y))
    corners.append((WIDTH - RIGHT, best[-1].y))
    return " ".join(f"{x:g},{y:g}" for x, y in corners)


def _powers_of_ten(span: _Span) -> Iterator[Tick]:
    """Whole powers; of a narrow span its ends."""
    powers = list(range(math.ceil(span.low), math.floor(span.high) + 1))
    step = math.ceil(len(powers) / _MOST_TICKS)
    if len(powers) < _LEAST_ROWS:
        for end in dict.fromkeys((span.low, span.high)):
            yield Tick(at=span.x(end), label=f"{10**end:.1e}".replace("e+", "e"))
    else:
        for power in powers[::step]:
            yield Tick(at=span.x(power), label=f"1e{power}")


def _days(span: _Span) -> Iterator[Tick]:
    """Whole days from the first on, evenly spaced; of years their months."""
    days = round((span.high - span.low) / _DAY_S)
    for number in range(0, days + 1, math.ceil(days / (_MOST_TICKS - 1))):
        at = span.low + number * _DAY_S
        day = datetime.fromtimestamp(at, timezone.utc)
        yield Tick(at=span.x(at), label=f"{day:%b %Y}" if days > _YEAR else f"{day.day} {day:%b}")
