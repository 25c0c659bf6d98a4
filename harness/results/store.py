"""Where grades are kept: an append-only SQLite table, with each grade's artifacts in a folder beside it.

Artifacts are complete on disk before the row that names them is committed, so a row never points at nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreFailed
from harness.results.report import GradeReport

_SCHEMA = """
CREATE TABLE IF NOT EXISTS grades (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    grade_id TEXT NOT NULL UNIQUE,
    finished_at TEXT NOT NULL,
    report TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS grades_are_not_edited BEFORE UPDATE ON grades
BEGIN SELECT RAISE(ABORT, 'grades are append-only'); END;
CREATE TRIGGER IF NOT EXISTS grades_are_not_removed BEFORE DELETE ON grades
BEGIN SELECT RAISE(ABORT, 'grades are append-only'); END;
"""


class Store:
    """A folder of grades; made on first use."""

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

    def save_tokens(
        self, grade_id: str, name: str, *, nats_BTHW: NDArray[np.float64], tokens_BTHW: NDArray[np.uint32],
        starts_B: NDArray[np.int64],
    ) -> tuple[str, str]:  # fmt: skip
        """Keep per-token nats (float32) and tokens of every graded window; returns (path below the store, sha256)."""
        path = self.grade_folder(grade_id) / f"{name}.npz"
        unfinished = path.with_suffix(".unfinished")
        try:
            with unfinished.open("wb") as file:
                np.savez_compressed(
                    file, nats=nats_BTHW.astype(np.float32), tokens=tokens_BTHW, starts=starts_B
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.rename(path)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise _unwritable(path, error) from error
        return str(path.relative_to(self.folder)), digest

    def append(self, report: GradeReport) -> None:
        """Commit one record; it is never changed afterwards.

        Raises: StoreFailed.
        """
        row = (report.grade_id, report.finished_at, json.dumps(report.to_json(), allow_nan=False))
        with self._database() as database:
            database.execute("INSERT INTO grades (grade_id, finished_at, report) VALUES (?, ?, ?)", row)

    def reports(self) -> list[GradeReport]:
        """Every record, oldest first.

        Raises: StoreFailed.
        """
        with self._database() as database:
            rows = database.execute("SELECT report FROM grades ORDER BY number").fetchall()
        return [GradeReport.from_json(json.loads(report)) for (report,) in rows]

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed unless the context raises."""
        path = self.folder / "grades.sqlite"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(path, timeout=30)
            try:
                database.executescript(_SCHEMA)
                database.execute("PRAGMA synchronous = FULL")
                with database:
                    yield database
            finally:
                database.close()
        except (OSError, sqlite3.Error) as error:
            raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> StoreFailed:
    return StoreFailed(
        f"{path}: {error}",
        fix="name a folder that can be written, with free space, in --store; the grade can be run again",
    )
