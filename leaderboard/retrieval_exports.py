"""The retrieval check for machines, in publishable form."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.retrieval.report import RetrievalReport, Verdict
from leaderboard.verdicts import Badge

_IN_SHORT = (
    "verdict", "delta", "delta_ci", "windows_flagged", "windows_p", "train_gap", "near_duplicates", "path_share",
    "thresholds",
)  # fmt: skip


def in_full(badge: Badge, found: RetrievalReport | None) -> dict[str, Any]:
    """What a record keeps of the check, with the badge's verdict; an entry that was not checked has the same keys."""
    kept = asdict(found or RetrievalReport(verdict=Verdict.UNMEASURED)) | {"verdict": badge.value}
    del kept["pictures"]  # they are files of the site, listed apart
    return kept


def in_short(badge: Badge, found: RetrievalReport | None) -> dict[str, Any]:
    """The statistics and what they were held against."""
    kept = in_full(badge, found)
    return {name: kept[name] for name in _IN_SHORT}
