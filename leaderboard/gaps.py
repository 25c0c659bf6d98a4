"""What an entry's own mistakes cost it, and what the true tokens beside a token are worth to it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from harness.protocol.regimes import Regime
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport
from leaderboard.figures import FULL, Figure, Precision, decimals_of, rounded, rounded_frame


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How much more one regime costs than another on the same frames, in nats per token.

    Attributes:
        first, last: the frames compared.
        loss, base_loss: of the two regimes, over those frames, as they are published.
        at_first, at_last: the difference of what is published, on these frames.
    """

    regime: Regime
    base: Regime
    meaning: str
    first: int
    last: int
    loss: float
    base_loss: float
    at_first: float
    at_last: float

    @property
    def difference(self) -> float:
        """Positive where `regime` costs more."""
        return Figure(self.loss - self.base_loss, decimals_of(self.loss, FULL.loss))


_MEANINGS = {
    Regime.FULLY_AUTOREGRESSIVE: "what its own predictions cost it, in place of the true frames",
    Regime.FULLY_TEACHER_FORCED: "what the true tokens before a token are worth to it; less than zero is a gain",
}


def gaps(report: GradeReport, precision: Precision = FULL) -> tuple[Gap, ...]:
    """Each other regime against the temporally teacher-forced one, as far as they were graded; `report` as recorded."""
    base = report.regimes.get(Regime.TEMPORALLY_TEACHER_FORCED)
    others = ((regime, report.regimes.get(regime)) for regime in _MEANINGS)
    return tuple(_gap(regime, result, base, precision) for regime, result in others if result and base)


def _gap(regime: Regime, result: RegimeReport, base: RegimeReport, precision: Precision) -> Gap:
    first = max(result.first_frame, base.first_frame)
    losses = result.loss_by_frame[first - result.first_frame :]
    base_losses = base.loss_by_frame[first - base.first_frame :]
    return Gap(
        regime=regime,
        base=Regime.TEMPORALLY_TEACHER_FORCED,
        meaning=_MEANINGS[regime],
        first=first,
        last=first + len(losses) - 1,
        loss=rounded(fmean(losses), precision),
        base_loss=rounded(fmean(base_losses), precision),
        at_first=_difference(losses[0], base_losses[0], precision),
        at_last=_difference(losses[-1], base_losses[-1], precision),
    )


def _difference(loss: float, base_loss: float, precision: Precision) -> Figure:
    """Of the losses of one frame."""
    return Figure(rounded_frame(loss, precision) - rounded_frame(base_loss, precision), precision.frame)
