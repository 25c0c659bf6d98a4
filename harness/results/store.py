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
from harness.results.chain import GENESIS, Head, Row, running_hash
from harness.results.report import GradeReport
from harness.whole_file import whole_file

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
_PATIENCE_S = 30.0  # for another grade's transaction


class Store:
    """A folder of grades; made when the first one is written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def grade_folder(self, grade_id: str) -> Path:
        """The folder of one grade's artifacts and logs, created."""
        folder = self.folder / "grades" / grade_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(folder, error) from error
        return folder

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
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(_connected(self._path)) as database:
                with _writing(database):
                    _make_tables(database)
                    last = _last(database)
                    self._begin_head(database, last)
                    _insert(database, row, last)
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
            raise StoreFailed(
                f"{self.folder} has no grade {grade_id}",
                code="store.no_such_grade",
                fix="name a grade by its id, as `wmc grade` shows it",
            )
        return _parsed(row[0])

    def rows(self) -> list[Row]:
        """Every row as it lies there, by number, for `check_chain`. Read the head first: a grade may finish meanwhile.

        Raises: StoreFailed.
        """
        with self._reading() as database:
            database.text_factory = bytes
            return list(_rows(database))

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
        """The database, which nothing is written to."""
        if not self._path.exists():
            raise StoreFailed(
                f"there is no store of grades at {self.folder}",
                code="store.missing",
                fix="name the folder that `wmc grade` wrote to in --store",
            )
        try:
            read_only = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(read_only, timeout=_PATIENCE_S, uri=True)) as database:
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
        with suppress(ValueError), _writing(database):
            head = self._head()
            if head and head.sha256 == _hash_at(database, head.rows):
                self._write_head(_last(database))

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


def _connected(path: Path) -> sqlite3.Connection:
    """A connection whose transactions are ours to begin; texts are bytes."""
    database = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
    database.text_factory = bytes
    database.execute("PRAGMA synchronous = FULL")
    return database


@contextmanager
def _writing(database: sqlite3.Connection) -> Iterator[None]:
    """One transaction, in which nobody else writes from its first line on."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _make_tables(database: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        database.execute(statement)
    for column in _CHAINED:
        if not _is_chained(database, column):
            database.execute(f"ALTER TABLE grades ADD COLUMN {column} TEXT")


def _is_chained(database: sqlite3.Connection, column: str = _CHAINED[-1]) -> bool:
    """Whether the table has this column."""
    found = database.execute("SELECT 1 FROM pragma_table_info('grades') WHERE name = ?", (column,))
    return found.fetchone() is not None


def _rows(database: sqlite3.Connection, *, until: int | None = None) -> Iterator[Row]:
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


def _last(database: sqlite3.Connection) -> Head:
    """What the next row follows."""
    (number,) = database.execute("SELECT COALESCE(MAX(number), 0) FROM grades").fetchone()
    return Head(rows=number, sha256=_hash_at(database, number))


def _hash_at(database: sqlite3.Connection, number: int) -> str:
    """The hash of this row; of one without, what the row after it is chained to."""
    row = database.execute("SELECT sha256 FROM grades WHERE number = ?", (number,)).fetchone()
    if row and row[0]:
        return bytes(row[0]).decode("ascii", "replace")
    return running_hash(_rows(database, until=number)) if number else GENESIS


def _insert(database: sqlite3.Connection, row: Row, last: Head) -> None:
    texts = (text.decode() for text in (row.grade_id, row.finished_at, row.report))
    database.execute(
        "INSERT INTO grades (number, grade_id, finished_at, report, previous, sha256) VALUES (?, ?, ?, ?, ?, ?)",
        (last.rows + 1, *texts, last.sha256, row.hashed_after(last.sha256)),
    )


def _unwritable(path: Path, error: Exception) -> StoreFailed:
    return StoreFailed(
        f"{path}: {error}",
        fix="name a folder that can be written, with free space, in --store; the grade can be run again",
    )
