"""The table of records and decisions in SQLite: append-only by its triggers, every row with its hash and that of the
row before."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.results.chain import GENESIS, Head, Row, running_hash

# The third trigger is for INSERT OR REPLACE, whose removals fire no other one.
_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS grades (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    grade_id TEXT NOT NULL UNIQUE,
    finished_at TEXT NOT NULL,
    report TEXT NOT NULL,
    previous TEXT,
    sha256 TEXT
)""",
    """CREATE TRIGGER IF NOT EXISTS grades_are_not_edited BEFORE UPDATE ON grades
BEGIN SELECT RAISE(ABORT, 'grades are append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS grades_are_not_removed BEFORE DELETE ON grades
BEGIN SELECT RAISE(ABORT, 'grades are append-only'); END""",
    """CREATE TRIGGER IF NOT EXISTS grades_are_not_replaced BEFORE INSERT ON grades
WHEN EXISTS (SELECT 1 FROM grades WHERE number = NEW.number OR grade_id = NEW.grade_id)
BEGIN SELECT RAISE(ABORT, 'grades are append-only'); END""",
)
_CHAINED = ("previous", "sha256")
"""Columns that a store from before rows were hashed does not have."""
_OF_RECORDS = "NOT instr(CAST(grade_id AS TEXT), '/')"  # as `Row.ledger` tells them from decisions
PATIENCE_S = 30.0  # for another grade's transaction


def connected(path: Path) -> sqlite3.Connection:
    """A connection whose transactions are ours to begin; texts are bytes."""
    database = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
    database.text_factory = bytes
    # EXTRA, not FULL: with FULL a power cut can bring the removed rollback journal back, and undo a committed record.
    database.execute("PRAGMA synchronous = EXTRA")
    return database


def undo_unfinished(path: Path) -> None:
    """Take back what a writer that was killed had not committed: until then nobody can read the database.

    SQLite does so by itself wherever the database is opened to be written.
    """
    if path.with_name(f"{path.name}-journal").exists():  # or somebody is just writing, which is waited for
        with closing(connected(path)) as database:
            database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


@contextmanager
def writing(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction, in which nobody else writes from its first line on."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def make_tables(database: sqlite3.Connection) -> None:
    """The table, with all its triggers and columns."""
    for statement in _SCHEMA:
        database.execute(statement)
    for column in _CHAINED:
        if not _is_chained(database, column):
            database.execute(f"ALTER TABLE grades ADD COLUMN {column} TEXT")


def _is_chained(database: sqlite3.Connection, column: str = _CHAINED[-1]) -> bool:
    """Whether the table has this column."""
    found = database.execute("SELECT 1 FROM pragma_table_info('grades') WHERE name = ?", (column,))
    return found.fetchone() is not None


def rows_of(database: sqlite3.Connection, *, until: int | None = None) -> Iterator[Row]:
    """All rows by number, or those up to one; their texts as they lie there, valid or not."""
    chained = "previous, sha256" if _is_chained(database) else "NULL, NULL"
    texts = ", ".join(
        f"COALESCE(CAST({name} AS BLOB), x'')" for name in ("grade_id", "finished_at", "report")
    )
    found = database.execute(
        f"SELECT number, {texts}, {chained} FROM grades WHERE ? IS NULL OR number <= ? ORDER BY number",  # noqa: S608 - no word of it comes from outside
        (until, until),
    )
    for number, grade_id, finished_at, report, previous, sha256 in found:
        yield Row(
            number=number,
            grade_id=grade_id,
            finished_at=finished_at,
            report=report,
            previous=previous and bytes(previous).decode("ascii", "replace"),
            sha256=sha256 and bytes(sha256).decode("ascii", "replace"),
        )


def reports_of(database: sqlite3.Connection) -> list[str | bytes]:
    """The records as they lie there, decisions left out, by number."""
    query = f"SELECT report FROM grades WHERE {_OF_RECORDS} ORDER BY number"  # noqa: S608 - our own words
    return [report for (report,) in database.execute(query)]


def grade_ids_of(database: sqlite3.Connection) -> list[str]:
    """The ids of all records."""
    query = f"SELECT grade_id FROM grades WHERE {_OF_RECORDS} ORDER BY number"  # noqa: S608 - our own words
    return [grade_id for (grade_id,) in database.execute(query)]


def has_decisions(database: sqlite3.Connection) -> bool:
    """Whether there is any row that is no record."""
    query = f"SELECT 1 FROM grades WHERE NOT ({_OF_RECORDS}) LIMIT 1"  # noqa: S608 - our own words
    return database.execute(query).fetchone() is not None


def decisions_of(database: sqlite3.Connection, ledger: str) -> list[str | bytes]:
    """The texts of this ledger's rows, by number."""
    query = "SELECT report FROM grades WHERE grade_id GLOB ? ORDER BY number"
    return [text for (text,) in database.execute(query, (f"{ledger}/*",))]


def next_in(database: sqlite3.Connection, ledger: str) -> int:
    """The number that this ledger's next row has in it, from 1 on."""
    query = (
        "SELECT COALESCE(MAX(CAST(substr(grade_id, ?) AS INTEGER)), 0) + 1 FROM grades WHERE grade_id GLOB ?"
    )
    (number,) = database.execute(query, (len(ledger) + 2, f"{ledger}/*")).fetchone()
    return int(number)


def last_of(database: sqlite3.Connection) -> Head:
    """What the next row follows."""
    (number,) = database.execute("SELECT COALESCE(MAX(number), 0) FROM grades").fetchone()
    return Head(rows=number, sha256=hash_at(database, number))


def hash_at(database: sqlite3.Connection, number: int) -> str:
    """The hash of this row; of one without, what the row after it is chained to."""
    row = database.execute("SELECT sha256 FROM grades WHERE number = ?", (number,)).fetchone()
    if row and row[0]:
        return bytes(row[0]).decode("ascii", "replace")
    return running_hash(rows_of(database, until=number)) if number else GENESIS


def is_hashed(database: sqlite3.Connection) -> bool:
    """Whether any row has a hash."""
    return database.execute("SELECT 1 FROM grades WHERE sha256 IS NOT NULL LIMIT 1").fetchone() is not None


def first_damage(database: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong first; None where nothing is."""
    (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    words = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    return None if words == "ok" else words


def insert(database: sqlite3.Connection, row: Row, last: Head) -> None:
    """Write this row after the last one, and its hash with it."""
    texts = (text.decode() for text in (row.grade_id, row.finished_at, row.report))
    database.execute(
        "INSERT INTO grades (number, grade_id, finished_at, report, previous, sha256) VALUES (?, ?, ?, ?, ?, ?)",
        (last.rows + 1, *texts, last.sha256, row.hashed_after(last.sha256)),
    )
