"""The retrieval check as strangers may see it.

Of held-out data no figure of a single window or frame: an entry chooses which training frame's mistakes it shares, and
how strongly, window by window, so it could write there what it was shown. Figures over all windows are published.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TypeVar

from harness.notice import clamped
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
from harness.spec import CHALLENGE
from leaderboard.figures import (
    FULL,
    Figure,
    Precision,
    rounded_chance,
    rounded_delta,
    rounded_gap,
    rounded_share,
)
from leaderboard.plain_text import one_line, without_folders

MOST_SOURCES = 50
"""That are published at most, the strongest ones."""
MOST_FILES = 20
"""Of the entry, and runs of training frames in it."""

FRAME_BITS = CHALLENGE.tokens_per_frame * round(math.log2(CHALLENGE.vocab))
_MOST_IN_WORDS = 100.0
_FILE_LIMIT = 160
_SENTENCES_LIMIT = 1000

_CODE = re.compile(r"\((?P<code>[a-z0-9_.]+)\)\Z")

_NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?:e[+-]?\d+)?(?![\w.]*\w| bits)")
"""A figure of a sentence; bits are of the panel."""

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
        windows_p=None if found.windows_p is None else rounded_chance(found.windows_p),
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
    """A number of a sentence, at most a hundred, as percents are; small ones are chances, which have two figures."""
    value = clamped(float(number), 0, _MOST_IN_WORDS)
    short = f"{value:.{precision.delta}f}"
    return short if float(short) or not value else f"{rounded_chance(value):g}"


def _delta(value: float | None, precision: Precision) -> float | None:
    return None if value is None else rounded_delta(value, precision)


def _ends(interval: tuple[float, float] | None, precision: Precision) -> tuple[float, float] | None:
    return interval and (rounded_delta(interval[0], precision), rounded_delta(interval[1], precision))


def _share(value: float | None, precision: Precision) -> float | None:
    return None if value is None else rounded_share(value, precision.share)


def _gap(gap: TrainGap, precision: Precision) -> TrainGap:
    return replace(
        gap,
        gap=rounded_gap(gap.gap, precision),
        gap_ci=(rounded_gap(gap.gap_ci[0], precision), rounded_gap(gap.gap_ci[1], precision)),
        heldout_loss=rounded_gap(gap.heldout_loss, precision),
        train_loss=rounded_gap(gap.train_loss, precision),
        flipped_bits=rounded_share(gap.flipped_bits, FULL.share),
    )


def _near(near: NearDuplicates, precision: Precision) -> NearDuplicates:
    quantiles = tuple(round(clamped(bits, 0, FRAME_BITS)) for bits in near.bits_quantiles)
    return replace(near, bits_quantiles=quantiles, share=_share(near.share, precision))


def _thresholds(those: Thresholds, precision: Precision) -> Thresholds:
    return replace(
        those,
        delta_max=rounded_delta(those.delta_max, precision),
        delta_sd=rounded_delta(those.delta_sd, precision),
        delta_copied=rounded_delta(those.delta_copied, precision),
        window_delta=rounded_delta(those.window_delta, precision),
        window_rate=rounded_share(those.window_rate, precision.share),
        windows_p=rounded_chance(those.windows_p),
        train_gap=None if those.train_gap is None else rounded_gap(those.train_gap, precision),
        near_bits=Figure(clamped(those.near_bits, 0, FRAME_BITS), 1),
        near_share=rounded_share(those.near_share, precision.share),
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
