"""What a grade's page says of the retrieval check: each statistic with its threshold, the windows, the sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.results.report import GradeReport
from harness.retrieval.report import RetrievalReport
from leaderboard.figures import (
    FULL,
    NOTHING,
    Figure,
    Precision,
    decimals_of,
    delta,
    loss,
    probability,
    rounded_delta,
    share,
    signed,
)
from leaderboard.histogram import Histogram, histogram
from leaderboard.publishable_retrieval import FRAME_BITS, failure_code, summary, with_windows
from leaderboard.samples import SourceSample
from leaderboard.verdicts import Badge, badge_of

_QUANTILES = ("the nearest", "0.1%", "1%", "10%", "half")


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One measured figure beside what honest entries show.

    Attributes:
        value, interval: as they are written; `interval` is the 95% one.
        threshold: what it is held against, in words; empty where there is nothing to hold it against.
        beyond: whether the figure lies beyond it; None where that cannot be said.
        meaning: one sentence.
    """

    title: str
    value: str
    interval: str
    threshold: str
    beyond: bool | None
    meaning: str


@dataclass(frozen=True, kw_only=True)
class RetrievalPage:
    """The section of a grade's page.

    Attributes:
        found: in publishable form.
        statistics: those that were measured; none where there are none.
        windows_shown: whether figures and pictures of single windows may be published of this data.
        histogram: of the windows' deltas, where they may be published.
        num_sources: how many the record has; `found.sources` are those that are published.
        pictures: of suspected sources that may be published.
    """

    badge: Badge
    found: RetrievalReport
    statistics: tuple[Statistic, ...]
    windows_shown: bool
    histogram: Histogram | None
    num_sources: int
    pictures: tuple[SourceSample, ...]


def retrieval_page(
    report: GradeReport,
    *,
    windows_shown: bool,
    pictures: tuple[SourceSample, ...] = (),
    precision: Precision = FULL,
) -> RetrievalPage | None:
    """The section for a grade as it was recorded; None where it was not checked."""
    exact = report.retrieval
    if exact is None:
        return None
    found = with_windows(exact, precision) if windows_shown else summary(exact, precision)
    return RetrievalPage(
        badge=badge_of(report),
        found=found,
        statistics=tuple(_statistics(exact, found)),
        windows_shown=windows_shown,
        histogram=histogram(found),
        num_sources=len(exact.sources),
        pictures=pictures if windows_shown else (),
    )


def _statistics(exact: RetrievalReport, found: RetrievalReport) -> Iterator[Statistic]:
    """What is written is in publishable form, `found`; what is compared is as it was recorded."""
    for make in (_delta, _windows, _train_gap, _near, _path):
        if each := make(exact, found):
            yield each


def _delta(exact: RetrievalReport, found: RetrievalReport) -> Statistic | None:
    if exact.delta is None:
        return None
    those, shown, ends = exact.thresholds, found.thresholds, found.delta_ci
    threshold, beyond = "", None
    if those and shown:
        outlying = Figure(rounded_delta(those.delta_outlying), decimals_of(shown.delta_max, FULL.delta))
        threshold = (
            f"copied above {delta(shown.delta_copied)} with the interval above {delta(shown.delta_max)}, the largest "
            f"honest one; review above {delta(shown.delta_copied)}, or with the interval above {delta(outlying)}"
        )
        low = exact.delta_ci[0] if exact.delta_ci else None
        beyond = exact.delta > those.delta_copied or (low is not None and low > those.delta_outlying)
    return Statistic(
        title="Shared mistakes, delta",
        value=f"{delta(found.delta)} spreads",
        interval=f"{delta(ends[0])} to {delta(ends[1])}" if ends else NOTHING,
        threshold=threshold,
        beyond=beyond,
        meaning="Extra nats that the entry gives to the mistakes of single training frames, beyond what honest "
        "predictors give to them, in spreads of its own answers.",
    )


def _windows(exact: RetrievalReport, found: RetrievalReport) -> Statistic | None:
    flagged, those, shown = exact.windows_flagged, exact.thresholds, found.thresholds
    if flagged is None:
        return None
    windows = f" of {len(exact.delta_by_window)}" if exact.delta_by_window else ""
    chance = "" if found.windows_p is None else f", p {probability(found.windows_p)}"
    return Statistic(
        title="Flagged windows",
        value=f"{flagged}{windows}{chance}",
        interval=NOTHING,
        threshold=""
        if shown is None
        else f"a window above {delta(shown.window_delta)}; review below p {probability(shown.windows_p)}",
        beyond=None if those is None or exact.windows_p is None else exact.windows_p < those.windows_p,
        meaning="Windows with a larger delta than honest ones show, and how likely so many are by chance: who copies "
        "seldom hides from the mean, not from this.",
    )


def _train_gap(exact: RetrievalReport, found: RetrievalReport) -> Statistic | None:
    gap, shown = exact.train_gap, found.train_gap
    if gap is None or shown is None:
        return _failed_gap(exact.gap_failure) if exact.gap_failure else None
    bound = exact.thresholds.train_gap if exact.thresholds else None
    written = found.thresholds.train_gap if found.thresholds else None
    return Statistic(
        title="Train gap",
        value=f"{signed(shown.gap)} nats",
        interval=f"{signed(shown.gap_ci[0])} to {signed(shown.gap_ci[1])}",
        threshold="" if written is None else f"review above {signed(written)}",
        beyond=None if bound is None else gap.gap > bound,
        meaning=f"Loss on held-out windows ({loss(shown.heldout_loss)}) minus loss on training windows "
        f"({loss(shown.train_loss)}), {gap.windows} of each, nats per token; {share(shown.flipped_bits)} of all bits "
        "shown were flipped, so that a stored frame is not recognised by its exact bits.",
    )


def _failed_gap(failure: str) -> Statistic:
    return Statistic(
        title="Train gap",
        value="failed",
        interval=NOTHING,
        threshold="review if the entry fails there alone",
        beyond=True,
        meaning="It answered every regime, and then failed while training windows were among the others: "
        f"{failure_code(failure)}.",
    )


def _near(exact: RetrievalReport, found: RetrievalReport) -> Statistic | None:
    near, measured, those = found.near_duplicates, exact.near_duplicates, exact.thresholds
    if near is None or measured is None:
        return None
    quantiles = ", ".join(
        f"{name} {bits:.0f}" for name, bits in zip(_QUANTILES, near.bits_quantiles, strict=False)
    )
    return Statistic(
        title="Near-duplicates",
        value=f"{share(near.share)} of {near.frames:,} frames"
        if near.share is not None
        else f"nearest {near.bits_quantiles[0]:.0f} bits",
        interval=NOTHING,
        threshold=""
        if found.thresholds is None
        else f"closer than {found.thresholds.near_bits:g} bits; review above {share(found.thresholds.near_share)} of "
        "the frames",
        beyond=None if those is None or measured.share is None else measured.share > those.near_share,
        meaning=f"Bits of {FRAME_BITS:,} in which a predicted frame differs from the nearest training frame: "
        f"{quantiles}.",
    )


def _path(_exact: RetrievalReport, found: RetrievalReport) -> Statistic | None:
    if found.path_share is None:
        return None
    return Statistic(
        title="Path",
        value=share(found.path_share),
        interval=NOTHING,
        threshold="",
        beyond=None,
        meaning="Consecutive predictions whose sources follow each other in one training segment: who seeks ahead "
        "there has many. It has no threshold.",
    )
