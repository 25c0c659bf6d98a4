"""What was acknowledged survives a power cut: of a disk on which only what was synced is left."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from harness.earlier import Earlier
from harness.progress import Silent
from harness.results.artifacts import artifacts_of, read_artifact
from harness.results.audit import audit_store
from harness.results.checks import Outcome
from harness.results.journal import Journal, read_history
from harness.results.store import Store
from harness.results.table import connected


@dataclass(kw_only=True)
class Disk:
    """Of each folder the names that it had, and of each file the bytes, when it was last synced; nothing else.

    Stricter than any file system: to sync a file does not keep its name.
    """

    names: dict[int, dict[str, int]] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)

    def sync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}")
        if stat.S_ISDIR(status.st_mode):
            self.names[status.st_ino] = {each.name: each.inode() for each in os.scandir(path)}
        else:
            self.contents[status.st_ino] = path.read_bytes()

    def left_of(self, root: Path, to: Path) -> Path:
        """What a power cut now leaves of `root`, in a new folder."""
        self._restore(root.stat().st_ino, to)
        return to

    def _restore(self, inode: int, to: Path) -> None:
        to.mkdir()
        for name, each in self.names.get(inode, {}).items():
            if each in self.names:
                self._restore(each, to / name)
            else:
                (to / name).write_bytes(self.contents.get(each, b""))


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, fsync = Disk(), os.fsync

    def synced(descriptor: int) -> None:
        fsync(descriptor)
        disk.sync(descriptor)

    monkeypatch.setattr(os, "fsync", synced)
    return disk


@pytest.fixture
def after_each_line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has something done whenever a line of a journal was acknowledged."""

    def run(look: Callable[[Journal], None]) -> None:
        write = Journal.write

        def watched(self: Journal, line: Any) -> None:
            write(self, line)
            look(self)

        monkeypatch.setattr(Journal, "write", watched)

    return run


def test_every_line_of_a_journal_outlives_a_power_cut_with_the_files_that_it_names(
    bench: Any, disk: Disk, after_each_line: Callable[..., None], tmp_path: Path
) -> None:
    """Control: files, and the folders that hold their names, are synced first."""
    lines = []

    def look(journal: Journal) -> None:
        if journal.history.has_ended:
            return
        lines.append(journal.history)
        left = Store(disk.left_of(bench.folder, tmp_path / f"left{len(lines)}") / "store")
        history = read_history(left, journal.history.grade_id)
        assert history == journal.history
        Earlier(history=history, store=left, known_as=history.grade_id).check_files()

    after_each_line(look)
    report = bench.grade(pictures=False)
    assert len(lines) == 6, "four stages, two regimes"
    left = Store(disk.left_of(bench.folder, tmp_path / "left") / "store")
    for artifact in artifacts_of(report):
        read_artifact(left.folder, artifact)
    assert left.head() is not None


def test_what_a_power_cut_leaves_is_resumed_with_the_same_figures(
    bench: Any, disk: Disk, after_each_line: Callable[..., None], tmp_path: Path
) -> None:
    """Caches that were not synced are empty then; they are made again."""
    left: list[Path] = []

    def look(journal: Journal) -> None:
        if len(journal.history.finished) == 1 and not left:
            left.append(disk.left_of(bench.folder, tmp_path / "left"))

    after_each_line(look)
    whole = bench.grade(pictures=False)
    report = replace(bench, folder=left[0], cache=left[0] / "cache").resume()
    assert report.grade_id == whole.grade_id
    assert bench.figures(report) == bench.figures(whole)


def test_the_database_waits_for_all_that_a_record_needs(tmp_path: Path) -> None:
    """Control: EXTRA. With FULL the rollback journal can come back after a power cut, and undo a committed record."""
    (synchronous,) = connected(tmp_path / "grades.sqlite").execute("PRAGMA synchronous").fetchone()
    assert synchronous == 3


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], Path]]]:
    """A folder on an ext4 of its own, and what cuts its power: it gives the folder of a copy, as it comes up again.

    The file system is in a file: what was not written to that is lost. Commits by the clock are put off.
    """
    image, places = tmp_path / "disk.img", []
    try:
        with image.open("wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
        place = _mount(image, tmp_path / "disk")
        places.append(place)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be made and mounted here: {error}")

    def cut() -> Path:
        copy = tmp_path / f"cut{len(places)}.img"
        shutil.copyfile(image, copy)
        places.append(_mount(copy, copy.with_suffix("")))
        return places[-1]

    yield place, cut
    for each in reversed(places):
        subprocess.run(["umount", each], check=True)


def _mount(image: Path, place: Path) -> Path:
    place.mkdir()
    command = ["mount", "-o", "loop,commit=3600", image, place]
    subprocess.run(command, check=True, capture_output=True)
    return place


def test_a_power_cut_on_a_real_file_system_takes_what_was_not_synced_and_no_record(
    bench: Any, mounted: tuple[Path, Callable[[], Path]], after_each_line: Callable[..., None]
) -> None:
    """Control: records, journals and artifacts are synced; a file beside them that is not is lost."""
    place, cut = mounted
    bench = replace(bench, folder=place)
    journals = []

    def look(journal: Journal) -> None:
        if journal.history.has_ended:
            return
        left = Store(cut() / "store")
        history = read_history(left, journal.history.grade_id)
        assert history == journal.history
        Earlier(history=history, store=left, known_as=history.grade_id).check_files()
        journals.append(history)

    after_each_line(look)
    report = bench.grade(pictures=False, train=None)
    (place / "unsynced").write_bytes(b"lost")
    left = cut()
    assert not (left / "unsynced").exists()
    assert Store(left / "store").reports() == [report]
    checks = audit_store(Store(left / "store"), key=None, progress=Silent())
    assert {check.outcome for check in checks} == {Outcome.SAME}
    assert len(journals) == 5, "three stages, for nobody asked whether it copies, and two regimes"
