"""What the page of one grade shows beside the record itself: its places, its rivals, its charts and maps."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from harness.protocol.regimes import Regime
from harness.results.report import GradeReport
from leaderboard.bands import Band
from leaderboard.counting import by_run
from leaderboard.curves import Chart
from leaderboard.gaps import Gap, gaps
from leaderboard.ladder import EVERYTHING, Announcements
from leaderboard.marks import Mark, marks_of, unranked_by
from leaderboard.positions import PositionMap, position_maps
from leaderboard.prize import Claim, claim_of
from leaderboard.retrieval_pages import RetrievalPage, retrieval_page
from leaderboard.rivals import Rivals, loss_chart, metric_charts, rivals_of
from leaderboard.samples import Gallery, Sample
from leaderboard.sampling import SamplingBoard
from leaderboard.senders import Senders, is_published
from leaderboard.standings import Board, Standings
from leaderboard.tracks import RANKED_BY
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
        badge: what the retrieval check says; None for a grade that stopped, for the open protocol, and where no figure
            is published.
        retrieval: None where it was not checked.
        struck: when and why the organiser withdrew it, or the grade whose answers it scores again; None where it
            counts.
        claim: what becomes of its loss, where that is published and below the prize line.
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
    claim: Claim | None
    measured_val_loss: float | None

    @property
    def unranked(self) -> Mark | None:
        """Why it has no rank on any board."""
        return unranked_by(self.marks)

    @property
    def untold_probe(self) -> bool:
        """Whether figures of the second serving are withheld."""
        return any(math.isnan(each.state_probe.mean_gain) for each in self.report.regimes.values() if each)

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
) -> Sequence[GradePage]:
    """A page for every published grade of `reports` (oldest first), each made when it is asked for.

    `store` is the folder that holds the losses of every token; maps are made of them where the gallery shows the data.
    """
    field = _field(reports, standings, announced)
    make = partial(_grade_page, field=field, gallery=gallery or Gallery(), store=store)
    return _Pages(tuple(filter(is_published, reports)), make)


class _Pages(Sequence[GradePage]):
    """What `make` makes of the reports, in their order; a thousand pages at once would fill the memory."""

    def __init__(self, reports: Sequence[GradeReport], make: Callable[[GradeReport], GradePage]) -> None:
        self._reports = reports
        self._make = make

    def __len__(self) -> int:
        return len(self._reports)

    def __getitem__(self, index: Any) -> Any:
        return self._make(self._reports[index])

    def __iter__(self) -> Iterator[GradePage]:
        """Not Sequence's own, for which an IndexError while a page is made is the end of all."""
        return map(self._make, self._reports)


@dataclass(frozen=True, kw_only=True)
class _Field:
    """All other grades, as far as the page of one needs them.

    Attributes:
        histories: the latest `HISTORY` published grades of each entry.
        latest: the id of each entry's latest published grade, by what it stands in for.
        measured: the losses of submissions on the public validation set.
    """

    announced: Announcements
    standings: Standings
    senders: Senders
    histories: Mapping[object, tuple[GradeReport, ...]]
    latest: Mapping[object, str]
    untold: frozenset[str]
    places: Mapping[str, tuple[Place, ...]]
    rivals: Rivals
    measured: Mapping[str | None, float]


def _field(reports: Sequence[GradeReport], standings: Standings, announced: Announcements) -> _Field:
    shown = [report for report in reports if is_published(report)]
    senders = announced.senders(report for report in reports if not report.failure)
    histories: dict[object, list[GradeReport]] = defaultdict(list)
    for report in reversed(shown):
        histories[senders.key(report)].append(announced.publishable(report))
    return _Field(
        announced=announced,
        standings=standings,
        senders=senders,
        histories={entry: tuple(those[:HISTORY]) for entry, those in histories.items()},
        latest={_attempt(report, senders): report.grade_id for report in by_run(shown)},
        untold=frozenset(each.grade_id for each in standings.unannounced),
        places=_places(standings),
        rivals=rivals_of(standings.sampling),
        measured=val_losses(reports, announced),
    )


def _grade_page(exact: GradeReport, field: _Field, *, gallery: Gallery, store: Path | None) -> GradePage:
    """The page of one grade, given with all digits."""
    announced, senders, grade_id = field.announced, field.senders, exact.grade_id
    report, standing = announced.publishable(exact), field.places.get(grade_id, ())
    shows, is_told = gallery.disclosure.covers(exact), announced.ranks_by_loss(exact)
    return GradePage(
        report=report,
        announced=is_told,
        marks=marks_of(
            exact,
            other_sender=not exact.failure and senders.is_other(exact),
            withdrawn=announced.withdrawn,
            told=announced.tells(exact),
        ),
        places=standing,
        history=field.histories[senders.key(exact)],
        untold=field.untold,
        latest=field.latest[_attempt(exact, senders)],
        loss=loss_chart(report),
        metrics=metric_charts(report, field.rivals),
        gaps=gaps(exact, announced.precision(exact)) if is_told else (),
        maps=position_maps(exact, store) if store and shows and is_told else {},
        samples=gallery.samples.get(grade_id, ()) if standing else (),
        badge=None if exact.failure or exact.open_run or not announced.tells(exact) else badge_of(exact),
        retrieval=_retrieval(exact, gallery, announced, has_place=bool(standing)) if is_told else None,
        struck=announced.withdrawn.get(grade_id),
        claim=_claim(exact, field),
        measured_val_loss=field.measured.get(exact.provenance.submission_sha256),
    )


def _retrieval(
    exact: GradeReport, gallery: Gallery, announced: Announcements, *, has_place: bool
) -> RetrievalPage | None:
    return retrieval_page(
        exact,
        windows_shown=gallery.disclosure.covers(exact),
        pictures=gallery.sources.get(exact.grade_id, ()) if has_place else (),
        precision=announced.precision(exact),
    )


def _claim(exact: GradeReport, field: _Field) -> Claim | None:
    """Of a loss that ranks, whether or not a later grade stands in its place."""
    if not exact.regimes.get(RANKED_BY) or not field.announced.ranks_by_loss(exact):
        return None
    return claim_of(exact, field.standings.first_below(exact), field.announced)


def _attempt(report: GradeReport, senders: Senders) -> object:
    """What a later grade of the entry stands in for: one on the same data, windows chosen alike, asked alike."""
    origin = report.provenance
    return senders.key(report), origin.data_sha256, origin.schedule, origin.protocol


def _places(standings: Standings) -> Mapping[str, tuple[Place, ...]]:
    """Where each grade stands, by its id: first on the board of losses, then on that of pictures."""
    places: dict[str, list[Place]] = defaultdict(list)
    tracks: tuple[tuple[str, str, str, Sequence[Board | SamplingBoard]], ...] = (
        ("Compression", "index.html", "board", standings.boards),
        ("Sampling", "sampling.html", "sampling", standings.sampling),
    )
    for track, page, anchor, boards in tracks:
        for number, board in enumerate(boards, start=1):
            entries = len(board.contenders)
            for row in board.rows:
                place = Place(
                    track=track,
                    page=page,
                    anchor=f"{anchor}-{number}",
                    data_name=board.data_name,
                    rank=row.rank,
                    band=row.band,
                    entries=entries,
                )
                places[row.report.grade_id].append(place)
    return {grade_id: tuple(those) for grade_id, those in places.items()}
