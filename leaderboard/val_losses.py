"""The measured loss of a submission on the public validation set, to be held beside what its entrant claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.protocol.regimes import Regime
from harness.results.public_data import PublicData
from harness.results.report import GradeReport
from leaderboard.ladder import Announcements


def val_losses(reports: Sequence[GradeReport], announced: Announcements) -> Mapping[str | None, float]:
    """The latest loss of every submission, by its sha256, on all windows, as published; `reports` are all there are,
    oldest first."""
    public = announced.public or PublicData(reports)
    return {
        report.provenance.submission_sha256: result.loss
        for report in reports
        if not report.failure
        and report.grade_id not in announced.withdrawn
        and not public.is_private(report)
        and report.provenance.max_windows is None
        and (result := announced.publishable(report).regimes.get(Regime.TEMPORALLY_TEACHER_FORCED))
    }
