"""What the retrieval check says of a grade, as a badge with its legend; a person decides what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum

from harness.results.report import GradeReport, Status
from harness.retrieval.report import RetrievalReport, Verdict

NEVER_ALONE = "A badge never disqualifies by itself: a person who has seen the evidence decides."

_OTHER_CHECK = "another check of the same zip on this data says so; its figures are not announced"


class Badge(str, Enum):
    """The verdict; the value is its name in the exports and in the stylesheet."""

    CLEAR = "clear"
    REVIEW = "review"
    COPIED = "copied"
    UNCALIBRATED = "uncalibrated"
    UNCHECKED = "unchecked"

    @property
    def label(self) -> str:
        """As the badge says it."""
        return f"retrieval: {self.value}"

    @property
    def meaning(self) -> str:
        """As the legend says it."""
        return {
            Badge.CLEAR: "Nothing that was measured lies beyond what honest entries show.",
            Badge.REVIEW: "Something lies beyond what honest entries show: a person should look at it.",
            Badge.COPIED: "It shares far more mistakes with single training frames than any honest entry does. "
            "A person has to confirm it.",
            Badge.UNCALIBRATED: "Measured, but without a panel of honest entries to compare with: the figures accuse "
            "nobody and clear nobody.",
            Badge.UNCHECKED: "Not measured: the grade was made without the training set, or the check could not run.",
        }[self]


def badge_of(report: GradeReport) -> Badge:
    """The badge of a grade; what has no statistics is unchecked, whyever."""
    found = report.retrieval
    if found is None or found.verdict is Verdict.UNMEASURED:
        return Badge.UNCHECKED
    return Badge(found.verdict.value)


def with_latest_check(
    reports: Iterable[GradeReport], *, is_private: Callable[[GradeReport], bool] = lambda _report: False
) -> list[GradeReport]:
    """The reports, oldest first, each one that was not judged with the last judgement of the same zip on the same data.

    Grading again without the training clip or without the panel, or an interrupted check, takes no verdict away.
    Those on private data have the last judgement of all, whenever it was made, but its verdict alone: their figures and
    pictures are their own, for those of the other grade may not be announced.
    """
    found: dict[tuple[str | None, str | None], RetrievalReport] = {}
    kept = []
    for report in reports:
        graded = _graded(report)
        if report.retrieval and badge_of(report) not in {Badge.UNCHECKED, Badge.UNCALIBRATED}:
            found[graded] = report.retrieval
        elif report.status is Status.GRADED and graded in found and not report.open_run:
            report = _judged(report, found[graded], is_private)  # noqa: PLW2901
        kept.append(report)
    return [
        _judged(report, found[_graded(report)], is_private)
        if report.status is Status.GRADED and _graded(report) in found and is_private(report)
        else report
        for report in kept
    ]


def _judged(
    report: GradeReport, found: RetrievalReport, is_private: Callable[[GradeReport], bool]
) -> GradeReport:
    """The report with this judgement; of private data with no more of it than its verdict."""
    if not is_private(report):
        return replace(report, retrieval=found)
    own = report.retrieval or RetrievalReport(verdict=found.verdict)
    reasons = own.reasons if own.verdict is found.verdict else (_OTHER_CHECK,)
    return replace(report, retrieval=replace(own, verdict=found.verdict, reasons=reasons))


def _graded(report: GradeReport) -> tuple[str | None, str | None]:
    """The zip and the data."""
    return report.provenance.submission_sha256, report.provenance.data_sha256
