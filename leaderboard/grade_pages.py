"""What the page of one grade shows beside the record itself: its places, its rivals, its charts and maps."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.protocol.regimes import Regime
from harness.results.report import GradeReport
from leaderboard.bands import Band
from leaderboard.counting import by_run
from leaderboard.curves import Chart
from leaderboard.gaps import Gap, gaps
from leaderboard.ladder import EVERYTHING, Announcements
from leaderboard.marks import Mark, marks_of, unranked_by
from leaderboard.positions import PositionMap, position_maps
from leaderboard.retrieval_pages import RetrievalPage, retrieval_page
from leaderboard.rivals import loss_chart, metric_charts, rivals_of
from leaderboard.samples import Gallery, Sample
from leaderboard.senders import Senders, is_published
from leaderboard.standings import Standings
from leaderboard.val_losses import val_losses
from leaderboard.verdicts import Badge, badge_of
from leaderboard.withdrawn import Struck

HISTORY = 20
"""Grades of an entry that its pages list, the latest ones."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a grade stands in a track; `rank` is None where it is listed without one, `band` as in `Row`."""

    track: str
    page: str
    anchor: str
    data_name: str
    rank: int | None
    entries: int
    band: Band | None = None


@dataclass(frozen=True, kw_only=True)
class GradePage:
    """Everything on the page of one grade.

    Attributes:
        report: in publishable form.
        announced: whether its figures are published; without, there are none anywhere on the page.
        places: on the boards; none where a later grade of the entry stands there, or nothing ranks it.
        history: the latest `HISTORY` published grades of the entry, the latest first.
        untold: the ids of those in `history` that are not announced.
        latest: the id of the entry's latest published grade on the same data and schedule, which may be this one.
        loss: by frame, in every regime.
        metrics: of the frames it imagines, by frame beside the other entries of the same contest.
        maps: where in the frame its losses lie, of data that is shown.
        samples: strips that may be published, of a grade that stands on a board; those of all would be too many.
        badge: what the retrieval check says; None for a grade that stopped, and for the open protocol.
        retrieval: None where it was not checked.
        struck: when and why the organiser withdrew it; None where it counts.
        measured_val_loss: of the same submission on the public validation set, None where it was not graded there;
            to be held beside what its entrant claims.
    """

    report: GradeReport
    announced: bool
    marks: tuple[Mark, ...]
    places: tuple[Place, ...]
    history: tuple[GradeReport, ...]
    untold: frozenset[str]
    latest: str
    loss: Chart | None
    metrics: tuple[Chart, ...]
    gaps: tuple[Gap, ...]
    maps: Mapping[Regime, PositionMap]
    samples: tuple[Sample, ...]
    badge: Badge | None
    retrieval: RetrievalPage | None
    struck: Struck | None
    measured_val_loss: float | None

    @property
    def unranked(self) -> Mark | None:
        """Why it has no rank on any board."""
        return unranked_by(self.marks)

    @property
    def is_latest(self) -> bool:
        """Whether no later grade of the entry on the same data and schedule is published."""
        return self.latest == self.report.grade_id


def grade_pages(
    reports: Sequence[GradeReport],
    standings: Standings,
    *,
    gallery: Gallery | None = None,
    store: Path | None = None,
    announced: Announcements = EVERYTHING,
) -> Iterator[GradePage]:
    """A page for every published grade of `reports` (oldest first), one after the other.

    `store` is the folder that holds the losses of every token; maps are made of them where the gallery shows the data.
    """
    shown = [report for report in reports if is_published(report)]
    senders = announced.senders(report for report in reports if not report.failure)
    histories: dict[object, list[GradeReport]] = defaultdict(list)
    latest = {_attempt(report, senders): report.grade_id for report in by_run(shown)}
    public = {report.grade_id: announced.publishable(report) for report in shown}
    for report in reversed(shown):
        histories[senders.key(report)].append(public[report.grade_id])
    untold = frozenset(each.grade_id for each in standings.unannounced)
    places = _places(standings)
    measured = val_losses(reports, announced)
    rivals = rivals_of(standings.sampling)
    gallery = gallery or Gallery()
    for exact in shown:
        report = public[exact.grade_id]
        standing = tuple(places[report.grade_id])
        shows, is_told = gallery.disclosure.covers(exact), announced.ranks_by_loss(exact)
        precision = announced.precision(exact)
        yield GradePage(
            report=report,
            announced=is_told,
            marks=marks_of(
                exact,
                other_sender=not exact.failure and senders.is_other(exact),
                withdrawn=announced.withdrawn,
            ),
            places=standing,
            history=tuple(histories[senders.key(exact)][:HISTORY]),
            untold=untold,
            latest=latest[_attempt(exact, senders)],
            loss=loss_chart(report),
            metrics=metric_charts(report, rivals),
            gaps=gaps(exact, precision) if is_told else (),
            maps=position_maps(exact, store) if store and shows and is_told else {},
            samples=gallery.samples.get(report.grade_id, ()) if standing else (),
            badge=None if exact.failure or exact.open_run else badge_of(exact),
            retrieval=retrieval_page(
                exact,
                windows_shown=shows,
                pictures=gallery.sources.get(report.grade_id, ()) if standing else (),
                precision=precision,
            )
            if is_told
            else None,
            struck=announced.withdrawn.get(report.grade_id),
            measured_val_loss=measured.get(exact.provenance.submission_sha256),
        )


def _attempt(report: GradeReport, senders: Senders) -> object:
    """What a later grade of the entry stands in for: one on the same data, windows chosen alike, asked alike."""
    origin = report.provenance
    return senders.key(report), origin.data_sha256, origin.schedule, origin.protocol


def _places(standings: Standings) -> dict[str, list[Place]]:
    places: dict[str, list[Place]] = defaultdict(list)
    for number, board in enumerate(standings.boards, start=1):
        ranked = len(board.contenders)
        for row in board.rows:
            places[row.report.grade_id].append(
                Place(
                    track="Compression",
                    page="index.html",
                    anchor=f"board-{number}",
                    data_name=board.data_name,
                    rank=row.rank,
                    band=row.band,
                    entries=ranked,
                )
            )
    for number, sampled in enumerate(standings.sampling, start=1):
        ranked = len(sampled.contenders)
        for sampled_row in sampled.rows:
            places[sampled_row.report.grade_id].append(
                Place(
                    track="Sampling",
                    page="sampling.html",
                    anchor=f"sampling-{number}",
                    data_name=sampled.data_name,
                    rank=sampled_row.rank,
                    band=sampled_row.band,
                    entries=ranked,
                )
            )
    return places
