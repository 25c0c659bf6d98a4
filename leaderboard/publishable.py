"""A grade as strangers may see it: text without tricks, figures rounded, nothing of the host but its policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.errors import Blame
from harness.notice import told
from harness.outcomes import outcome_of
from harness.results.report import EntryFacts, Failure, GradeReport, Provenance, RegimeReport, SamplesReport
from harness.scoring.perceptual import Metric
from harness.scoring.perceptual_scores import SampledScore
from leaderboard.figures import METRIC_DECIMALS, rounded, rounded_frame, two_figures
from leaderboard.plain_text import REASON_LIMIT, one_line, paragraphs, without_folders
from leaderboard.publishable_retrieval import summary

NAME_LIMIT = 64
DESCRIPTION_LIMIT = 2000
SOURCE_LIMIT = 300

POLICY = {
    "isolation": "Isolation",
    "engine": "Engine",
    "runtime": "Runtime",
    "seccomp": "Seccomp profile, sha256",
    "memory": "Memory",
    "cpus": "CPU cores",
    "pids": "Processes and threads",
    "gpus": "GPUs",
    "build_network": "Network of build.sh",
    "build_volume": "Built entry",
    "page_cache": "Page cache between runs",
    "survivors": "Surviving processes",
    "python": "Python",
}
"""What is said of a sandbox; whatever else a record knows of its host stays in the store."""


def publishable(report: GradeReport) -> GradeReport:
    """The same grade as a page may show it: text cleaned, figures rounded, the sender's address gone.

    Its pictures are gone too, and what the retrieval check says of single windows: who may see those is decided
    elsewhere.
    """
    return replace(
        report,
        finished_at=day_of(report.finished_at),
        entry=_cleaned(report.entry),
        regimes={regime: result and _rounded(result) for regime, result in report.regimes.items()},
        failure=report.failure and in_fixed_words(report.failure),
        provenance=_public(report.provenance),
        retrieval=report.retrieval and summary(report.retrieval),
    )


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


def in_fixed_words(failure: Failure) -> Failure:
    """The same failure, told by the table of outcomes: a record's own message may hold what a guest chose."""
    outcome = told(failure)
    return Failure(code=outcome.code, blame=failure.blame, message=outcome.cause, fix=outcome.next_step)


def day_of(moment: str) -> str:
    """The day of a moment, as its midnight. A grade's id says when it began, so its end would be its duration."""
    return f"{moment[:10]}T00:00:00+00:00"


def _public(provenance: Provenance) -> Provenance:
    details = {
        name: provenance.sandbox_details[name] for name in POLICY if name in provenance.sandbox_details
    }
    if gpus := details.get("gpus"):
        details["gpus"] = gpus if gpus == "none" else str(len(gpus.split(",")))
    return replace(
        provenance,
        data_name=one_line(provenance.data_name, limit=NAME_LIMIT) or "unnamed",
        codec=provenance.codec and one_line(provenance.codec, limit=NAME_LIMIT),
        sandbox_details={name: one_line(text, limit=REASON_LIMIT) for name, text in details.items()},
        build_s=None if provenance.build_s is None else two_figures(provenance.build_s),
        limits={},
        durations_s={},
    )


def _rounded(result: RegimeReport) -> RegimeReport:
    low, high = result.loss_ci
    probe = result.state_probe
    metrics: dict[str, Any] = {}
    for metric in Metric:
        metrics |= _rounded_metric(result, metric)
    return replace(
        result,
        loss=rounded(result.loss),
        loss_ci=(rounded(low), rounded(high)),
        token_accuracy=rounded(result.token_accuracy),
        loss_by_frame=tuple(rounded_frame(value) for value in result.loss_by_frame),
        seconds_per_frame=two_figures(result.seconds_per_frame),
        reply_s_median=two_figures(result.reply_s_median),
        reply_s_p95=two_figures(result.reply_s_p95),
        state_probe=replace(
            probe,
            mean_gain=rounded(probe.mean_gain),
            largest_change=rounded(probe.largest_change),
            failure=probe.failure and outcome_of(probe.failure, Blame.ENTRY).code,
        ),
        missing_metrics=_reasons(result.missing_metrics),
        samples=result.samples and _rounded_samples(result.samples),
        strips=(),
        **metrics,
    )


def _rounded_metric(result: RegimeReport, metric: Metric) -> dict[str, Any]:
    fields = (metric.value, f"{metric.value}_ci", f"{metric.value}_by_frame")
    return {name: _to(METRIC_DECIMALS[metric], getattr(result, name)) for name in fields}


def _rounded_samples(samples: SamplesReport) -> SamplesReport:
    scores: dict[str, SampledScore | None] = {}
    for metric in Metric:
        score: SampledScore | None = getattr(samples, metric.value)
        values = {} if score is None else vars(score)
        figures = {name: _to(METRIC_DECIMALS[metric], value) for name, value in values.items()}
        scores[metric.value] = score and replace(score, **figures)
    return replace(
        samples,
        loss_mean=rounded(samples.loss_mean),
        token_accuracy_mean=rounded(samples.token_accuracy_mean),
        lpips=scores["lpips"],
        psnr=scores["psnr"],
        ssim=scores["ssim"],
    )


def _to(decimals: int, value: float | tuple[float, ...] | None) -> Any:
    if isinstance(value, tuple):
        return tuple(round(each, decimals) for each in value)
    return None if value is None else round(value, decimals)


def _reasons(missing: Mapping[str, str]) -> dict[str, str]:
    return {metric: without_folders(reason) for metric, reason in missing.items()}
