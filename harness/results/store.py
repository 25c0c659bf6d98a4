"""Where grades are kept: an append-only SQLite table, with each grade's artifacts in a folder beside it.

Artifacts are complete on disk before the row that names them is committed, so a row never points at nothing.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreFailed
from harness.results.report import GradeReport
from harness.whole_file import whole_file

# The third trigger is for INSERT OR REPLACE, whose removals fire no other one.
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
CREATE TRIGGER IF NOT EXISTS grades_are_not_replaced BEFORE INSERT ON grades
WHEN EXISTS (SELECT 1 FROM grades WHERE number = NEW.number OR grade_id = NEW.grade_id)
BEGIN SELECT RAISE(ABORT, 'grades are append-only'); END;
"""
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
        row = (report.grade_id, report.finished_at, json.dumps(report.to_json(), allow_nan=False))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_PATIENCE_S)) as database:
                database.executescript(_SCHEMA)
                database.execute("PRAGMA synchronous = FULL")
                with database:
                    database.execute(
                        "INSERT INTO grades (grade_id, finished_at, report) VALUES (?, ?, ?)", row
                    )
        except (OSError, sqlite3.Error) as error:
            raise _unwritable(self._path, error) from error

    def reports(self) -> list[GradeReport]:
        """Every record, oldest first; reading writes nothing.

        Raises: StoreFailed, with the code store.missing where no grade was ever kept.
        """
        if not self._path.exists():
            raise StoreFailed(
                f"there is no store of grades at {self.folder}",
                code="store.missing",
                fix="name the folder that `wmc grade` wrote to in --store",
            )
        try:
            read_only = f"{self._path.absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(read_only, timeout=_PATIENCE_S, uri=True)) as database:
                rows = database.execute("SELECT report FROM grades ORDER BY number").fetchall()
        except sqlite3.Error as error:
            raise StoreFailed(
                f"{self._path} cannot be read: {error}",
                code="store.unreadable",
                fix="name a folder that `wmc grade` wrote to, and that you may read, in --store",
            ) from error
        return [GradeReport.from_json(json.loads(report)) for (report,) in rows]

    @property
    def _path(self) -> Path:
        return self.folder / "grades.sqlite"


def _unwritable(path: Path, error: Exception) -> StoreFailed:
    return StoreFailed(
        f"{path}: {error}",
        fix="name a folder that can be written, with free space, in --store; the grade can be run again",
    )
