"""The page: one self-contained HTML document that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from harness.protocol.regimes import DISCLOSURE_ORDER
from harness.spec import CHALLENGE
from leaderboard import charts, figures
from leaderboard.columns import COLUMNS, REGIME_COLUMNS
from leaderboard.marks import Mark
from leaderboard.references import PRIZE, PUBLISHED, Line
from leaderboard.standings import RANKED_BY, Standings

_HERE = Path(__file__).parent


def render(standings: Standings) -> str:
    """The page as HTML; the same standings give the same bytes."""
    style = (_HERE / "static" / "style.css").read_text("utf-8")
    return (
        _environment()
        .get_template("index.html")
        .render(
            standings=standings,
            style=style,
            style_hash=_csp_hash(style),
            columns=COLUMNS,
            regime_columns=REGIME_COLUMNS,
            marks=Mark,
            published=PUBLISHED,
            prize=PRIZE,
            challenge=CHALLENGE,
            regimes=sorted(DISCLOSURE_ORDER, key=lambda regime: regime is not RANKED_BY),
            ranked_by=RANKED_BY,
            chart=charts,
        )
    )


def _environment() -> Environment:
    """Escapes everything but what a template marks as our own, and refuses names it does not know."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "loss": figures.loss,
        "short_loss": figures.short_loss,
        "seconds": figures.seconds,
        "power_of_ten": figures.power_of_ten,
    }
    environment.tests["line"] = lambda item: isinstance(item, Line)
    return environment


def _csp_hash(style: str) -> str:
    """The style sheet's source expression for the page's Content-Security-Policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
