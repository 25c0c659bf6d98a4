"""A grade as strangers may see it: text without tricks, figures rounded, nothing of the host but its policy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any, cast

from harness.errors import Blame
from harness.notice import told, two_figures
from harness.outcomes import outcome_of
from harness.results.public_data import PublicData
from harness.results.regime_report import RegimeReport, SamplesReport
from harness.results.report import EntryFacts, Failure, GradeReport, Provenance
from harness.retrieval.report import RetrievalReport
from harness.sandbox.supply import Destination, Supply
from harness.scoring.perceptual import Metric
from harness.scoring.perceptual_scores import SampledScore
from leaderboard.figures import (
    FULL,
    Precision,
    rounded,
    rounded_frame,
    rounded_metric,
    rounded_probe,
    rounded_share,
)
from leaderboard.plain_text import REASON_LIMIT, one_line, paragraphs, without_folders
from leaderboard.publishable_open import publishable_open, without_open_figures
from leaderboard.publishable_retrieval import summary

NOT_ANNOUNCED = "no announced improvement"
"""Why a figure is not there that was measured on private data."""
NAME_LIMIT = 64
DESCRIPTION_LIMIT = 2000
SOURCE_LIMIT = 300
PATH_LIMIT = 120

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
    "container": "Container",
    "survivors": "Surviving processes",
    "python": "Python",
}
"""What is said of a sandbox beside its policy; whatever else a record knows of its host stays in the store. An older
record has no policy in one piece, and says here what was in force."""


def publishable(report: GradeReport, precision: Precision = FULL) -> GradeReport:
    """The same grade as a page may show it: text cleaned, figures rounded, the sender's address gone.

    Its pictures are gone too, and what losses and the retrieval check say of single windows: who may see those is
    decided elsewhere, as is the precision.
    """
    return replace(
        report,
        finished_at=day_of(report.finished_at),
        entry=_cleaned(report.entry),
        regimes={regime: result and _rounded(result, precision) for regime, result in report.regimes.items()},
        failure=report.failure and in_fixed_words(report.failure),
        provenance=_public(report.provenance),
        retrieval=report.retrieval and summary(report.retrieval, precision),
        open_run=report.open_run
        and publishable_open(
            report,
            report.open_run,
            is_private=precision is not FULL or PublicData([report]).is_private(report),
        ),
    )


def without_figures(report: GradeReport) -> GradeReport:
    """The same grade where nothing that was measured may be shown: who sent what, when, and how it was run."""
    bare = replace(report, regimes=dict.fromkeys(report.regimes), retrieval=None, open_run=None)
    return replace(publishable(bare), open_run=report.open_run and without_open_figures())


def without_pictures(report: GradeReport) -> GradeReport:
    """The same grade, publishable already, where the figures of its pictures may not be shown."""
    figures = {f"{metric.value}{part}": None for metric in Metric for part in ("", "_ci", "_by_frame")}
    of_samples: dict[str, Any] = {metric.value: None for metric in Metric}
    regimes = {
        regime: result
        and replace(
            result,
            missing_metrics={**result.missing_metrics}
            | {metric.value: NOT_ANNOUNCED for metric in Metric if getattr(result, metric.value) is not None},
            samples=result.samples and replace(result.samples, **of_samples),
            **cast("dict[str, Any]", figures),
        )
        for regime, result in report.regimes.items()
    }
    return replace(report, regimes=regimes)


def without_losses(report: GradeReport) -> GradeReport:
    """The same grade, publishable already, where only the figures of its pictures may be shown: losses are no numbers.

    Of the retrieval check, which measures losses, the verdict is left.
    """
    nan = math.nan
    regimes = {
        regime: result
        and replace(
            result,
            loss=nan,
            loss_ci=(nan, nan),
            token_accuracy=nan,
            loss_by_frame=(),
            state_probe=replace(result.state_probe, mean_gain=nan, largest_change=nan),
            samples=result.samples and replace(result.samples, loss_mean=nan, token_accuracy_mean=nan),
        )
        for regime, result in report.regimes.items()
    }
    found = report.retrieval
    return replace(report, regimes=regimes, retrieval=found and RetrievalReport(verdict=found.verdict))


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
        supply=provenance.supply and _cleaned_supply(provenance.supply),
        sandbox_policy=_public_policy(provenance.sandbox_policy),
        limits={},
        durations_s={},
        admission=None,
        resumed_from=None,  # beside the id of the grade it would be a duration
    )


def _public_policy(policy: Mapping[str, Any]) -> dict[str, Any]:
    """All of it but names that are the host's own: its image's, and those of its GPUs, which are counted."""
    public = {name: value for name, value in policy.items() if name != "base_image"}
    if "gpu_device_ids" in public:
        public["gpus"] = len(public.pop("gpu_device_ids"))
    return public


def _cleaned_supply(supply: Supply) -> Supply:
    """Paths, names and versions are the entrant's own text; what stands in the host's own network is not named."""
    return replace(
        supply,
        traffic=replace(
            supply.traffic,
            destinations=tuple(_cleaned_destination(each) for each in supply.traffic.destinations),
        ),
        largest=tuple(
            replace(each, path=one_line(each.path, limit=PATH_LIMIT) or "unnamed") for each in supply.largest
        ),
        packages=tuple(
            replace(
                each,
                name=one_line(each.name, limit=NAME_LIMIT) or "unnamed",
                version=one_line(each.version, limit=NAME_LIMIT) or "none",
            )
            for each in supply.packages
        ),
    )


def _cleaned_destination(destination: Destination) -> Destination:
    try:
        is_public = ip_address(destination.address).is_global
    except ValueError:
        is_public = False
    return replace(
        destination,
        address=destination.address if is_public else "",
        asked=one_line(destination.asked, limit=NAME_LIMIT),
        resolved=one_line(destination.resolved, limit=NAME_LIMIT) if is_public else "",
    )


def _rounded(result: RegimeReport, precision: Precision) -> RegimeReport:
    low, high = result.loss_ci
    probe = result.state_probe
    metrics: dict[str, Any] = {}
    for metric in Metric:
        metrics |= _rounded_metric(result, metric, precision)
    return replace(
        result,
        loss=rounded(result.loss, precision),
        loss_ci=(rounded(low, precision), rounded(high, precision)),
        token_accuracy=rounded_share(result.token_accuracy, precision.accuracy),
        loss_by_frame=tuple(rounded_frame(value, precision) for value in result.loss_by_frame),
        loss_by_window=(),
        seconds_per_frame=two_figures(result.seconds_per_frame),
        reply_s_median=two_figures(result.reply_s_median),
        reply_s_p95=two_figures(result.reply_s_p95),
        state_probe=replace(
            probe,
            mean_gain=rounded_probe(probe.mean_gain, precision),
            largest_change=rounded_probe(probe.largest_change, precision),
            failure=probe.failure and outcome_of(probe.failure, Blame.ENTRY).code,
        ),
        missing_metrics=_reasons(result.missing_metrics),
        samples=result.samples and _rounded_samples(result.samples, precision),
        strips=(),
        **metrics,
    )


def _rounded_metric(result: RegimeReport, metric: Metric, precision: Precision) -> dict[str, Any]:
    fields = (metric.value, f"{metric.value}_ci", f"{metric.value}_by_frame")
    return {name: _to(metric, precision, getattr(result, name)) for name in fields}


def _rounded_samples(samples: SamplesReport, precision: Precision) -> SamplesReport:
    scores: dict[str, SampledScore | None] = {}
    for metric in Metric:
        score: SampledScore | None = getattr(samples, metric.value)
        values = {} if score is None else vars(score)
        figures = {name: _to(metric, precision, value) for name, value in values.items()}
        scores[metric.value] = score and replace(score, **figures)
    return replace(
        samples,
        loss_mean=rounded(samples.loss_mean, precision),
        token_accuracy_mean=rounded_share(samples.token_accuracy_mean, precision.accuracy),
        lpips=scores["lpips"],
        psnr=scores["psnr"],
        ssim=scores["ssim"],
    )


def _to(metric: Metric, precision: Precision, value: float | tuple[float, ...] | None) -> Any:
    if isinstance(value, tuple):
        return tuple(rounded_metric(each, metric, precision) for each in value)
    return None if value is None else rounded_metric(value, metric, precision)


def _reasons(missing: Mapping[str, str]) -> dict[str, str]:
    return {metric: without_folders(reason) for metric, reason in missing.items()}
