"""Writes the site: the rankings, a page for every grade and their exports, each file complete or not at all."""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import OutputFailed, StoreFailed
from harness.results.chain import Head
from harness.results.fairness import read_fairness
from harness.results.register import names
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.results.withdrawals import withdrawals
from harness.workers import by_all_cores
from leaderboard.changelog import Change, changelog, to_atom
from leaderboard.exports import grade_to_json, to_json
from leaderboard.grade_pages import GradePage, grade_pages
from leaderboard.ladder import announce
from leaderboard.render import GRADES, render, render_changelog, render_grade, render_rules, render_sampling
from leaderboard.samples import Gallery, Sample, SourceSample, copy_samples, remove_other_samples
from leaderboard.site_files import put
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import Standings, standings
from leaderboard.withdrawn import published_decisions

_WORTH_A_PROCESS = 50
"""Grades; fewer are written before another process has begun."""
_GRADE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")


@contextmanager
def _records_are_no_garbage() -> Iterator[None]:
    """What there is already is not looked through for garbage: with a thousand records it takes a tenth of the time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@_records_are_no_garbage()
def publish(
    reports: Iterable[GradeReport],
    site: Path,
    gallery: Gallery | None = None,
    *,
    store: Path | None = None,
) -> Standings:
    """Write the rankings, their exports, a page and a JSON object for every grade, the changes and the rules.

    The pictures that are in `gallery` are copied beside them, any others in the site are removed; maps of losses come
    from `store`, the folder of the records, for data that the gallery shows. Of private data figures are rounded, and
    announced only where they beat what their entrant has announced there. Nothing depends on the clock: the same
    reports (oldest first, as `with_latest_check` gives them) and store give the same bytes. Returns what the rankings
    show.

    Raises: OutputFailed when `site` cannot be written; StoreFailed when a record or picture cannot be published.
    """
    recorded = list(reports)
    decisions = withdrawals(Store(store)) if store else ()
    announced = announce(
        recorded,
        read_fairness(store) if store else None,
        given=names(Store(store)).given if store else None,
        decisions=decisions,
    )
    shown = standings(recorded, announced)
    pages = grade_pages(recorded, shown, gallery=gallery, store=store, announced=announced)
    try:
        (site / GRADES).mkdir(parents=True, exist_ok=True)
        written = by_all_cores(partial(_write_grade, site=site), pages, least_each=_WORTH_A_PROCESS)
        pictures = [picture for those in written for picture in those]
        _write_changes(changelog(recorded, published_decisions(decisions)), site)
        _write_rankings(shown, site, chain=Store(store).last() if store else None)
        remove_other_samples(pictures, site)
    except OSError as error:
        raise OutputFailed(
            f"{site} cannot be written: {error.strerror}",
            code="leaderboard.unwritable",
            fix="name a folder that can be written, with free space, in -o",
        ) from error
    return shown


def _write_rankings(shown: Standings, site: Path, *, chain: Head | None) -> None:
    put(site / "leaderboard.json", _as_text(to_json(shown, chain)).encode())
    put(site / "leaderboard.csv", to_csv(shown).encode())
    put(site / "sampling.html", render_sampling(shown).encode())
    put(site / "rules.html", render_rules().encode())
    put(site / "index.html", render(shown).encode())  # last: it names all others


def _write_changes(changes: Sequence[Change], site: Path) -> None:
    put(site / "changelog.html", render_changelog(changes).encode())
    put(site / "feed.xml", to_atom(changes, grades=GRADES))


def _write_grade(page: GradePage, site: Path) -> list[Sample | SourceSample]:
    """The page, its JSON and its pictures; returns these."""
    grade_id = page.report.grade_id
    if not _GRADE_ID.fullmatch(grade_id):
        raise StoreFailed(
            f"the record {grade_id!r} cannot have a page: its id is no name of a file",
            code="store.bad_record",
            fix="wmc writes no such ids: look at who wrote into the store",
        )
    suspects = page.retrieval.pictures if page.retrieval else ()
    pictures: list[Sample | SourceSample] = [*page.samples, *suspects]
    copy_samples(pictures, site)
    put(site / GRADES / f"{grade_id}.json", _as_text(grade_to_json(page)).encode())
    put(site / GRADES / f"{grade_id}.html", render_grade(page).encode())
    return pictures


def _as_text(value: dict[str, Any]) -> str:
    """Without line breaks: with them a site of a thousand grades takes seconds longer."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False) + "\n"
