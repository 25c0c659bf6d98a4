"""The sampling track: entries ranked by LPIPS of the frames they imagine, where it was measured the same way.

LPIPS of one codec, or of one set of weights, says nothing beside that of another: such entries are ranked apart.
Where LPIPS is missing nothing else takes its place: PSNR and SSIM prefer blur, so those entries have no rank.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from harness.protocol.regimes import Regime
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport
from harness.scoring.perceptual import Metric
from leaderboard.bands import Band, bands, by_intervals
from leaderboard.counting import counting, ranks
from leaderboard.figures import FULL
from leaderboard.ladder import EVERYTHING, Announcements
from leaderboard.marks import Mark, marks_of, unranked_by
from leaderboard.measured import Measured, has_pictures, measured
from leaderboard.senders import EntryKey, Senders
from leaderboard.tracks import IMAGINED
from leaderboard.verdicts import Badge, badge_of

_BEFORE_PICTURES = "graded before pictures were measured"


@dataclass(frozen=True, kw_only=True)
class SamplingContest:
    """What must be the same for two LPIPS to be compared; `lpips_sha256` is None where LPIPS was not measured."""

    data_sha256: str | None
    schedule: str
    windows: int
    spec_version: str
    codec_sha256: str | None
    lpips_sha256: str | None


@dataclass(frozen=True, kw_only=True)
class SamplingRow:
    """One entry; `rank` is None where LPIPS was not measured, and for one with a mark of `UNRANKED`.

    `report` is in publishable form; `band` has the ranks that cannot be told from its own.
    """

    rank: int | None
    report: GradeReport
    marks: tuple[Mark, ...]
    band: Band | None = None

    @property
    def badge(self) -> Badge:
        """What the retrieval check says."""
        return badge_of(self.report)

    @property
    def unranked(self) -> Mark | None:
        """Why it has no rank, however its pictures were measured."""
        return unranked_by(self.marks)

    @property
    def result(self) -> RegimeReport:
        """The regime that ranks."""
        result = self.report.regimes[IMAGINED]
        if result is None:
            raise ValueError(f"grade {self.report.grade_id} has no {IMAGINED.value} pictures")
        return result

    @property
    def lpips(self) -> Measured | None:
        """What ranks."""
        return measured(self.result, Metric.LPIPS)

    @property
    def lpips_forced(self) -> Measured | None:
        """As 1X publishes it: every frame predicted from true ones."""
        return measured(self.report.regimes.get(Regime.TEMPORALLY_TEACHER_FORCED), Metric.LPIPS)

    @property
    def psnr(self) -> Measured | None:
        """Of the same frames, in decibels."""
        return measured(self.result, Metric.PSNR)

    @property
    def ssim(self) -> Measured | None:
        """Of the same frames."""
        return measured(self.result, Metric.SSIM)


@dataclass(frozen=True, kw_only=True)
class SamplingBoard:
    """One contest.

    Attributes:
        rows: best first; without a rank by user and entry.
        codec: what decoded the frames.
        why_unranked: of a board without ranks, why.
    """

    contest: SamplingContest
    data_name: str
    codec: str | None
    rows: tuple[SamplingRow, ...]
    why_unranked: tuple[str, ...] = ()

    @property
    def contenders(self) -> tuple[SamplingRow, ...]:
        """Those that have a rank, or would have one with LPIPS."""
        return tuple(row for row in self.rows if row.unranked is None)

    @property
    def is_ranked(self) -> bool:
        """Whether LPIPS was measured."""
        return self.contest.lpips_sha256 is not None

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What was measured of any of them."""
        return tuple(metric for metric in Metric if any(measured(row.result, metric) for row in self.rows))

    @property
    def latest(self) -> str:
        """When the last of them was graded."""
        return max(row.report.finished_at for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Entries of which no picture was measured, and why."""

    reason: str
    entries: int


def sampling_boards(
    finished: Iterable[GradeReport], senders: Senders, announced: Announcements = EVERYTHING
) -> tuple[tuple[SamplingBoard, ...], tuple[Unseen, ...]]:
    """The boards of grades whose pictures were measured, ranked ones first; and what keeps the others off them.

    An entry that is ranked does not stand without a rank beside it, for a grade that had no LPIPS.
    """
    imagined = [
        report for report in finished if report.regimes.get(IMAGINED) and announced.ranks_by_pictures(report)
    ]
    contests = counting(imagined, senders, sampling_contest, announced.withdrawn)
    ranked: dict[object, set[EntryKey]] = defaultdict(set)
    for contest, reports in contests.items():
        if contest.lpips_sha256:
            counted = (report for report in reports if report.grade_id not in announced.withdrawn)
            ranked[_place(contest)] |= {senders.key(report) for report in counted}
    seen = defaultdict(set, {place: set(keys) for place, keys in ranked.items()})
    boards = []
    for contest, reports in contests.items():
        shown = [report for report in reports if has_pictures(report.regimes[IMAGINED])]
        if not contest.lpips_sha256:
            shown = [report for report in shown if senders.key(report) not in ranked[_place(contest)]]
        seen[_place(contest)] |= {senders.key(report) for report in shown}
        if shown:
            boards.append(_board(contest, shown, senders, announced))
    unseen = Counter(
        reason
        for contest, reports in contests.items()
        for report in reports
        if senders.key(report) not in seen[_place(contest)]
        for reason in _why(announced.pictures_of(report))
    )
    boards.sort(key=lambda board: (board.is_ranked, len(board.contenders), board.latest), reverse=True)
    return tuple(boards), tuple(Unseen(reason=reason, entries=unseen[reason]) for reason in sorted(unseen))


def sampling_contest(report: GradeReport) -> SamplingContest:
    """Which contest the pictures of `report` are in."""
    result, provenance = report.regimes[IMAGINED], report.provenance
    ranked = measured(result, Metric.LPIPS) is not None
    return SamplingContest(
        data_sha256=provenance.data_sha256,
        schedule=provenance.schedule,
        windows=result.windows if result else 0,
        spec_version=provenance.spec_version,
        codec_sha256=provenance.codec_sha256,
        lpips_sha256=(provenance.lpips_sha256 or "unknown") if ranked else None,
    )


def _place(contest: SamplingContest) -> tuple[object, ...]:
    """The contest, however its pictures were measured."""
    return contest.data_sha256, contest.schedule, contest.windows, contest.spec_version


def _board(
    contest: SamplingContest, reports: list[GradeReport], senders: Senders, announced: Announcements
) -> SamplingBoard:
    public = {report.grade_id: announced.pictures_of(report) for report in reports}
    newest = public[max(reports, key=lambda report: report.finished_at).grade_id].provenance
    in_order = sorted(
        reports,
        key=lambda report: _order(report if announced.precision(report) is FULL else public[report.grade_id]),
    )
    marks = {
        report.grade_id: marks_of(
            report, other_sender=senders.is_other(report), withdrawn=announced.withdrawn
        )
        for report in in_order
    }
    figures = {
        report.grade_id: figure
        for report in in_order
        if unranked_by(marks[report.grade_id]) is None
        and (figure := measured(public[report.grade_id].regimes[IMAGINED], Metric.LPIPS))
    }
    places = ranks([figure.mean for figure in figures.values()])
    rank_of = dict(zip(figures, places, strict=True))
    apart = by_intervals([figure.ci for figure in figures.values()])
    band_of = dict(zip(figures, bands(places, apart), strict=True))
    rows = [
        SamplingRow(
            rank=rank_of.get(report.grade_id),
            report=public[report.grade_id],
            marks=marks[report.grade_id],
            band=band_of.get(report.grade_id),
        )
        for report in in_order
    ]
    unranked = contest.lpips_sha256 is None
    why = dict.fromkeys(reason for row in rows for reason in _why(row.report)) if unranked else {}
    return SamplingBoard(
        contest=contest,
        data_name=newest.data_name or "",
        codec=newest.codec,
        rows=tuple(rows),
        why_unranked=tuple(why),
    )


def _order(report: GradeReport) -> tuple[float, str, str, str]:
    """By LPIPS, as exact as it may be told; without it by name, which says nothing of the pictures."""
    exact = _lpips(report)
    if exact is not None:
        return exact, report.finished_at, report.grade_id, ""
    entry = report.entry
    return 0.0, entry.user_name or "", entry.entry_name or "", report.grade_id


def _lpips(report: GradeReport) -> float | None:
    found = measured(report.regimes[IMAGINED], Metric.LPIPS)
    return found.mean if found else None


def _why(report: GradeReport) -> list[str]:
    """Why it has no LPIPS."""
    result = report.regimes[IMAGINED]
    reason = (result.missing_metrics if result else {}).get(Metric.LPIPS.value)
    return [reason or _BEFORE_PICTURES]
