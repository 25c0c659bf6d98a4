"""Who crossed the prize line first: of private data only, and by what is announced there.

The mean decides, for the rule says "a loss below 8.0"; its interval is shown beside it. It counts as it is published:
a loss that is published as 8.00 is not below 8.0. Who wins is the organiser's say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.protocol.regimes import Regime
from harness.results.report import GradeReport
from leaderboard.ladder import Announcements
from leaderboard.marks import Mark, marks_of
from leaderboard.origins import Origin, origin_of
from leaderboard.references import PRIZE
from leaderboard.senders import Senders

_DECIDED_BY = Regime.TEMPORALLY_TEACHER_FORCED


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The first grade below the line; `report` is in publishable form."""

    report: GradeReport
    loss: float
    loss_ci: tuple[float, float]
    marks: tuple[Mark, ...]


def first_below(
    reports: Iterable[GradeReport], senders: Senders, announced: Announcements
) -> Crossing | None:
    """The first below the line of the announced `reports` of one contest; None where none counts, as on public data."""
    for report in sorted(reports, key=lambda each: each.finished_at):
        if not _counts(report, announced):
            continue
        public = announced.publishable(report)
        result = public.regimes[_DECIDED_BY]
        if result and result.loss < PRIZE.loss:
            marks = marks_of(report, other_sender=senders.is_other(report))
            return Crossing(report=public, loss=result.loss, loss_ci=result.loss_ci, marks=marks)
    return None


def _counts(report: GradeReport, announced: Announcements) -> bool:
    """Whether it may win: on the whole private set, in windows that do not leak, isolated, by the rules, not
    withdrawn, and by somebody who wants the prize and is not the organiser."""
    return (
        announced.is_private(report)
        and report.grade_id not in announced.withdrawn
        and report.grade_id not in announced.own
        and origin_of(report) is Origin.VERIFIED
        and report.provenance.order_leaks is False
        and report.provenance.max_windows is None
        and not report.entry.forbidden_reference
        and report.entry.eligible_for_prize
    )
