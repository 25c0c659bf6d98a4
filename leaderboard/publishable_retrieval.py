"""The retrieval check as strangers may see it.

Of held-out data no figure of a single window or frame: an entry chooses which training frame's mistakes it shares, and
how strongly, window by window, so it could write there what it was shown. Figures over all windows are published.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar

from harness.notice import two_figures
from harness.outcomes import outcomes
from harness.retrieval.report import (
    EntryFile,
    EntryScan,
    NearDuplicates,
    RetrievalReport,
    Thresholds,
    TrainGap,
    TrainingRun,
)
from leaderboard.figures import FULL, Figure, Precision, rounded
from leaderboard.plain_text import one_line, without_folders

MOST_SOURCES = 50
"""That are published at most, the strongest ones."""
MOST_FILES = 20
"""Of the entry, and runs of training frames in it."""

_FILE_LIMIT = 160
_SENTENCES_LIMIT = 1000

_CODE = re.compile(r"\((?P<code>[a-z0-9_.]+)\)\Z")

_NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.]*\w)")

NamedT = TypeVar("NamedT", EntryFile, TrainingRun)


def summary(found: RetrievalReport, precision: Precision = FULL) -> RetrievalReport:
    """What may be published of any data: nothing of single windows, no picture, text cleaned, figures rounded."""
    return replace(with_windows(found, precision), delta_by_window=(), sources=())


def with_windows(found: RetrievalReport, precision: Precision = FULL) -> RetrievalReport:
    """What may be published of data that is shown; its pictures are not in it, for they are published as files."""
    return replace(
        found,
        reasons=tuple(_reason(reason, found.gap_failure, precision) for reason in found.reasons),
        delta=_delta(found.delta, precision),
        delta_ci=_ends(found.delta_ci, precision),
        delta_by_window=tuple(Figure(value, precision.delta) for value in found.delta_by_window),
        windows_p=None if found.windows_p is None else two_figures(found.windows_p),
        train_gap=found.train_gap and _gap(found.train_gap, precision),
        gap_failure=found.gap_failure and failure_code(found.gap_failure),
        near_duplicates=found.near_duplicates and _near(found.near_duplicates, precision),
        path_share=_share(found.path_share, precision),
        sources=tuple(
            replace(source, support=Figure(source.support, precision.delta))
            for source in found.sources[:MOST_SOURCES]
        ),
        pictures=(),
        entry_scan=found.entry_scan and _scan(found.entry_scan),
        thresholds=found.thresholds and _thresholds(found.thresholds, precision),
        references=tuple(one_line(name, limit=_FILE_LIMIT) or "unnamed" for name in found.references),
        train_name=found.train_name and (one_line(found.train_name, limit=_FILE_LIMIT) or "unnamed"),
        missing=found.missing and without_folders(found.missing),
    )


def failure_code(failure: str) -> str:
    """How the entry failed, without the words, which may be its own and hold what it was shown."""
    found = _CODE.search(failure)
    return found["code"] if found and found["code"] in outcomes() else "failed"


def _reason(reason: str, gap_failure: str | None, precision: Precision) -> str:
    """In our own words, with no more digits than figures have."""
    if gap_failure:
        reason = reason.replace(gap_failure, failure_code(gap_failure))
    if precision is not FULL:
        reason = _NUMBER.sub(lambda found: _shortened(found[0], precision), reason)
    return without_folders(reason, limit=_SENTENCES_LIMIT)


def _shortened(number: str, precision: Precision) -> str:
    """A number of a sentence; small ones are chances, which have two figures anyway."""
    short = f"{float(number):.{precision.delta}f}"
    return short if float(short) else f"{two_figures(float(number)):g}"


def _delta(value: float | None, precision: Precision) -> float | None:
    return None if value is None else Figure(value, precision.delta)


def _ends(interval: tuple[float, float] | None, precision: Precision) -> tuple[float, float] | None:
    return interval and (Figure(interval[0], precision.delta), Figure(interval[1], precision.delta))


def _share(value: float | None, precision: Precision) -> float | None:
    return None if value is None else Figure(value, precision.share)


def _gap(gap: TrainGap, precision: Precision) -> TrainGap:
    return replace(
        gap,
        gap=rounded(gap.gap, precision),
        gap_ci=(rounded(gap.gap_ci[0], precision), rounded(gap.gap_ci[1], precision)),
        heldout_loss=rounded(gap.heldout_loss, precision),
        train_loss=rounded(gap.train_loss, precision),
    )


def _near(near: NearDuplicates, precision: Precision) -> NearDuplicates:
    quantiles = tuple(map(round, near.bits_quantiles))
    return replace(near, bits_quantiles=quantiles, share=_share(near.share, precision))


def _thresholds(those: Thresholds, precision: Precision) -> Thresholds:
    return replace(
        those,
        delta_max=Figure(those.delta_max, precision.delta),
        delta_sd=Figure(those.delta_sd, precision.delta),
        delta_copied=Figure(those.delta_copied, precision.delta),
        window_delta=Figure(those.window_delta, precision.delta),
        window_rate=Figure(those.window_rate, precision.share),
        train_gap=None if those.train_gap is None else rounded(those.train_gap, precision),
        near_share=Figure(those.near_share, precision.share),
    )


def _scan(scan: EntryScan) -> EntryScan:
    return replace(
        scan,
        largest=tuple(_named(file) for file in scan.largest[:MOST_FILES]),
        runs=None if scan.runs is None else tuple(_named(run) for run in scan.runs[:MOST_FILES]),
        missing=scan.missing and without_folders(scan.missing),
    )


def _named(item: NamedT) -> NamedT:
    """Under a name that can be shown: it is the entrant's own text."""
    return replace(item, path=one_line(item.path, limit=_FILE_LIMIT) or "unnamed")
