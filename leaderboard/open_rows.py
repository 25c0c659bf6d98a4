"""Grades of the open protocol: listed apart, without a rank, by name, for their figures rank nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.results.report import GradeReport, OpenRun
from leaderboard.counting import counting
from leaderboard.ladder import Announcements
from leaderboard.marks import Mark, marks_of
from leaderboard.senders import Senders


@dataclass(frozen=True, kw_only=True)
class OpenRow:
    """One entry on one data set; `report` is in publishable form."""

    report: GradeReport
    marks: tuple[Mark, ...]

    @property
    def found(self) -> OpenRun:
        """What its program said of itself, and what its saved logits are worth."""
        if self.report.open_run is None:
            raise ValueError(f"grade {self.report.grade_id} is not of the open protocol")
        return self.report.open_run

    @property
    def loss(self) -> float | None:
        """By our arithmetic where there is any, else as it was printed; None of neither, and of what is withheld."""
        rescored = self.found.rescored
        return rescored.loss if rescored else self.found.self_reported.get("loss")

    @property
    def token_accuracy(self) -> float | None:
        """The same of the accuracy. Printed ones are of sampled tokens, ours of the largest logits."""
        rescored = self.found.rescored
        return rescored.token_accuracy if rescored else self.found.self_reported.get("acc")

    @property
    def lpips(self) -> float | None:
        """As it was printed."""
        return self.found.self_reported.get("pred_lpips")

    @property
    def seconds_per_frame(self) -> float | None:
        """As it was printed."""
        return self.found.self_reported.get("gen_time")


def open_rows(
    finished: Iterable[GradeReport], senders: Senders, announced: Announcements
) -> tuple[OpenRow, ...]:
    """The latest open grade of each entry on each data set."""
    opened = [report for report in finished if report.open_run]
    latest = [
        report for those in counting(opened, senders, _data, announced.withdrawn).values() for report in those
    ]
    rows = [
        OpenRow(
            report=announced.publishable(report),
            marks=marks_of(
                report,
                other_sender=senders.is_other(report),
                withdrawn=announced.withdrawn,
                told=announced.tells(report),
            ),
        )
        for report in latest
    ]
    return tuple(sorted(rows, key=_order))


def _data(report: GradeReport) -> str | None:
    return report.provenance.data_sha256


def _order(row: OpenRow) -> tuple[str, str, str, str]:
    report = row.report
    return (
        report.provenance.data_name or "",
        report.entry.user_name or "",
        report.entry.entry_name or "",
        report.grade_id,
    )
