"""Where grades are kept: an append-only SQLite table, with each grade's artifacts in a folder beside it.

Artifacts are complete on disk before the row that names them is committed, so a row never points at nothing. The
organiser's decisions are rows among the records. Rows are chained by their hashes, and `chain.head` beside the database
says how far the chain goes: see `harness.results.chain`.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.whole_file import make_folder, whole_file
from harness.results.chain import Head, Row
from harness.results.head_file import HeadFile
from harness.results.old_ledgers import old_decisions
from harness.results.open_rows import OpenRows
from harness.results.report import GradeReport
from harness.results.table import (
    PATIENCE_S,
    connected,
    first_damage,
    grade_ids_of,
    last_of,
    make_tables,
    reports_of,
    rows_of,
    undo_unfinished,
    writing,
)
from harness.results.trouble import (
    damaged,
    no_json,
    no_place,
    no_store,
    no_such_grade,
    unreadable,
    unwritable,
)

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
            raise no_place(folder, error) from error
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
            raise no_place(path, error) from error
        return str(path.relative_to(self.folder)), digest

    def save_artifact(self, grade_id: str, name: str, content: bytes) -> tuple[str, str]:
        """Keep a file beside the record; returns (path below the store, sha256)."""
        path = self.grade_folder(grade_id) / name
        try:
            with whole_file(path) as file:
                file.write(content)
        except OSError as error:
            raise no_place(path, error) from error
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
            raise no_place(path, error) from error
        return str(path.relative_to(self.folder)), digest.hexdigest()

    def append(self, report: GradeReport) -> None:
        """Commit one record; it is never changed afterwards.

        Raises: StoreFailed.
        """
        text = json.dumps(report.to_json(), allow_nan=False)
        with self.writing() as rows:
            rows.add(name=report.grade_id, at=report.finished_at, text=text)

    @contextmanager
    def writing(self) -> Iterator[OpenRows]:
        """The rows, while nobody else writes to the store; what is added is there when the context ends.

        Raises: StoreFailed where the store cannot be written, or is damaged: then nothing is written to it.
        """
        try:
            self.is_begun()
            make_folder(self.folder)
            with closing(connected(self._path)) as database:
                with writing(database):
                    if trouble := first_damage(database):
                        raise damaged(self._path, trouble)
                    make_tables(database)
                    rows = OpenRows(database=database, head=self._head_file)
                    rows.take_over()
                    yield rows
                self._head_file.advance(database)
        except (OSError, sqlite3.Error) as error:
            raise unwritable(self._path, error) from error

    def is_begun(self) -> bool:
        """Whether anything was ever written, as far as it was not undone.

        Raises: StoreFailed where something was, and the database is gone or empty.
        """
        try:
            if self._path.exists():
                undo_unfinished(self._path)
            if self._path.exists() and self._path.stat().st_size:
                return True
        except (OSError, sqlite3.Error) as error:
            raise unreadable(self._path, error) from error
        head = self.head() if self._head_file.path.exists() else None
        if head and head.rows:
            what = "empty" if self._path.exists() else "not there any more"
            words = "row" if head.rows == 1 else "rows"
            raise damaged(self._path, f"it is {what}, and chain.head says that it holds {head.rows} {words}")
        return False

    def reports(self) -> list[GradeReport]:
        """Every record, oldest first; reading writes nothing.

        Raises: StoreFailed, with the code store.missing where no grade was ever kept.
        """
        with self.reading() as database:
            texts = reports_of(database)
        return [_parsed(text) for text in texts]

    def report(self, grade_id: str) -> GradeReport:
        """The record of this grade.

        Raises: StoreFailed.
        """
        with self.reading() as database:
            row = database.execute("SELECT report FROM grades WHERE grade_id = ?", (grade_id,)).fetchone()
        if row is None or "/" in grade_id:  # of a decision
            raise no_such_grade(self.folder, grade_id)
        return _parsed(row[0])

    def grade_ids(self) -> frozenset[str]:
        """The grades that have a record.

        Raises: StoreFailed.
        """
        if not self.is_begun():
            return frozenset()
        with self.reading() as database:
            return frozenset(grade_ids_of(database))

    def row(self, grade_id: str) -> Row:
        """The row of this grade.

        Raises: StoreFailed.
        """
        found = [row for row in self.rows() if row.grade_id == grade_id.encode()]
        if not found:
            raise no_such_grade(self.folder, grade_id)
        return found[0]

    def rows(self) -> list[Row]:
        """Every row as it lies there, by number, for `check_chain`. Read the head first: a grade may finish meanwhile.

        Raises: StoreFailed.
        """
        with self.reading() as database:
            database.text_factory = bytes
            return list(rows_of(database))

    def old_decisions(self) -> list[tuple[str, dict[str, str]]]:
        """Decisions in no chain: see `harness.results.old_ledgers`.

        Raises: StoreFailed.
        """
        with self.reading() as database:
            return old_decisions(database)

    def last(self) -> Head | None:
        """The end of the chain as the rows have it, for a copy out of their reach; None where there is no row.

        Raises: StoreFailed.
        """
        if not self.is_begun():
            return None
        with self.reading() as database:
            database.text_factory = bytes
            last = last_of(database)
        return last if last.rows else None

    def head(self) -> Head | None:
        """What `chain.head` says; None where there is none.

        Raises: StoreFailed where it cannot be read or says nothing.
        """
        return self._head_file.read()

    def require_whole(self) -> None:
        """Nothing, where there is no store yet or its database can be read to the last page.

        Raises: StoreFailed.
        """
        if self.is_begun():
            with self.reading() as database:
                trouble = first_damage(database)
            if trouble:
                raise damaged(self._path, trouble)

    def damage(self) -> tuple[str, ...]:
        """What SQLite itself finds wrong with the database.

        Raises: StoreFailed.
        """
        with self.reading() as database:
            words = [str(line) for (line,) in database.execute("PRAGMA integrity_check")]
        return () if words == ["ok"] else tuple(words)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The database, which nothing is written to, but to undo what a killed writer did not finish.

        Raises: StoreFailed, with the code store.missing where no grade was ever kept.
        """
        if not self.is_begun():
            raise no_store(self.folder)
        try:
            read_only = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(read_only, timeout=PATIENCE_S, uri=True)) as database:
                yield database
        except sqlite3.Error as error:
            raise unreadable(self._path, error) from error

    @property
    def _head_file(self) -> HeadFile:
        return HeadFile(self.folder / "chain.head")

    @property
    def _path(self) -> Path:
        return self.folder / "grades.sqlite"


def _parsed(text: str | bytes) -> GradeReport:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise no_json(error) from error
    return GradeReport.from_json(value)
