"""Commands that come next, as they are to be typed; what only the reader knows stands there as NAME or DIR."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.results.store import Store

NAME = "NAME"
"""Stands for whoever decides; nobody is called so."""
USUAL_STORE = Path("store")
"""Where records are kept unless `--store` says otherwise."""


def resume_command(store: Store, grade_id: str, *words: str) -> str:
    """What finishes this grade; `words` say where something lies now."""
    return " ".join(["wmc grade", *words, "--resume", grade_id, *_in(store)])


def abandon_command(store: Store, grade_id: str) -> str:
    """What closes it."""
    return " ".join(["wmc grade --abandon", grade_id, *_in(store)])


def notice_command(store: Store, grade_id: str) -> str:
    """What makes that which its entrant is told."""
    return " ".join(["wmc notice", grade_id, *_in(store)])


def list_command(store: Store) -> str:
    """What lists the grades that are on the page."""
    return " ".join(["wmc leaderboard --json", *_in(store)])


def review_command(store: Store, zip_path: Path, *words: str) -> str:
    """What shows this zip to whoever reads it; `words` are the decision."""
    return " ".join(["wmc review", shlex.quote(str(zip_path)), *_in(store), *words])


def grade_command(store: Store, zip_path: Path) -> str:
    """What grades this zip, on data that only the organiser can name."""
    return " ".join(["wmc grade", shlex.quote(str(zip_path)), "--data DIR", *_in(store)])


def _in(store: Store) -> tuple[str, ...]:
    return () if store.folder == USUAL_STORE else ("--store", shlex.quote(str(store.folder)))
