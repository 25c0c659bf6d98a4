"""Writes the site: the page and its two exports, each complete or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from harness.errors import OutputFailed
from harness.results.report import GradeReport
from harness.results.whole_file import whole_file
from leaderboard.exports import to_csv, to_json
from leaderboard.render import render
from leaderboard.standings import Standings, standings


def publish(reports: Iterable[GradeReport], site: Path) -> Standings:
    """Write `index.html`, `leaderboard.json` and `leaderboard.csv` into `site`; returns what they show.

    Nothing in them depends on the clock: the same reports (oldest first) give the same bytes.

    Raises: OutputFailed when `site` cannot be written.
    """
    shown = standings(reports)
    files = {
        "leaderboard.json": json.dumps(to_json(shown), indent=2, allow_nan=False, ensure_ascii=False) + "\n",
        "leaderboard.csv": to_csv(shown),
        "index.html": render(shown),  # last: it names the other two
    }
    try:
        site.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with whole_file(site / name) as file:
                file.write(text.encode("utf-8"))
    except OSError as error:
        raise OutputFailed(
            f"{site} cannot be written: {error.strerror}",
            code="leaderboard.unwritable",
            fix="name a folder that can be written, with free space, in -o",
        ) from error
    return shown
