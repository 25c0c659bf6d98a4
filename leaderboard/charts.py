"""Where the strokes of the small charts go; the template draws them, so that all text stays escaped by it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from harness.results.regime_report import RegimeReport
from harness.spec import CHALLENGE
from leaderboard.figures import LARGEST
from leaderboard.references import PRIZE
from leaderboard.sampling import SamplingBoard, SamplingRow
from leaderboard.standings import Board, no_worse_than_guessing

WIDTH = 100.0
SPARK_WIDTH = 74.0
HEIGHT = 24.0
_PADDING = 2.0
_LEAST_SPAN = 1.0
"""Nats per token that a board's interval axis shows at least, or a lone entry's interval would fill it."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Losses from `low` to `high` in nats per token, the same for every row of a board."""

    low: float
    high: float

    def along(self, loss: float, length: float) -> float:
        """Where `loss` lies on an axis of `length`, the smallest at 0."""
        share = (loss - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(_PADDING + min(1.0, max(0.0, share)) * (length - 2 * _PADDING), 1)


@dataclass(frozen=True, kw_only=True)
class Whisker:
    """An interval and its mean on a horizontal axis of `WIDTH`."""

    low: float
    mean: float
    high: float


@dataclass(frozen=True, kw_only=True)
class BoardScales:
    """The axes of a board.

    Attributes:
        interval: of the rows' intervals.
        by_frame_span: nats per token from the bottom to the top of a sparkline, whose middle is its own row's.
    """

    interval: Scale
    by_frame_span: float

    def whisker(self, result: RegimeReport) -> Whisker:
        """The interval of one row."""
        low, mean, high = (
            self.interval.along(loss, WIDTH) for loss in (result.loss_ci[0], result.loss, result.loss_ci[1])
        )
        return Whisker(low=low, mean=mean, high=high)

    @property
    def prize(self) -> float | None:
        """Where the prize line lies on the axis of the intervals; None where it is off the scale."""
        shown = self.interval.low <= PRIZE.loss <= self.interval.high
        return self.interval.along(PRIZE.loss, WIDTH) if shown else None

    def sparkline(self, result: RegimeReport) -> str:
        """An SVG path in a `SPARK_WIDTH` by `HEIGHT` box: frames to the right, larger losses higher."""
        frames = CHALLENGE.window - 1
        losses = result.loss_by_frame
        middle = (min(losses) + max(losses)) / 2
        axis = Scale(low=middle - self.by_frame_span / 2, high=middle + self.by_frame_span / 2)
        points = []
        for index, loss in enumerate(losses):
            along = (result.first_frame + index - 1) / max(1, frames - 1)
            x = _PADDING + along * (SPARK_WIDTH - 2 * _PADDING)
            points.append((x, HEIGHT - axis.along(loss, HEIGHT)))
        return _path(points)


def scales(board: Board) -> BoardScales:
    """The axes that hold every row of `board`, in all regimes, as far as losses are shown.

    What has no rank has no interval drawn, and what is worse than guessing has it at the axis' end: their losses would
    leave the others no room.
    """
    results = [result for row in board.rows for result in row.report.regimes.values() if result]
    ranked = board.contenders or board.rows
    drawn = no_worse_than_guessing(ranked)
    low = min(LARGEST, *(row.result.loss_ci[0] for row in drawn))
    high = min(LARGEST, max(row.result.loss_ci[1] for row in drawn))
    spare = max(0.0, _LEAST_SPAN - (high - low)) / 2
    return BoardScales(
        interval=Scale(low=low - spare, high=high + spare),
        by_frame_span=max(max(result.loss_by_frame) - min(result.loss_by_frame) for result in results),
    )


@dataclass(frozen=True, kw_only=True)
class SamplingScales:
    """The axes of a board of the sampling track: LPIPS from its smallest to its largest."""

    interval: Scale
    by_frame: Scale

    def whisker(self, row: SamplingRow) -> Whisker | None:
        """The interval of one row."""
        if row.lpips is None:
            return None
        low, mean, high = (
            self.interval.along(value, WIDTH) for value in (row.lpips.ci[0], row.lpips.mean, row.lpips.ci[1])
        )
        return Whisker(low=low, mean=mean, high=high)

    def sparkline(self, row: SamplingRow) -> str:
        """An SVG path in a `SPARK_WIDTH` by `HEIGHT` box: frames to the right, larger LPIPS higher."""
        values = row.lpips.by_frame if row.lpips else ()
        across = Scale(low=0, high=len(values) - 1)
        return _path(
            [
                (across.along(index, SPARK_WIDTH), HEIGHT - self.by_frame.along(value, HEIGHT))
                for index, value in enumerate(values)
            ]
        )


def sampling_scales(board: SamplingBoard) -> SamplingScales:
    """The axes that hold every row of `board`; intervals as on the other boards."""
    known = [row.lpips for row in board.rows if row.lpips]
    ends = [end for row in board.contenders if row.lpips for end in row.lpips.ci] or [0.0]
    values = [value for lpips in known for value in lpips.by_frame] or [0.0]
    return SamplingScales(
        interval=Scale(low=min(ends), high=max(ends)), by_frame=Scale(low=min(values), high=max(values))
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    """A line through these points, relative and in half pixels: a page has thousands, and nobody sees less."""
    halves = [(round(2 * x), round(2 * y)) for x, y in points]
    if not halves:
        return ""
    steps = [
        f"{(x - before_x) / 2:g},{(y - before_y) / 2:g}"
        for (before_x, before_y), (x, y) in itertools.pairwise(halves)
    ]
    begin = f"M{halves[0][0] / 2:g},{halves[0][1] / 2:g}"
    return (begin + "l" + " ".join(steps)).replace(",-", "-").replace(" -", "-") if steps else begin + "h0"
