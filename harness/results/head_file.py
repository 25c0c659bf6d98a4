"""`chain.head`, the file beside the database that says how far its chain goes."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from harness.disk.whole_file import whole_file
from harness.errors import StoreFailed
from harness.results.chain import Head
from harness.results.table import hash_at, is_hashed, last_of, writing


class HeadFile:
    """The file at `path`, which need not be there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Head | None:
        """What it says; None where there is none.

        Raises: StoreFailed where it cannot be read or says nothing.
        """
        try:
            return self._read()
        except (OSError, ValueError) as error:
            raise StoreFailed(
                f"{self.path} cannot be read: {error}",
                code="store.bad_head",
                fix="restore the store from a copy",
            ) from error

    def begin(self, database: sqlite3.Connection, last: Head) -> None:
        """The head of a chain that begins with the next row: from then on, that it is not there is an alarm.

        Raises: OSError.
        """
        if not is_hashed(database) and not self.path.exists():
            self.write(last)

    def advance(self, database: sqlite3.Connection) -> None:
        """Bring it up to the last row, unless it contradicts the rows: then it is evidence, and stays."""
        # Under the database's lock, so that of two grades that finish together the later head is written last. The row
        # is kept, whatever happens here: the next one brings the head up.
        with suppress(OSError, sqlite3.Error, ValueError), writing(database):
            head = self._read()
            if head and head.sha256 == hash_at(database, head.rows):
                self.write(last_of(database))

    def write(self, head: Head) -> None:
        """Say this instead. Raises: OSError."""
        with whole_file(self.path) as file:
            file.write(head.to_bytes())

    def _read(self) -> Head | None:
        try:
            return Head.from_bytes(self.path.read_bytes())
        except FileNotFoundError:
            return None
