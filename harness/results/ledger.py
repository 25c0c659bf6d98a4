"""The organiser's decisions: rows of the store's one chain, among the records, in the order in which they were made.

So nobody can edit, remove or insert one unseen, and a record's hash, published or signed, covers those before it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import StoreFailed
from harness.results.moment import now
from harness.results.old_ledgers import old_decisions
from harness.results.open_rows import OpenRows
from harness.results.store import Store
from harness.results.table import decisions_of, has_decisions, next_in, reports_of

TEXT_LIMIT = 400
"""Characters of what a person writes into a decision: their name, a note, a reason; some of it is published whole."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Decisions of one kind; every column is text, and beside them stands `at`, when the decision was made."""

    name: str
    columns: tuple[str, ...]

    @contextmanager
    def open(self, store: Store) -> Iterator[Entries]:
        """Its rows, while nobody else writes to the store; what is added is there when the context ends.

        Raises: StoreFailed where the store cannot be written.
        """
        with store.writing() as rows:
            yield Entries(ledger=self, rows=rows)

    def rows(self, store: Store) -> list[dict[str, str]]:
        """All rows, the oldest first; none where nothing was ever written. Writes nothing.

        Raises: StoreFailed.
        """
        if not store.is_begun():
            return []
        with store.reading() as database:
            if has_decisions(database):
                return list(self.read(database))
            return [row for name, row in old_decisions(database) if name == self.name]

    def read(self, database: sqlite3.Connection) -> Iterator[dict[str, str]]:
        """Its rows in the chain.

        Raises: StoreFailed for one that is no row of this ledger.
        """
        yield from map(self._row, decisions_of(database, self.name))

    def _row(self, text: str | bytes) -> dict[str, str]:
        try:
            value = json.loads(text)
            return {name: str(value[name]) for name in ("at", *self.columns)}
        except (ValueError, KeyError, TypeError) as error:
            raise StoreFailed(
                f"a row of {self.name} is none: {error!r}",
                code="store.bad_record",
                fix="`wmc verify` says which one was edited; restore the store from a copy",
            ) from error


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The rows of a ledger that is open."""

    ledger: Ledger
    rows: OpenRows

    def __iter__(self) -> Iterator[dict[str, str]]:
        return self.ledger.read(self.rows.database)

    def add(self, *, at: str | None = None, **values: str) -> None:
        """One row more, written now unless it is of something older.

        Raises: KeyError where a column is missing.
        """
        row = {"at": at or now(), **{name: values[name] for name in self.ledger.columns}}
        number = next_in(self.rows.database, self.ledger.name)
        self.rows.add(name=f"{self.ledger.name}/{number}", at=row["at"], text=json.dumps(row))

    def reports(self) -> list[str | bytes]:
        """The records of the same store as they lie there, the oldest first."""
        return reports_of(self.rows.database)
