"""The pages: self-contained HTML documents that ask the network for nothing but pictures of the same site."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.runtime import Macro
from markupsafe import Markup, escape

from harness.protocol.regimes import DISCLOSURE_ORDER
from harness.results.report import GradeReport
from harness.sandbox.supply import in_bytes
from harness.scoring.perceptual import Metric, by_reason
from harness.spec import CHALLENGE
from leaderboard import charts, curves, figures
from leaderboard.changelog import Change
from leaderboard.column_style import column_style
from leaderboard.columns import COLUMNS, REGIME_COLUMNS, SAMPLING_COLUMNS
from leaderboard.field import field_of
from leaderboard.grade_pages import GradePage
from leaderboard.improvement import ERROR
from leaderboard.leading import lead_of
from leaderboard.marks import UNRANKED, Mark
from leaderboard.measured import measured
from leaderboard.origins import Origin
from leaderboard.policies import in_force
from leaderboard.positions import SHADES, shading
from leaderboard.publishable import POLICY
from leaderboard.references import PRIZE, PUBLISHED, Line
from leaderboard.rivals import TITLES
from leaderboard.rules import RULES, SOURCE
from leaderboard.standings import Standings
from leaderboard.tracks import IMAGINED, RANKED_BY
from leaderboard.verdicts import NEVER_ALONE, Badge

_REMEMBERED = 4096
"""Pieces of pages that are kept."""

GRADES = "grades"
"""The site's folder of a page and a JSON object for each grade."""

_HERE = Path(__file__).parent


def render(standings: Standings) -> str:
    """The first page as HTML, with the best of the other tracks; the same standings give the same bytes."""
    return _environment().get_template("index.html").render(script=_static("board.js"), standings=standings)


def render_sampling(standings: Standings) -> str:
    """The page of the sampling track as HTML."""
    return (
        _environment().get_template("sampling.html").render(script=_static("board.js"), standings=standings)
    )


def render_grade(page: GradePage) -> str:
    """The page of one grade as HTML, to lie in the folder `GRADES`."""
    return _environment().get_template("grade.html").render(script="", page=page)


def render_changelog(changes: Sequence[Change]) -> str:
    """The page of changes as HTML."""
    return _environment().get_template("changelog.html").render(script="", changes=changes)


def render_rules() -> str:
    """The page of rules as HTML."""
    return _environment().get_template("rules.html").render(script="")


@cache
def _environment() -> Environment:
    """Escapes everything but what a template marks as our own, and refuses names it does not know."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "loss": figures.loss,
        "bits": figures.bits,
        "signed": figures.signed,
        "signed_frame": figures.signed_frame,
        "short_loss": figures.short_loss,
        "figure": figures.figure,
        "of_metric": figures.of_metric,
        "seconds": figures.seconds,
        "delta": figures.delta,
        "share": figures.share,
        "power_of_ten": figures.power_of_ten,
        "in_bytes": in_bytes,
        "figure_cells": _figure_cells,
        "source_hash": _source_hash,
        "page": lambda grade_id: f"{GRADES}/{grade_id}.html",
    }
    environment.tests["line"] = lambda item: isinstance(item, Line)
    environment.globals |= {**_OURS, "style": _static("style.css") + column_style()}
    return environment


@lru_cache(maxsize=1024)
def _figure_cells(texts: tuple[str, ...]) -> Markup:
    """A cell for each of these texts: escaped in one go, for a page has hundreds."""
    cells = escape("\n".join(texts)).replace("\n", Markup('</td><td class="figure">'))
    return Markup('<td class="figure">') + cells + Markup("</td>")


class _Remembered:
    """What a macro makes of hashable values, made once; it may depend on nothing else.

    Equal figures of unequal decimals are one value here, so texts are given and no figures.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Hashable, ...], Markup] = {}

    def __call__(self, macro: Macro, *values: Hashable) -> Markup:
        key = (macro.name, *values)
        made = self._made.get(key)
        if made is None:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            made = self._made[key] = Markup(macro(*values))  # noqa: S704 - a macro escapes what it is given
        return made


def _reasons(report: GradeReport) -> list[tuple[str, list[str]]]:
    """Why a metric is missing, and which ones are for this reason."""
    results = [result for result in report.regimes.values() if result]
    missing = (item for result in results for item in result.missing_metrics.items())
    return list(by_reason((TITLES[Metric(metric)], reason) for metric, reason in missing).items())


_OURS: Mapping[str, Any] = {
    "columns": COLUMNS,
    "regime_columns": REGIME_COLUMNS,
    "sampling_columns": SAMPLING_COLUMNS,
    "marks": Mark,
    "unranked_marks": UNRANKED,
    "origins": Origin,
    "badges": Badge,
    "never_alone": NEVER_ALONE,
    "metric": Metric,
    "titles": TITLES,
    "published": PUBLISHED,
    "prize": PRIZE,
    "rules": RULES,
    "rules_source": SOURCE,
    "challenge": CHALLENGE,
    "regimes": sorted(DISCLOSURE_ORDER, key=lambda regime: regime is not RANKED_BY),
    "ranked_by": RANKED_BY,
    "imagined_by": IMAGINED,
    "chart": charts,
    "plot": curves,
    "remembered": _Remembered(),
    "field_of": field_of,
    "lead_of": lead_of,
    "measured": measured,
    "policy": POLICY,
    "in_force": in_force,
    "shown_packages": 40,
    "shown_files": 10,
    "shown_destinations": 20,
    "reasons": _reasons,
    "shading": shading,
    "shades": SHADES,
    "largest": figures.LARGEST,
    "full": figures.FULL,
    "coarse": figures.COARSE,
    "error": ERROR,
    "ln2": math.log(2),
}


@cache
def _static(name: str) -> str:
    return (_HERE / "static" / name).read_text("utf-8")


@cache
def _source_hash(source: str) -> str:
    """The source expression of a style sheet or script for the page's Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
