"""Grades that are published and stand on no board: without figures, and why."""

from __future__ import annotations

from dataclasses import dataclass

from harness.results.report import GradeReport
from leaderboard.plain_text import one_line
from leaderboard.publishable import NAME_LIMIT, day_of, in_fixed_words, shown_name


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A grade that its entry stopped; the message stays in the store, for it may repeat what a stranger wrote."""

    grade_id: str
    finished_at: str
    user: str
    entry: str
    submission_sha256: str | None
    code: str


@dataclass(frozen=True, kw_only=True)
class Unannounced:
    """A grade on private data that did not beat what its entrant has announced there; its figures are nobody's."""

    grade_id: str
    finished_at: str
    user: str
    entry: str
    data_name: str


def failed_of(report: GradeReport) -> Failed:
    """What is published of a grade that its entry stopped."""
    failure, entry = report.failure, report.entry
    if failure is None:
        raise ValueError(f"grade {report.grade_id} did not fail")
    return Failed(
        grade_id=report.grade_id,
        finished_at=day_of(report.finished_at),
        user=shown_name(entry.user_name),
        entry=shown_name(entry.entry_name),
        submission_sha256=report.provenance.submission_sha256,
        code=in_fixed_words(failure).code,
    )


def unannounced_of(report: GradeReport) -> Unannounced:
    """What is published of a grade that is not announced."""
    return Unannounced(
        grade_id=report.grade_id,
        finished_at=day_of(report.finished_at),
        user=shown_name(report.entry.user_name),
        entry=shown_name(report.entry.entry_name),
        data_name=one_line(report.provenance.data_name, limit=NAME_LIMIT) or "unnamed",
    )
