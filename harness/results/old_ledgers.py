"""Decisions that wmc kept before they stood in the chain: in tables of their own, with nothing to show an edit.

They are read from there until the next row is written. Then they are taken over into the chain, each with the time of
that: from then on they cannot change unseen, and that they did not before nobody can say.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator

from harness.results.table import has_decisions

TAKEN_OVER = "taken_over_at"
"""What a row has that was taken over: when."""

_TABLES = ("reviews", "names", "withdrawals")


def old_decisions(database: sqlite3.Connection) -> list[tuple[str, dict[str, str]]]:
    """(ledger, row) of each, the oldest first; none once they are in the chain. Values are as they lie there."""
    if has_decisions(database):
        return []
    found = [(name, row) for name in _TABLES for row in _rows(database, name)]
    return sorted(found, key=lambda each: each[1]["at"])  # by time, and of one time as they lie there


def taken_over(row: dict[str, str], at: str) -> str:
    """The text of a row of the chain, for this one of an older table."""
    return json.dumps({**row, TAKEN_OVER: at})


def _rows(database: sqlite3.Connection, name: str) -> Iterator[dict[str, str]]:
    if not _is_there(database, name):
        return
    cursor = database.execute(f"SELECT * FROM {name} ORDER BY number")  # noqa: S608 - our own words
    columns = [_text(column) for column, *_ in cursor.description]
    for values in cursor:
        row = dict(zip(columns, map(_text, values), strict=True))
        del row["number"]
        yield row


def _is_there(database: sqlite3.Connection, name: str) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
