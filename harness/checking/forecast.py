"""What a grade of more windows would take, from how long a few took."""

from __future__ import annotations

from dataclasses import dataclass

from harness.protocol.regimes import Regime
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport

PUBLIC_VAL_WINDOWS = 243
"""In 1X's val_v1.1, by either schedule."""

CLOSE = 0.5
"""Share of a limit above which a forecast is close to it: another machine may take twice as long."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """How long one thing may take, in seconds, of how many are allowed."""

    expected_s: float
    allowed_s: float

    @property
    def is_over(self) -> bool:
        """Whether it would be stopped."""
        return self.expected_s > self.allowed_s

    @property
    def is_close(self) -> bool:
        """Whether it would be stopped, or might be on a slower machine."""
        return self.expected_s > CLOSE * self.allowed_s


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """One regime over `windows` windows.

    Both spans take time to grow with the windows served at once: an entry that answers many of them faster, as on a
    GPU, takes less.

    Attributes:
        regime_span: all questions that count, without loading, warming up and what is asked again.
        reply_span: one slow answer, with as many windows at once as the host serves; `max_batch` may be less.
        most_at_once: that many.
    """

    regime: Regime
    windows: int
    regime_span: Span
    reply_span: Span
    most_at_once: int


def forecast(report: GradeReport, *, windows: int) -> tuple[Forecast, ...]:
    """Each graded regime of this report over so many windows of segments of their own."""
    return tuple(
        _of_regime(report, regime, result, windows) for regime, result in report.regimes.items() if result
    )


def _of_regime(report: GradeReport, regime: Regime, result: RegimeReport, windows: int) -> Forecast:
    limits = report.provenance.limits
    draws = result.samples.draws if result.samples else 1
    frames = windows * draws * len(regime.targets())
    at_once = min(windows, int(limits["max_batch"]))
    return Forecast(
        regime=regime,
        windows=windows,
        regime_span=Span(
            expected_s=frames * result.seconds_per_frame, allowed_s=draws * float(limits["regime_s"])
        ),
        reply_span=Span(
            expected_s=result.reply_s_p95 * max(1.0, at_once / result.batch),
            allowed_s=float(limits["reply_s"]),
        ),
        most_at_once=at_once,
    )
