"""Curves over the frames of a window: where their strokes and labels go, and the same in figures.

The template draws them, so that all text stays escaped by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, lru_cache

WIDTH, HEIGHT = 420.0, 210.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 12.0, 10.0, 34.0
_TICKS = 4


class Part(str, Enum):
    """What a curve is in its chart; the value is its class in the style sheet."""

    OWN = "own"
    OWN_SECOND = "own-second"
    OWN_THIRD = "own-third"
    RIVAL = "rival"


@dataclass(frozen=True, kw_only=True)
class Curve:
    """`values` of the frames from `first_frame` on; another entry's is `by` its user."""

    name: str
    part: Part
    first_frame: int
    values: tuple[float, ...]
    by: str | None = None

    @property
    def frames(self) -> range:
        """The frames it has values of."""
        return range(self.first_frame, self.first_frame + len(self.values))


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """A drawn curve: `points` of an SVG polyline, and its dots."""

    curve: Curve
    points: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves on common axes.

    Attributes:
        title, unit: what is drawn; `better` says which way is better.
        frames: every frame that a curve has a value of.
        curves: the most important first.
        strokes: the same in the order they are drawn: the entry's own above the others, dashed ones above solid ones.
        across, up: the ticks of the axes.
        decimals: of its figures.
    """

    name: str
    title: str
    unit: str
    better: str
    frames: range
    curves: tuple[Curve, ...]
    strokes: tuple[Stroke, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    decimals: int

    @property
    def own(self) -> tuple[Curve, ...]:
        """Those of the entry itself."""
        return tuple(curve for curve in self.curves if curve.part is not Part.RIVAL)

    @property
    def rivals(self) -> int:
        """How many are of other entries."""
        return len(self.curves) - len(self.own)

    @property
    def in_words(self) -> str:
        """The first of its curves, for those who do not see it."""
        curve = self.curves[0]
        first, last = (f"{value:.{self.decimals}f}" for value in (curve.values[0], curve.values[-1]))
        others = len(self.curves) - 1
        beside = f"; beside {others} other{'s' if others > 1 else ''}" if others else ""
        return (
            f"{self.title} by frame ({self.unit}): {curve.name} from {first} at frame {curve.frames[0]} "
            f"to {last} at frame {curve.frames[-1]}{beside}. All figures are in the table below."
        )

    def cells(self, curve: Curve) -> tuple[str, ...]:
        """The curve's figure for each of the chart's frames, empty where it has none."""
        return _cells(curve.values, curve.first_frame, self.frames, self.decimals)


@lru_cache(maxsize=1024)  # the best entries stand on the pages of all others
def _cells(values: tuple[float, ...], first_frame: int, frames: range, decimals: int) -> tuple[str, ...]:
    known = range(first_frame, first_frame + len(values))
    return tuple(f"{values[frame - first_frame]:.{decimals}f}" if frame in known else "" for frame in frames)


def chart(
    curves: Sequence[Curve], *, name: str, title: str, unit: str, better: str, decimals: int
) -> Chart | None:
    """The chart of these curves, the most important first; None without any."""
    if not curves:
        return None
    axes = _axes(curves)
    return Chart(
        name=name,
        title=title,
        unit=unit,
        better=better,
        frames=axes.frames,
        curves=tuple(curves),
        strokes=tuple(
            _stroke(curve, axes) for curve in sorted(curves, key=lambda curve: curve.part is not Part.RIVAL)
        ),
        across=tuple(Tick(at=x, label=str(frame)) for x, frame in zip(axes.across, axes.frames, strict=True)),
        up=tuple(axes.ticks()),
        decimals=decimals,
    )


@dataclass(frozen=True, kw_only=True)
class _Axes:
    """Frames to the right; values from `low` to `high` upwards, with a tick every `step`."""

    frames: range
    low: float
    high: float
    step: float

    @cached_property
    def across(self) -> tuple[float, ...]:
        """Where each of the frames lies."""
        return tuple(map(self.x, self.frames))

    def x(self, frame: int) -> float:
        """Where a frame lies."""
        share = (frame - self.frames[0]) / (len(self.frames) - 1) if len(self.frames) > 1 else 0.5
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        """Where a value lies."""
        share = (value - self.low) / (self.high - self.low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP), 1)

    def ticks(self) -> Iterator[Tick]:
        """Of the values, the lowest first, with no more decimals than the step has."""
        places = max(0, -math.floor(math.log10(self.step) + 1e-9))
        for index in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + index * self.step
            yield Tick(at=self.y(value), label=f"{value:.{places}f}")


def _axes(curves: Sequence[Curve]) -> _Axes:
    """The axes that hold all of these curves."""
    values = [value for curve in curves for value in curve.values]
    step, low, high = axis(min(values), max(values))
    first, last = min(curve.frames[0] for curve in curves), max(curve.frames[-1] for curve in curves)
    return _Axes(frames=range(first, last + 1), low=low, high=high, step=step)


@lru_cache(maxsize=1024)  # as with `_cells`
def _stroke(curve: Curve, axes: _Axes) -> Stroke:
    """The drawn curve; dots are the entry's own alone, those of all others would hide them."""
    begin = curve.first_frame - axes.frames[0]
    across = axes.across[begin : begin + len(curve.values)]
    dots = tuple(zip(across, map(axes.y, curve.values), strict=True))
    points = " ".join(f"{x:g},{y:g}" for x, y in dots)
    return Stroke(curve=curve, points=points, dots=dots if curve.part is not Part.RIVAL else ())


def dot_path(dots: Iterable[tuple[float, float]]) -> str:
    """One SVG path of lines without length: their round ends are dots."""
    return "".join(f"M{x:g} {y:g}h0" for x, y in dots)


def grid(up: Iterable[Tick]) -> str:
    """One SVG path of the level lines through these ticks."""
    return "".join(f"M{LEFT:g} {tick.at:g}H{WIDTH - RIGHT:g}" for tick in up)


def axis(low: float, high: float, *, ticks: int = _TICKS) -> tuple[float, float, float]:
    """The step between ticks, 1, 2 or 5 times a power of ten, and the ends of the axis, multiples of it."""
    span = max(high - low, abs(high) * 1e-3, 1e-6)
    power = 10.0 ** math.floor(math.log10(span / ticks))
    step = next(power * times for times in (1, 2, 5, 10) if power * times * ticks >= span * (1 - 1e-9))
    begin = math.floor(low / step + 1e-9) * step
    end = math.ceil(high / step - 1e-9) * step
    return step, begin, end if end > begin else begin + step
