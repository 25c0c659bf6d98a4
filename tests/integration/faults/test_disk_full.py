"""A disk that fills up under a grade, at every place where one writes: a real one, of a few megabytes."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.errors import Blame, StoreFailed
from harness.protocol.regimes import Regime
from harness.results.audit import check_records
from harness.results.checks import Outcome
from harness.results.report import GradeReport, Status
from harness.results.store import Store

# The docker package leaves a socket open that nobody listens to.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
RUNNING = f"{Regime.TEMPORALLY_TEACHER_FORCED.in_words}, frames"


@dataclass(frozen=True, kw_only=True)
class Disk:
    """A file system that can be filled and emptied again."""

    folder: Path

    def fill(self, *, leave_bytes: int = 0) -> None:
        """No more than so many bytes, in whole pages, are free."""
        with (self.folder / "ballast").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                file.truncate(max(0, file.tell() - leave_bytes))

    def empty(self) -> None:
        """Free again."""
        (self.folder / "ballast").unlink()

    def half_written(self) -> list[Path]:
        """Files that a later grade could not use and nobody would remove."""
        return [path for path in self.folder.rglob("*") if path.suffix in {".unfinished", ".draft", ".new"}]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "wmc-test", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        yield Disk(folder=folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def is_whole(store: Store) -> bool:
    return all(check.outcome is Outcome.SAME for check in check_records(store))


def test_full_at_an_artifact(own_grader: Any, disk: Disk, saboteur: Any) -> None:
    """The tokens of a regime find no room; the record that says so does."""
    store = disk.folder / "store"
    [tokens] = (path.stat().st_size for path in own_grader.grade(store=store) and store.rglob("*.npz"))
    full = saboteur(RUNNING, lambda: disk.fill(leave_bytes=tokens - 4096))
    report: GradeReport = own_grader.grade(full, store=store)
    assert report.failure is not None
    assert (report.failure.blame, report.failure.code) == (Blame.OPERATOR, "store.failed")
    assert str(store) in report.failure.message
    assert "No space left" in report.failure.message
    assert disk.half_written() == []
    disk.empty()
    assert own_grader.grade(store=store).status is Status.GRADED
    assert [each.status for each in Store(store).reports()] == [Status.GRADED, Status.FAILED, Status.GRADED]
    assert is_whole(Store(store))


def test_full_at_the_commit(
    own_grader: Any, disk: Disk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no room for the record itself: the command says so, and the store is as it was."""
    store = disk.folder / "store"
    first = own_grader.grade(store=store)
    append = Store.append

    def append_on_a_full_disk(self: Store, report: GradeReport) -> None:
        disk.fill()
        append(self, report)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", append_on_a_full_disk)
        with pytest.raises(StoreFailed, match="full") as caught:
            own_grader.grade(store=store)
    assert caught.value.blame is Blame.OPERATOR
    assert str(store) in caught.value.message
    assert Store(store).reports() == [first]
    assert is_whole(Store(store))
    disk.empty()
    last = own_grader.grade(store=store)
    assert Store(store).reports() == [first, last]
    assert is_whole(Store(store))


@pytest.mark.parametrize("place", ["store", "cache", "temporary"])
def test_full_from_the_beginning(
    own_grader: Any, disk: Disk, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever finds no room first, it is the operator's, and once there is room everything works."""
    where = {"store": disk.folder / "store"} if place == "store" else {}
    where |= {"cache": disk.folder / "cache"} if place == "cache" else {}
    if place == "temporary":
        monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    disk.fill()
    if place == "store":
        with pytest.raises(StoreFailed) as caught:
            own_grader.grade(**where)
        assert str(disk.folder) in caught.value.message
    else:
        failure = own_grader.grade(**where).failure
        assert failure.blame is Blame.OPERATOR, failure
        assert str(disk.folder) in failure.message
        assert failure.fix
    assert disk.half_written() == []
    disk.empty()
    assert own_grader.grade(**where).status is Status.GRADED


@pytest.mark.docker
@pytest.mark.parametrize("place", [pytest.param("store", marks=pytest.mark.nightly), "cache"])
def test_full_at_a_build_in_a_container(
    grader: Any, own_engine: Any, disk: Disk, saboteur: Callable[..., Any], place: str
) -> None:
    """Its log finds no room in the store, or its record none in the cache; no volume of it is left."""
    where = {place: disk.folder / place}
    volumes = set(own_engine.run("volume", "ls", "--quiet").split())
    full = saboteur("running ./build.sh", lambda: disk.fill(leave_bytes=0 if place == "cache" else 40_000))
    noisy = grader.with_build("seq 30000\n")
    try:
        failure = noisy.grade(full, **where).failure
        assert (failure.blame, failure.code) == (
            Blame.OPERATOR,
            {"store": "sandbox.log", "cache": "sandbox.cache"}[place],
        )
        message = failure.message
    except StoreFailed as error:
        message = error.message
    assert str(disk.folder) in message
    assert own_engine.left() == []
    assert set(own_engine.run("volume", "ls", "--quiet").split()) == volumes
    assert disk.half_written() == []
    disk.empty()
    assert noisy.grade(**where).status is Status.GRADED
