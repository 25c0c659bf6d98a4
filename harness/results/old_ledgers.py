"""Decisions that wmc kept before they stood in the chain: in tables of their own, with nothing to show an edit.

They are read from there until the next row is written. Then they are taken over into the chain, each with the time of
that: from then on they cannot change unseen, and that they did not before nobody can say.
"""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Iterator

from harness.results.table import has_decisions

TAKEN_OVER = "taken_over_at"
"""What a row has that was taken over: when."""

_TABLES = ("reviews", "names", "withdrawals")


def old_decisions(database: sqlite3.Connection) -> list[tuple[str, dict[str, str]]]:
    """(ledger, row) of each, by time but in a ledger as they lie there, for its last one counts; values too.

    None once they are in the chain.
    """
    if has_decisions(database):
        return []
    tables = ([(name, row) for row in _rows(database, name)] for name in _TABLES)
    return list(heapq.merge(*tables, key=lambda each: each[1].get("at", "")))


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
        row.pop("number", None)
        yield row


def _is_there(database: sqlite3.Connection, name: str) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
