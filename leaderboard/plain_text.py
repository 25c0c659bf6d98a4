"""Text from an entrant, without the characters that hide, reorder or break what stands around it.

Escaping for HTML is the template's work; this removes what escaping leaves alone.
"""

from __future__ import annotations

import re
import unicodedata

REASON_LIMIT = 400
"""Of one line of our own text."""

_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^/\s:;,'\"]+/)+")
_BREAKS = frozenset({"Cc", "Zl", "Zp", "Zs"})
_HIDDEN = frozenset({"Cf", "Cs", "Co", "Cn"})  # bidi overrides, zero-width characters, lone surrogates
_MARKS = frozenset({"Mn", "Me"})
_MARKS_IN_A_ROW = 3
"""Enough for every script in use; more of them paint over the neighbouring lines."""


def one_line(text: str | None, *, limit: int) -> str:
    """`text` on one line, at most `limit` characters; empty when nothing visible is left."""
    return _cut(" ".join(_visible(text or "").split()), limit)


def paragraphs(text: str | None, *, limit: int) -> str:
    r"""`text` with its line breaks as `\n`, at most one empty line in a row, at most `limit` characters."""
    lines = [one_line(line, limit=limit) for line in (text or "").splitlines()]
    kept = [line for before, line in zip(["", *lines], lines, strict=False) if line or before]
    return _cut("\n".join(kept).strip(), limit)


def without_folders(text: str, *, limit: int = REASON_LIMIT) -> str:
    """One line of our own text, files named without the folders of this host."""
    return one_line(_FOLDERS.sub("", text), limit=limit)


def _visible(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        if category in _HIDDEN or marks > _MARKS_IN_A_ROW:
            continue
        kept.append(" " if category in _BREAKS else character)
    return "".join(kept)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
