"""A database that is damaged, lost, locked or forbidden: every command says so, what mends it, and writes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.doctor.check import Health
from harness.doctor.records import record_checks
from harness.errors import StoreFailed
from harness.intake.pack import pack
from harness.results import store as stores
from harness.results import table
from harness.results.approvals import Decision, Verdict, decide
from harness.results.report import GradeReport
from harness.results.store import Store

TEMPLATE = Path(__file__).parents[3] / "submissions_template"


@pytest.fixture
def store(tmp_path: Path, record: Callable[..., GradeReport]) -> Store:
    """Sixty records, so that the table is a tree of pages, and a copy of all beside it."""
    made = Store(tmp_path / "store")
    report = record(grade_id="20260101-000000-00000000")
    with made.writing() as rows:
        for number in range(60):
            one = replace(report, grade_id=f"20260101-000000-{number:08d}")
            rows.add(name=one.grade_id, at=one.finished_at, text=stores.json.dumps(one.to_json()))
    shutil.copytree(made.folder, tmp_path / "copy")
    return made


def root_of_table(path: Path) -> tuple[int, int]:
    """Where the page begins from which all rows are found, and its size."""
    with closing(sqlite3.connect(path)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'grades'").fetchone()
    return (root - 1) * size, size


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def spoil_header(path: Path) -> None:
    path.write_bytes(b"garbage!" * 16 + path.read_bytes()[128:])


def flip_page(path: Path) -> None:
    content = bytearray(path.read_bytes())
    at, size = root_of_table(path)
    content[at : at + size] = bytes(byte ^ 0xFF for byte in content[at : at + size])
    path.write_bytes(bytes(content))


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def lose(path: Path) -> None:
    path.unlink()


FAULTS = [truncate, empty, spoil_header, flip_page, make_folder, lose]
GRADE = "20260101-000000-00000007"
COMMANDS = {
    "verify": ["verify"],
    "verify a grade": ["verify", GRADE],
    "leaderboard": ["leaderboard", "-o", "{tmp}/site"],
    "notice": ["notice", GRADE],
    "withdraw": ["withdraw", GRADE, "--by", "rita", "--reason", "x"],
    "regrade": ["regrade", GRADE],
    "review": ["review", "{zip}"],
    "approve": ["review", "{zip}", "--approve", "--by", "rita"],
    "grade": ["grade", "{zip}", "--data", "{data}", "--sandbox", "process"],
    "resume": ["grade", "--resume"],
    "calibrate": ["retrieval", "calibrate", "--data", "{data}", "--train", "{data}", "--all"],
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(TEMPLATE, tmp_path_factory.mktemp("zip") / "entry.zip").path


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_command_says_that_the_store_is_damaged_and_writes_nothing(
    store: Store,
    make_clip: Callable[..., Path],
    packed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[Path], None],
) -> None:
    fault(store.database)
    data, before, silent = make_clip(name="heldout"), contents(store.folder), []
    for name, words in COMMANDS.items():
        command = [word.format(tmp=tmp_path, zip=packed, data=data) for word in words]
        status = main([*command, "--store", str(store.folder)])
        said = " ".join(capsys.readouterr().err.split())
        if status != 3 or "store.damaged" not in said or contents(store.folder) != before:
            silent.append((name, status, said, contents(store.folder).keys() - before.keys()))
    assert silent == []
    (check,) = record_checks(store)
    assert check.health is Health.BROKEN
    assert "wmc verify --store COPY" in check.fix


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_fix_is_true(
    store: Store,
    record: Callable[..., GradeReport],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[Path], None],
) -> None:
    store.append(record())  # which the copy does not have
    fault(store.database)
    assert main(["verify", "--store", str(tmp_path / "copy")]) == 0
    with suppress(FileNotFoundError):
        store.database.rename(tmp_path / "aside")
    shutil.copy(tmp_path / "copy" / "grades.sqlite", store.folder)
    capsys.readouterr()
    assert main(["verify", "--store", str(store.folder)]) == 3
    assert "row 61 is missing at the end" in capsys.readouterr().out
    shutil.copy(tmp_path / "copy" / "chain.head", store.folder)
    assert main(["verify", "--store", str(store.folder)]) == 0


def test_a_damaged_page_is_not_written_around(store: Store, record: Callable[..., GradeReport]) -> None:
    """The index alone is damaged, and no reader of rows sees it."""
    with closing(sqlite3.connect(store.database)) as database:
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_grades%'"
        ).fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    content = bytearray(store.database.read_bytes())
    content[(root - 1) * size : root * size] = bytes(size)
    store.database.write_bytes(bytes(content))
    assert len(store.reports()) == 60
    with pytest.raises(StoreFailed) as caught:
        store.append(record())
    assert caught.value.code == "store.damaged"
    assert store.database.read_bytes() == bytes(content)


def test_a_store_that_another_process_holds_is_said_to_be_locked(
    store: Store, record: Callable[..., GradeReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (stores, table):
        monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    with closing(sqlite3.connect(store.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        for use in (store.reports, store.rows, store.grade_ids, lambda: store.append(record())):
            with pytest.raises(StoreFailed) as caught:
                use()
            assert caught.value.code == "store.locked"
            assert "fuser -v" in caught.value.fix
        (check,) = record_checks(store)
        assert "is locked" in check.seen
    store.append(record())


AS_NOBODY = """
import os, sys
from pathlib import Path
from harness.errors import StoreFailed
from harness.results.store import Store
from harness.results.withdrawals import Move, Withdrawal, withdraw, withdrawals
store = Store(Path(sys.argv[1]))
os.setgid(65534), os.setuid(65534)
decision = Withdrawal(move=Move.WITHDRAWN, grade_id=sys.argv[2], by="r", reason="x")
for use in (lambda: store.rows(), lambda: withdraw(store, decision)):
    try:
        use()
    except StoreFailed as error:
        print(error.code)
    else:
        print("done")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="to be somebody else one has to be root")
def test_a_store_of_somebody_elses_is_said_to_be_one(store: Store) -> None:
    with tempfile.TemporaryDirectory() as place:  # where everybody can go, unlike in pytest's own
        Path(place).chmod(0o755)
        theirs = Store(shutil.copytree(store.folder, Path(place) / "store"))
        before = contents(theirs.folder)
        for mode, said in ((0o644, ["done", "store.forbidden"]), (0o600, ["store.forbidden"] * 2)):
            theirs.database.chmod(mode)
            program = [sys.executable, "-c", AS_NOBODY, str(theirs.folder), GRADE]
            done = subprocess.run(program, capture_output=True, text=True, check=False)
            assert done.stdout.split() == said, done.stderr
        assert contents(theirs.folder) == before


def run(*command: str, wrapped: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    program = [*wrapped, sys.executable, "-m", "harness", *command]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_disk_that_is_mounted_read_only_is_read_and_not_written(store: Store) -> None:
    there = str(store.folder)
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    wrapped = ("unshare", "-m", "sh", "-c", mount, there)
    if subprocess.run([*wrapped, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    done = run("verify", "--store", there, wrapped=wrapped)
    assert done.returncode == 0, done.stderr
    done = run("withdraw", GRADE, "--by", "r", "--reason", "x", "--store", there, wrapped=wrapped)
    assert (done.returncode, "store.forbidden" in done.stderr) == (3, True), done.stderr


def test_a_new_store_is_no_damaged_one(tmp_path: Path) -> None:
    """A harness that was killed amid the first write of all leaves an empty file, or none beside a head of 0 rows."""
    made = Store(tmp_path / "store")
    made.folder.mkdir()
    made.database.touch()
    (made.folder / "chain.head").write_text('{"rows": 0, "sha256": "' + "0" * 64 + '"}')
    assert made.grade_ids() == frozenset()
    decide(
        made,
        Decision(verdict=Verdict.APPROVED, submission_sha256="c" * 64, user_name="a", entry_name="e", by="r"),
    )
    assert len(made.rows()) == 1
