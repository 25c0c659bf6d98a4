"""Who stands where: grades of the same windows are ranked together, the latest grade of each entry counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport
from harness.spec import CHALLENGE
from leaderboard.bands import Band, bands, by_intervals, by_windows
from leaderboard.counting import counting, ranks
from leaderboard.figures import FULL
from leaderboard.ladder import EVERYTHING, Announcements
from leaderboard.left_out import Failed, Unannounced, failed_of, unannounced_of
from leaderboard.marks import Mark, marks_of, unranked_by
from leaderboard.open_rows import OpenRow, open_rows
from leaderboard.origins import Origin, origin_of
from leaderboard.prize import Claim, Crossing, claim_of, first_below
from leaderboard.publishable import day_of
from leaderboard.references import LINES, Line
from leaderboard.sampling import SamplingBoard, Unseen, sampling_boards
from leaderboard.senders import Senders, is_published
from leaderboard.tracks import RANKED_BY
from leaderboard.val_losses import val_losses
from leaderboard.verdicts import Badge, badge_of


@dataclass(frozen=True, kw_only=True)
class Contest:
    """What must be the same for two losses to be compared: the clip, its windows, the challenge's numbers."""

    data_sha256: str | None
    schedule: str
    windows: int
    spec_version: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One entry. Entries whose published losses are equal share a rank; `report` is in publishable form.

    One with a mark of `UNRANKED` has no rank, and stands where its loss would.

    Attributes:
        band: the ranks that cannot be told from its own; None without a rank.
        measured_val_loss: of the same submission, to be held beside the claimed one; None where there is none.
        claim: what becomes of a loss below the prize line; None above it.
    """

    rank: int | None
    report: GradeReport
    marks: tuple[Mark, ...]
    band: Band | None = None
    measured_val_loss: float | None = None
    claim: Claim | None = None

    @property
    def badge(self) -> Badge:
        """What the retrieval check says."""
        return badge_of(self.report)

    @property
    def unranked(self) -> Mark | None:
        """Why it has no rank."""
        return unranked_by(self.marks)

    @property
    def origin(self) -> Origin:
        """What stands behind its figures."""
        return origin_of(self.report)

    @property
    def result(self) -> RegimeReport:
        """The regime that ranks."""
        return _ranking_result(self.report)


@dataclass(frozen=True, kw_only=True)
class Board:
    """One contest.

    Attributes:
        listing: its rows, best first, with the lines drawn through it at their places.
        is_private: whether not everybody has the data; only there the prize line can be crossed.
        crossing: who did so first, who may win.
    """

    contest: Contest
    data_name: str
    listing: tuple[Row | Line, ...]
    is_private: bool = False
    crossing: Crossing | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """The entries, best first."""
        return tuple(item for item in self.listing if isinstance(item, Row))

    @property
    def contenders(self) -> tuple[Row, ...]:
        """Those that have a rank."""
        return tuple(row for row in self.rows if row.unranked is None)

    @property
    def barred(self) -> int:
        """How many of them are below the prize line and cannot win."""
        return sum(bool(row.claim and row.claim.bars) for row in self.rows)

    @property
    def latest(self) -> str:
        """When the last of them was graded."""
        return max(row.report.finished_at for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Standings:
    """Everything the page shows.

    Attributes:
        boards: of the compression track, the one with the most entries first.
        sampling: the boards of the sampling track; `unseen` says what keeps entries off them.
        opened: grades of the open protocol, which rank nowhere, by name.
        failed, unannounced: the latest first.
        not_ranked: grades that finished without the regime that ranks.
        not_charged: grades that stopped through no fault of their entry; nobody's business but the organiser's.
        of_nobody: submissions that could not be read, so that nobody knows whose they are; the organiser's too.
        latest: when the last grade of the other kinds ended, None where there is none.
    """

    boards: tuple[Board, ...]
    sampling: tuple[SamplingBoard, ...]
    unseen: tuple[Unseen, ...]
    opened: tuple[OpenRow, ...]
    failed: tuple[Failed, ...]
    unannounced: tuple[Unannounced, ...]
    not_ranked: int
    not_charged: int
    of_nobody: int
    latest: str | None

    def first_below(self, report: GradeReport) -> Crossing | None:
        """Who crossed the prize line first in the contest of this grade, which has a loss."""
        contest = _contest(report)
        return next((board.crossing for board in self.boards if board.contest == contest), None)


def standings(reports: Iterable[GradeReport], announced: Announcements = EVERYTHING) -> Standings:
    """The standings after `reports`, which come oldest first, as far as they are announced."""
    every = list(reports)
    published = [report for report in every if is_published(report)]
    of_nobody = sum(report.is_of_nobody for report in every)
    finished = [report for report in every if not report.failure]
    with_loss = [report for report in finished if report.regimes.get(RANKED_BY)]
    ranked = [report for report in with_loss if announced.ranks_by_loss(report)]
    senders = announced.senders(finished)
    measured = val_losses(every, announced)
    of_contest: dict[Contest, list[GradeReport]] = defaultdict(list)
    for report in ranked:
        of_contest[_contest(report)].append(report)
    boards = [
        _board(
            contest, those, senders, announced, measured, first_below(of_contest[contest], senders, announced)
        )
        for contest, those in counting(ranked, senders, _contest, announced.withdrawn).items()
    ]
    boards.sort(key=lambda board: (len(board.contenders), board.contest.windows, board.latest), reverse=True)
    sampling, unseen = sampling_boards(finished, senders, announced)
    return Standings(
        boards=tuple(boards),
        sampling=sampling,
        unseen=unseen,
        opened=open_rows(finished, senders, announced),
        failed=tuple(failed_of(report) for report in reversed(published) if report.failure),
        unannounced=tuple(
            unannounced_of(report)
            for report in reversed(finished)
            if not report.open_run and not announced.is_announced(report)
        ),
        not_ranked=len(finished) - len(with_loss) - sum(report.open_run is not None for report in finished),
        not_charged=len(every) - len(published) - of_nobody,
        of_nobody=of_nobody,
        latest=max((day_of(report.finished_at) for report in published), default=None),
    )


def no_worse_than_guessing(rows: Sequence[Row]) -> Sequence[Row]:
    """What is drawn of `rows`: the others would leave these no room. All, where nothing else is there."""
    return [row for row in rows if row.result.loss <= CHALLENGE.uniform_loss] or rows


def _ranking_result(report: GradeReport) -> RegimeReport:
    result = report.regimes[RANKED_BY]
    if result is None:
        raise ValueError(f"grade {report.grade_id} has no {RANKED_BY.value} loss to be ranked by")
    return result


def _contest(report: GradeReport) -> Contest:
    return Contest(
        data_sha256=report.provenance.data_sha256,
        schedule=report.provenance.schedule,
        windows=_ranking_result(report).windows,
        spec_version=report.provenance.spec_version,
    )


def _board(
    contest: Contest,
    reports: list[GradeReport],
    senders: Senders,
    announced: Announcements,
    measured: Mapping[str | None, float],
    crossing: Crossing | None,
) -> Board:
    """Ranked by loss; whose published losses are equal, are equal. Of private data the order tells no more either."""

    def place(report: GradeReport) -> float:
        is_exact = announced.precision(report) is FULL
        return _ranking_result(report if is_exact else announced.publishable(report)).loss

    newest = max(reports, key=lambda report: report.finished_at)
    placed: list[tuple[float, str, Row | Line]] = [(line.loss, "", line) for line in LINES]
    in_order = sorted(reports, key=lambda report: (place(report), report.finished_at, report.grade_id))
    public = [announced.publishable(report) for report in in_order]
    marks = {
        exact.grade_id: marks_of(exact, other_sender=senders.is_other(exact), withdrawn=announced.withdrawn)
        for exact in in_order
    }
    contenders = [exact for exact in in_order if unranked_by(marks[exact.grade_id]) is None]
    rank_of, band_of = _ranked(contenders, announced)
    for number, (exact, report) in enumerate(zip(in_order, public, strict=True)):
        row = Row(
            rank=rank_of.get(report.grade_id),
            report=report,
            marks=marks[report.grade_id],
            band=band_of.get(report.grade_id),
            measured_val_loss=measured.get(report.provenance.submission_sha256),
            claim=claim_of(exact, crossing, announced),
        )
        placed.append((place(exact), f"{number:09}", row))
    placed.sort(key=lambda item: item[:2])  # a line before the rows that only reach it
    return Board(
        contest=contest,
        data_name=announced.publishable(newest).provenance.data_name or "",
        listing=tuple(item for _, _, item in placed),
        is_private=announced.is_private(newest),
        crossing=crossing,
    )


def _ranked(
    contenders: Sequence[GradeReport], announced: Announcements
) -> tuple[Mapping[str, int], Mapping[str, Band]]:
    """The rank and the band of each, best first, by their ids."""
    ids = [report.grade_id for report in contenders]
    public = [_ranking_result(announced.publishable(report)) for report in contenders]
    places = ranks([result.loss for result in public])
    if any(map(announced.is_private, contenders)):
        apart = by_intervals([result.loss_ci for result in public])
    else:
        apart = by_windows([_ranking_result(report) for report in contenders])
    return dict(zip(ids, places, strict=True)), dict(zip(ids, bands(places, apart), strict=True))
