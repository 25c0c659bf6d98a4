"""The end of a store's chain, open to be written on."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from harness.results.chain import Row
from harness.results.head_file import HeadFile
from harness.results.moment import now
from harness.results.old_ledgers import old_decisions, taken_over
from harness.results.table import insert, last_of


@dataclass(frozen=True, kw_only=True)
class OpenRows:
    """The rows of a store, while nobody else writes to it."""

    database: sqlite3.Connection
    head: HeadFile

    def add(self, *, name: str, at: str, text: str) -> None:
        """One row more at the end of the chain: its `grade_id`, `finished_at` and `report`."""
        row = Row(number=0, grade_id=name.encode(), finished_at=at.encode(), report=text.encode())
        last = last_of(self.database)
        self.head.begin(self.database, last)
        insert(self.database, row, last)

    def take_over(self) -> None:
        """Put decisions that an older wmc kept in no chain into this one."""
        at, counts = now(), dict[str, int]()
        for ledger, row in old_decisions(self.database):
            counts[ledger] = counts.get(ledger, 0) + 1
            self.add(name=f"{ledger}/{counts[ledger]}", at=at, text=taken_over(row, at))
