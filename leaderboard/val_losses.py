"""The measured loss of a submission on the public validation set, to be held beside what its entrant claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.data.published import PUBLIC_VAL
from harness.protocol.regimes import Regime
from harness.results.report import GradeReport


def val_losses(public: Iterable[GradeReport]) -> Mapping[str | None, float]:
    """The latest loss of every submission, by its sha256, on all windows; `public` (oldest first) are publishable."""
    return {
        report.provenance.submission_sha256: result.loss
        for report in public
        if report.provenance.data_name in PUBLIC_VAL
        and report.provenance.max_windows is None
        and (result := report.regimes.get(Regime.TEMPORALLY_TEACHER_FORCED))
    }
