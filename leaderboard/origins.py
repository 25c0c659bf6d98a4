"""Where a row's figures come from, as the page's column of that name says it."""

from __future__ import annotations

from enum import Enum

from harness.results.report import GradeReport
from leaderboard.marks import is_self_run


class Origin(str, Enum):
    """How much stands behind a figure; the value is its name in the exports and in the stylesheet."""

    VERIFIED = "verified"
    SELF_RUN = "self_run"

    @property
    def label(self) -> str:
        """As the cell says it."""
        return {Origin.VERIFIED: "verified", Origin.SELF_RUN: "self-run"}[self]

    @property
    def meaning(self) -> str:
        """As the legend says it."""
        return {
            Origin.VERIFIED: "Run here, in a container without a network; the host showed each frame after it had the "
            "prediction, and computed every figure itself.",
            Origin.SELF_RUN: "The host computed every figure itself, but the entry ran as a plain process: nothing "
            "kept it from the data.",
        }[self]


def origin_of(report: GradeReport) -> Origin:
    """Where the figures of a grade come from."""
    return Origin.SELF_RUN if is_self_run(report) else Origin.VERIFIED
