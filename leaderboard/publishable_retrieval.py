"""The retrieval check as strangers may see it.

Of held-out data no figure of a single window or frame: an entry chooses which training frame's mistakes it shares, and
how strongly, window by window, so it could write there what it was shown. Figures over all windows are published.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TypeVar

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
from leaderboard.figures import DELTA_DECIMALS, SHARE_DECIMALS, rounded, two_figures
from leaderboard.plain_text import one_line, without_folders

MOST_SOURCES = 50
"""That are published at most, the strongest ones."""
MOST_FILES = 20
"""Of the entry, and runs of training frames in it."""

_FILE_LIMIT = 160
_SENTENCES_LIMIT = 1000

_CODE = re.compile(r"\((?P<code>[a-z0-9_.]+)\)\Z")

NamedT = TypeVar("NamedT", EntryFile, TrainingRun)


def summary(found: RetrievalReport) -> RetrievalReport:
    """What may be published of any data: nothing of single windows, no picture, text cleaned, figures rounded."""
    return replace(with_windows(found), delta_by_window=(), sources=())


def with_windows(found: RetrievalReport) -> RetrievalReport:
    """What may be published of data that is shown; its pictures are not in it, for they are published as files."""
    return replace(
        found,
        reasons=tuple(_reason(reason, found.gap_failure) for reason in found.reasons),
        delta=_delta(found.delta),
        delta_ci=_ends(found.delta_ci),
        delta_by_window=tuple(round(value, DELTA_DECIMALS) for value in found.delta_by_window),
        windows_p=None if found.windows_p is None else two_figures(found.windows_p),
        train_gap=found.train_gap and _gap(found.train_gap),
        gap_failure=found.gap_failure and failure_code(found.gap_failure),
        near_duplicates=found.near_duplicates and _near(found.near_duplicates),
        path_share=_share(found.path_share),
        sources=tuple(
            replace(source, support=round(source.support, DELTA_DECIMALS))
            for source in found.sources[:MOST_SOURCES]
        ),
        pictures=(),
        entry_scan=found.entry_scan and _scan(found.entry_scan),
        thresholds=found.thresholds and _thresholds(found.thresholds),
        references=tuple(one_line(name, limit=_FILE_LIMIT) or "unnamed" for name in found.references),
        train_name=found.train_name and (one_line(found.train_name, limit=_FILE_LIMIT) or "unnamed"),
        missing=found.missing and without_folders(found.missing),
    )


def failure_code(failure: str) -> str:
    """How the entry failed, without the words, which may be its own and hold what it was shown."""
    found = _CODE.search(failure)
    return found["code"] if found and found["code"] in outcomes() else "failed"


def _reason(reason: str, gap_failure: str | None) -> str:
    if gap_failure:
        reason = reason.replace(gap_failure, failure_code(gap_failure))
    return without_folders(reason, limit=_SENTENCES_LIMIT)


def _delta(value: float | None) -> float | None:
    return None if value is None else round(value, DELTA_DECIMALS)


def _ends(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    return interval and (round(interval[0], DELTA_DECIMALS), round(interval[1], DELTA_DECIMALS))


def _share(value: float | None) -> float | None:
    return None if value is None else round(value, SHARE_DECIMALS)


def _gap(gap: TrainGap) -> TrainGap:
    return replace(
        gap,
        gap=rounded(gap.gap),
        gap_ci=(rounded(gap.gap_ci[0]), rounded(gap.gap_ci[1])),
        heldout_loss=rounded(gap.heldout_loss),
        train_loss=rounded(gap.train_loss),
    )


def _near(near: NearDuplicates) -> NearDuplicates:
    return replace(near, bits_quantiles=tuple(map(round, near.bits_quantiles)), share=_share(near.share))


def _thresholds(those: Thresholds) -> Thresholds:
    return replace(
        those,
        delta_max=round(those.delta_max, DELTA_DECIMALS),
        delta_sd=round(those.delta_sd, DELTA_DECIMALS),
        delta_copied=round(those.delta_copied, DELTA_DECIMALS),
        window_delta=round(those.window_delta, DELTA_DECIMALS),
        window_rate=round(those.window_rate, SHARE_DECIMALS),
        train_gap=None if those.train_gap is None else rounded(those.train_gap),
        near_share=round(those.near_share, SHARE_DECIMALS),
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
