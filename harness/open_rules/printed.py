"""The dictionary of figures that 1X's `evaluate.py` prints, found in a log. It is a claim, never a score."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path

_LAST_BYTES = 64 << 10
_LONGEST = 2000
"""Characters of a printed dictionary; 1X's has some hundred."""
_MOST_FIGURES = 32
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_NUMBER = re.compile(r"[-+]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][-+]?\d{1,3})?", re.ASCII)
# Keys, texts and numbers: whatever nests, calls or escapes has a character that is not among these.
_DICTIONARY = re.compile(rf"\{{[^{{}}()\[\]\\]{{0,{_LONGEST}}}\}}\s*$")


def printed_figures(log: Path) -> dict[str, float]:
    """The figures of the last dictionary in the log's last lines; empty where there is none.

    1X's script prints one after each batch, over all batches so far, and its values are texts. Whatever is not a short
    key with a finite number is left out.

    Raises: OSError.
    """
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
        text = file.read(_LAST_BYTES).decode("utf-8", "replace")
    lines = re.split(r"[\r\n]", text)  # a progress bar returns to the line's beginning
    return next((figures for line in reversed(lines) if (figures := dict(_figures(line)))), {})


def _figures(line: str) -> Iterator[tuple[str, float]]:
    found = _DICTIONARY.search(line[-2 * _LONGEST :])
    if not found:
        return
    try:
        value = ast.literal_eval(found[0].strip())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return
    if not isinstance(value, dict):
        return
    for key, figure in list(value.items())[:_MOST_FIGURES]:
        if isinstance(key, str) and _KEY.fullmatch(key) and (number := _number(figure)) is not None:
            yield key, number


def _number(value: object) -> float | None:
    """A finite number, written as one or as the text of one."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
