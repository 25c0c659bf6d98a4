"""The commands that go on with a grade, or give it up, as they are to be typed."""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.results.store import Store

USUAL_STORE = Path("store")
"""Where `wmc grade` keeps records unless it is told otherwise."""


def resume_command(store: Store, grade_id: str, *words: str) -> str:
    """What finishes this grade; `words` say where something lies now."""
    return " ".join(["wmc grade", *words, "--resume", grade_id, *_in(store)])


def abandon_command(store: Store, grade_id: str) -> str:
    """What closes it."""
    return " ".join(["wmc grade --abandon", grade_id, *_in(store)])


def notice_command(store: Store, grade_id: str) -> str:
    """What makes that which its entrant is told."""
    return " ".join(["wmc notice", grade_id, *_in(store)])


def _in(store: Store) -> tuple[str, ...]:
    return () if store.folder == USUAL_STORE else ("--store", shlex.quote(str(store.folder)))
