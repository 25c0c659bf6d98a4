"""A grade as strangers may see it: text without tricks, figures rounded."""

from __future__ import annotations

from dataclasses import replace

from harness.results.report import EntryFacts, GradeReport, RegimeReport
from leaderboard.figures import rounded, two_figures
from leaderboard.plain_text import one_line, paragraphs

NAME_LIMIT = 64
DESCRIPTION_LIMIT = 2000
SOURCE_LIMIT = 300


def publishable(report: GradeReport) -> GradeReport:
    """The same grade as a page may show it: text cleaned, figures rounded, the sender's address gone."""
    regimes = {regime: result and _rounded(result) for regime, result in report.regimes.items()}
    provenance = replace(
        report.provenance, data_name=one_line(report.provenance.data_name, limit=NAME_LIMIT) or "unnamed"
    )
    return replace(report, entry=_cleaned(report.entry), regimes=regimes, provenance=provenance)


def shown_name(name: str | None) -> str:
    """A user's or an entry's name as it is shown."""
    return one_line(name, limit=NAME_LIMIT) or "unnamed"


def _cleaned(entry: EntryFacts) -> EntryFacts:
    sources = (one_line(source, limit=SOURCE_LIMIT) for source in entry.external_data)
    return replace(
        entry,
        user_name=shown_name(entry.user_name),
        entry_name=shown_name(entry.entry_name),
        description=paragraphs(entry.description, limit=DESCRIPTION_LIMIT),
        external_data=tuple(source or "unnamed" for source in sources),
        email_sha256=None,
    )


def _rounded(result: RegimeReport) -> RegimeReport:
    low, high = result.loss_ci
    return replace(
        result,
        loss=rounded(result.loss),
        loss_ci=(rounded(low), rounded(high)),
        token_accuracy=rounded(result.token_accuracy),
        loss_by_frame=tuple(rounded(value) for value in result.loss_by_frame),
        seconds_per_frame=two_figures(result.seconds_per_frame),
        reply_s_median=two_figures(result.reply_s_median),
        reply_s_p95=two_figures(result.reply_s_p95),
    )
