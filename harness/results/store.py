"""Where grades are kept: an append-only SQLite table, with each grade's artifacts in a folder beside it.

Artifacts are complete on disk before the row that names them is committed, so a row never points at nothing. Rows are
chained by their hashes, and `chain.head` beside the database says how far the chain goes: see `harness.results.chain`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreFailed
from harness.results.chain import Head, Row
from harness.results.report import GradeReport
from harness.results.table import (
    PATIENCE_S,
    connected,
    hash_at,
    insert,
    last_of,
    make_tables,
    rows_of,
    undo_unfinished,
    writing,
)
from harness.whole_file import make_folder, whole_file

_CHUNK_BYTES = 1 << 20


class Store:
    """A folder of grades; made when the first one is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def grade_folder(self, grade_id: str) -> Path:
        """The folder of one grade's artifacts and logs, created."""
        folder = self.folder / "grades" / grade_id
        try:
            make_folder(folder)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return folder

    @property
    def database(self) -> Path:
        """The file of the records, and of the organiser's decisions beside them."""
        return self._path

    @property
    def decoded_folder(self) -> Path:
        """Where decoded truth is kept for later grades; it can be removed, and is made again."""
        return self.folder / "decoded"

    @property
    def panel_file(self) -> Path:
        """The panel of honest entries that grades of this store are judged by, once it was calibrated."""
        return self.folder / "panel.json"

    def save_tokens(
        self, grade_id: str, name: str, *, nats_BTHW: NDArray[np.float64], tokens_BTHW: NDArray[np.uint32],
        starts_B: NDArray[np.int64],
    ) -> tuple[str, str]:  # fmt: skip
        """Keep per-token nats and tokens of every graded window; returns (path below the store, sha256).

        Nats are kept as float32; what is too large for it is kept as its largest number.
        """
        path = self.grade_folder(grade_id) / f"{name}.npz"
        kept_BTHW = np.minimum(nats_BTHW, np.finfo(np.float32).max).astype(np.float32)
        try:
            with whole_file(path) as file:
                np.savez_compressed(file, nats=kept_BTHW, tokens=tokens_BTHW, starts=starts_B)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise _unwritable(path, error) from error
        return str(path.relative_to(self.folder)), digest

    def save_artifact(self, grade_id: str, name: str, content: bytes) -> tuple[str, str]:
        """Keep a file beside the record; returns (path below the store, sha256)."""
        path = self.grade_folder(grade_id) / name
        try:
            with whole_file(path) as file:
                file.write(content)
        except OSError as error:
            raise _unwritable(path, error) from error
        return str(path.relative_to(self.folder)), hashlib.sha256(content).hexdigest()

    def keep_copy(self, grade_id: str, name: str, source: Path) -> tuple[str, str]:
        """Keep a copy of a file beside the record, a piece at a time; returns (path below the store, sha256)."""
        path = self.grade_folder(grade_id) / name
        digest = hashlib.sha256()
        try:
            with source.open("rb") as original, whole_file(path) as file:
                while chunk := original.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
        except OSError as error:
            raise _unwritable(path, error) from error
        return str(path.relative_to(self.folder)), digest.hexdigest()

    def append(self, report: GradeReport) -> None:
        """Commit one record; it is never changed afterwards.

        Raises: StoreFailed.
        """
        row = Row(
            number=0,
            grade_id=report.grade_id.encode(),
            finished_at=report.finished_at.encode(),
            report=json.dumps(report.to_json(), allow_nan=False).encode(),
        )
        try:
            make_folder(self.folder)
            with closing(connected(self._path)) as database:
                with writing(database):
                    make_tables(database)
                    last = last_of(database)
                    self._begin_head(database, last)
                    insert(database, row, last)
                with suppress(OSError, sqlite3.Error):  # the record is kept; the next one brings the head up
                    self._advance_head(database)
        except (OSError, sqlite3.Error) as error:
            raise _unwritable(self._path, error) from error

    def reports(self) -> list[GradeReport]:
        """Every record, oldest first; reading writes nothing.

        Raises: StoreFailed, with the code store.missing where no grade was ever kept.
        """
        with self._reading() as database:
            rows = database.execute("SELECT report FROM grades ORDER BY number").fetchall()
        return [_parsed(report) for (report,) in rows]

    def report(self, grade_id: str) -> GradeReport:
        """The record of this grade.

        Raises: StoreFailed.
        """
        with self._reading() as database:
            row = database.execute("SELECT report FROM grades WHERE grade_id = ?", (grade_id,)).fetchone()
        if row is None:
            raise _no_such_grade(self.folder, grade_id)
        return _parsed(row[0])

    def grade_ids(self) -> frozenset[str]:
        """The grades that have a record.

        Raises: StoreFailed.
        """
        if not self._path.exists():
            return frozenset()
        with self._reading() as database:
            has_table = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'grades'").fetchone()
            rows = database.execute("SELECT grade_id FROM grades").fetchall() if has_table else []
        return frozenset(grade_id for (grade_id,) in rows)

    def row(self, grade_id: str) -> Row:
        """The row of this grade.

        Raises: StoreFailed.
        """
        found = [row for row in self.rows() if row.grade_id == grade_id.encode()]
        if not found:
            raise _no_such_grade(self.folder, grade_id)
        return found[0]

    def rows(self) -> list[Row]:
        """Every row as it lies there, by number, for `check_chain`. Read the head first: a grade may finish meanwhile.

        Raises: StoreFailed.
        """
        with self._reading() as database:
            database.text_factory = bytes
            return list(rows_of(database))

    def head(self) -> Head | None:
        """What `chain.head` says; None where there is none.

        Raises: StoreFailed where it cannot be read or says nothing.
        """
        try:
            return self._head()
        except (OSError, ValueError) as error:
            raise StoreFailed(
                f"{self._head_path} cannot be read: {error}",
                code="store.bad_head",
                fix="restore the store from a copy",
            ) from error

    def damage(self) -> tuple[str, ...]:
        """What SQLite itself finds wrong with the database.

        Raises: StoreFailed.
        """
        with self._reading() as database:
            words = [str(line) for (line,) in database.execute("PRAGMA integrity_check")]
        return () if words == ["ok"] else tuple(words)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """The database, which nothing is written to, but to undo what a killed writer did not finish."""
        if not self._path.exists():
            raise StoreFailed(
                f"there is no store of grades at {self.folder}",
                code="store.missing",
                fix="name the folder that `wmc grade` wrote to in --store",
            )
        try:
            undo_unfinished(self._path)
            read_only = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(read_only, timeout=PATIENCE_S, uri=True)) as database:
                yield database
        except sqlite3.Error as error:
            raise StoreFailed(
                f"{self._path} cannot be read: {error}",
                code="store.unreadable",
                fix="name a folder that `wmc grade` wrote to, and that you may read, in --store",
            ) from error

    def _begin_head(self, database: sqlite3.Connection, last: Head) -> None:
        """The head of a chain that begins with the next row: from then on, that it is not there is an alarm."""
        is_hashed = database.execute("SELECT 1 FROM grades WHERE sha256 IS NOT NULL LIMIT 1").fetchone()
        if not is_hashed and not self._head_path.exists():
            self._write_head(last)

    def _advance_head(self, database: sqlite3.Connection) -> None:
        """Bring the head up to the last row, unless it contradicts the rows: then it is evidence, and stays."""
        # Under the database's lock, so that of two grades that finish together the later head is written last.
        with suppress(ValueError), writing(database):
            head = self._head()
            if head and head.sha256 == hash_at(database, head.rows):
                self._write_head(last_of(database))

    def _head(self) -> Head | None:
        try:
            return Head.from_bytes(self._head_path.read_bytes())
        except FileNotFoundError:
            return None

    def _write_head(self, head: Head) -> None:
        with whole_file(self._head_path) as file:
            file.write(head.to_bytes())

    @property
    def _head_path(self) -> Path:
        return self.folder / "chain.head"

    @property
    def _path(self) -> Path:
        return self.folder / "grades.sqlite"


def _no_such_grade(folder: Path, grade_id: str) -> StoreFailed:
    return StoreFailed(
        f"{folder} has no grade {grade_id}",
        code="store.no_such_grade",
        fix="name a grade by its id, as `wmc grade` shows it",
    )


def _parsed(text: str) -> GradeReport:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise StoreFailed(
            f"a record is no JSON: {error}",
            code="store.bad_record",
            fix="`wmc verify` says which one was edited; restore the store from a copy",
        ) from error
    return GradeReport.from_json(value)


def _unwritable(path: Path, error: Exception) -> StoreFailed:
    return StoreFailed(
        f"{path}: {error}",
        fix="name a folder that can be written, with free space, in --store; the grade can be run again",
    )
