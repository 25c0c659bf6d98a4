"""Tables of the organiser's decisions beside the records: append-only by their triggers, as the records are.

They are in no chain: what a decision meant for a grade is in that grade's record, which is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone

from harness.errors import StoreFailed
from harness.results.store import Store
from harness.results.table import PATIENCE_S, connected, make_tables, writing


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """One table; every column is text, and its first one, `at`, is when the row was written."""

    name: str
    columns: tuple[str, ...]

    @contextmanager
    def open(self, store: Store) -> Iterator[Entries]:
        """Its rows, while nobody else writes to the store; what is added is there when the context ends.

        Raises: StoreFailed where the store cannot be written.
        """
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            with closing(connected(store.database)) as database:
                database.text_factory = str
                with writing(database):
                    make_tables(database)
                    for statement in self._schema():
                        database.execute(statement)
                    yield Entries(ledger=self, database=database)
        except (OSError, sqlite3.Error) as error:
            raise StoreFailed(
                f"{store.database}: {error}",
                fix="name a folder that can be written, with free space, in --store",
            ) from error

    def rows(self, store: Store) -> list[dict[str, str]]:
        """All rows, the oldest first; none where nothing was ever written. Writes nothing.

        Raises: StoreFailed.
        """
        if not store.database.exists():
            return []
        read_only = f"{store.database.absolute().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(read_only, timeout=PATIENCE_S, uri=True)) as database:
                found = database.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (self.name,))
                return list(Entries(ledger=self, database=database)) if found.fetchone() else []
        except sqlite3.Error as error:
            raise StoreFailed(
                f"{store.database} cannot be read: {error}",
                code="store.unreadable",
                fix="name a folder that `wmc grade` wrote to, and that you may read, in --store",
            ) from error

    def _schema(self) -> Iterator[str]:
        name = self.name
        columns = ", ".join(f"{column} TEXT NOT NULL" for column in ("at", *self.columns))
        yield f"CREATE TABLE IF NOT EXISTS {name} (number INTEGER PRIMARY KEY AUTOINCREMENT, {columns})"
        refused = f"BEGIN SELECT RAISE(ABORT, '{name} are append-only'); END"
        yield f"CREATE TRIGGER IF NOT EXISTS {name}_are_not_edited BEFORE UPDATE ON {name} {refused}"
        yield f"CREATE TRIGGER IF NOT EXISTS {name}_are_not_removed BEFORE DELETE ON {name} {refused}"
        is_there = f"EXISTS (SELECT 1 FROM {name} WHERE number = NEW.number)"  # noqa: S608 - our own words
        yield (  # INSERT OR REPLACE fires no other trigger
            f"CREATE TRIGGER IF NOT EXISTS {name}_are_not_replaced BEFORE INSERT ON {name} "
            f"WHEN {is_there} {refused}"
        )


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The rows of a ledger that is open."""

    ledger: Ledger
    database: sqlite3.Connection

    def __iter__(self) -> Iterator[dict[str, str]]:
        names = ("at", *self.ledger.columns)
        query = f"SELECT {', '.join(names)} FROM {self.ledger.name} ORDER BY number"  # noqa: S608 - our own words
        yield from (dict(zip(names, row, strict=True)) for row in self.database.execute(query))

    def add(self, *, at: str | None = None, **values: str) -> None:
        """One row more, written now unless it is of something older."""
        names = ("at", *self.ledger.columns)
        row = {"at": at or now(), **values}
        places = ", ".join("?" * len(names))
        self.database.execute(
            f"INSERT INTO {self.ledger.name} ({', '.join(names)}) VALUES ({places})",  # noqa: S608 - our own words
            [row[name] for name in names],
        )

    def reports(self) -> list[str]:
        """The records of the same store as they lie there, the oldest first."""
        return [report for (report,) in self.database.execute("SELECT report FROM grades ORDER BY number")]


def now() -> str:
    """The time as rows and records have it: UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
