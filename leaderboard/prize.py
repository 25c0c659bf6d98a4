"""Who crossed the prize line first: of private data only, and by what is announced there.

The mean decides, for the rule says "a loss below 8.0"; its interval is shown beside it. It counts as it is published:
a loss that is published as 8.00 is not below 8.0. Who wins is the organiser's say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from harness.results.report import GradeReport
from leaderboard.counting import by_run
from leaderboard.ladder import Announcements
from leaderboard.marks import Mark, is_forbidden, is_self_run, marks_of
from leaderboard.publishable import day_of
from leaderboard.references import PRIZE
from leaderboard.senders import Senders
from leaderboard.tracks import RANKED_BY


class Bar(str, Enum):
    """Why a grade cannot win, however low its loss; the value is its name in the exports."""

    PUBLIC_DATA = "public_data"
    WITHDRAWN = "withdrawn"
    SCORED_AGAIN = "scored_again"
    FORBIDDEN_REFERENCE = "forbidden_reference"
    ORGANISERS_OWN = "organisers_own"
    WANTS_NONE = "wants_none"
    SELF_RUN = "self_run"
    ORDER_LEAKS = "order_leaks"
    SOME_WINDOWS = "some_windows"

    @property
    def reason(self) -> str:
        """As a row says it after "no prize"."""
        return {
            Bar.PUBLIC_DATA: "everybody has this data",
            Bar.WITHDRAWN: "withdrawn",
            Bar.SCORED_AGAIN: "its answers were scored again, and that counts",
            Bar.FORBIDDEN_REFERENCE: "a forbidden reference",
            Bar.ORGANISERS_OWN: "the organiser's own",
            Bar.WANTS_NONE: "its manifest renounces it",
            Bar.SELF_RUN: "ran as a plain process, not in a container",
            Bar.ORDER_LEAKS: "not in an order that shows nothing ahead",
            Bar.SOME_WINDOWS: "not graded on all windows",
        }[self]


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The first grade below the line; `report` is in publishable form.

    Attributes:
        day: when its entry was run, as its midnight; a grade that scores answers again counts from then.
    """

    report: GradeReport
    day: str
    loss: float
    loss_ci: tuple[float, float]
    marks: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A loss below the line: what bars it, and who was first of those that nothing bars, which may be this grade."""

    bars: tuple[Bar, ...]
    first: Crossing | None


def bars(report: GradeReport, announced: Announcements) -> tuple[Bar, ...]:
    """Why it may not win. What may is on the whole private set, in windows that do not leak, isolated, by the rules,
    neither withdrawn nor scored again, and of somebody who wants the prize and is not the organiser."""
    origin = report.provenance
    holds = {
        Bar.PUBLIC_DATA: not announced.is_private(report),
        Bar.WITHDRAWN: report.grade_id in announced.withdrawn,
        Bar.SCORED_AGAIN: report.grade_id in announced.scored_again,
        Bar.FORBIDDEN_REFERENCE: is_forbidden(report),
        Bar.ORGANISERS_OWN: report.grade_id in announced.own,
        Bar.WANTS_NONE: not report.entry.eligible_for_prize,
        Bar.SELF_RUN: is_self_run(report),
        Bar.ORDER_LEAKS: origin.order_leaks is not False,
        Bar.SOME_WINDOWS: origin.max_windows is not None,
    }
    return tuple(bar for bar in Bar if holds[bar])


def first_below(
    reports: Iterable[GradeReport], senders: Senders, announced: Announcements
) -> Crossing | None:
    """The first below the line of the announced `reports` of one contest; None where none counts, as on public data.

    Of answers that were scored again the last scoring counts, and from the day on which the first was announced: a
    corrected mistake wins nothing, and an entry that was below the line from the beginning loses nothing.
    """
    in_time = sorted(reports, key=lambda each: each.finished_at)
    ran = {each.grade_id: each.finished_at for each in in_time}
    for report in by_run(in_time):
        day = ran[report.grade_id] = ran.get(report.regrade_of or "", report.finished_at)
        if bars(report, announced):
            continue
        public = announced.publishable(report)
        result = public.regimes[RANKED_BY]
        if result and result.loss < PRIZE.loss:
            marks = marks_of(report, other_sender=senders.is_other(report))
            return Crossing(
                report=public, day=day_of(day), loss=result.loss, loss_ci=result.loss_ci, marks=marks
            )
    return None


def claim_of(report: GradeReport, first: Crossing | None, announced: Announcements) -> Claim | None:
    """What becomes of its loss, where that is published and below the line; `first` of its contest, None if nobody."""
    result = announced.publishable(report).regimes.get(RANKED_BY)
    if result is None or result.loss >= PRIZE.loss:
        return None
    return Claim(bars=bars(report, announced), first=first)
