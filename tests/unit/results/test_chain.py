"""The chain of records: every way to tamper with the database is named, and nothing else is."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import StoreFailed
from harness.results import chain, open_rows
from harness.results.chain import GENESIS, Chain, Head, Kind, Row, check_chain, running_hash
from harness.results.head_file import HeadFile
from harness.results.store import Store

OLD_SCHEMA = """
CREATE TABLE grades (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    grade_id TEXT NOT NULL UNIQUE,
    finished_at TEXT NOT NULL,
    report TEXT NOT NULL
);
CREATE TRIGGER grades_are_not_edited BEFORE UPDATE ON grades
BEGIN SELECT RAISE(ABORT, 'grades are append-only'); END;
"""


def report(name: str) -> Any:
    """The part of a record that the store looks at."""
    return SimpleNamespace(
        grade_id=name, finished_at="now", to_json=lambda: {"grade_id": name, "loss": "9.5"}
    )


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    """A store of five rows, a to e."""
    made = Store(tmp_path / "store")
    for name in "abcde":
        made.append(report(name))
    return made


def checked(kept: Store) -> Chain:
    head = kept.head()
    return check_chain(kept.rows(), head)


def kinds(kept: Store) -> list[tuple[Kind, int | None]]:
    return [(finding.kind, finding.row) for finding in checked(kept).findings]


def tamper(kept: Store, *statements: str) -> None:
    """What someone does who may write the file: triggers and constraints stop nobody."""
    with closing(sqlite3.connect(kept.folder / "grades.sqlite")) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        database.commit()


def renumbered(*pairs: tuple[int, int]) -> list[str]:
    """Statements that give rows other numbers, all at once."""
    return [
        *(f"UPDATE grades SET number = {-new} WHERE number = {old}" for old, new in pairs),
        "UPDATE grades SET number = -number WHERE number < 0",
    ]


def test_what_was_appended_verifies(kept: Store) -> None:
    found = checked(kept)
    assert (found.rows, found.unhashed, found.lag, found.findings) == (5, 0, 0, ())
    assert found.head == kept.head() == Head(rows=5, sha256=kept.rows()[-1].sha256 or "")
    assert kept.damage() == ()


def test_each_hash_covers_the_one_before_and_every_part_of_the_row(kept: Store) -> None:
    first, second = kept.rows()[:2]
    assert (first.previous, second.previous) == (GENESIS, first.sha256)
    parts = {"grade_id": b"a", "finished_at": b"b", "report": b"c"}
    row = Row(number=1, **parts)
    others = [Row(number=1, **{**parts, name: b"x"}) for name in parts]
    shifted = Row(number=1, grade_id=b"ab", finished_at=b"", report=b"c")
    hashes = {each.hashed_after(GENESIS) for each in (row, *others, shifted)} | {row.hashed_after("1" * 64)}
    assert len(hashes) == 6


@pytest.mark.parametrize("number", [1, 3, 5])
def test_one_flipped_byte_of_the_file_is_named(kept: Store, number: int) -> None:
    """Control: the hash of each row. SQLite itself sees nothing."""
    path = kept.folder / "grades.sqlite"
    content = path.read_bytes()
    text = json.dumps(report("abcde"[number - 1]).to_json()).encode()
    assert content.count(text) == 1
    at = content.index(text) + text.index(b"9.5")
    path.write_bytes(content[:at] + b"8" + content[at + 1 :])
    assert kept.damage() == ()
    assert kinds(kept) == [(Kind.EDITED, number)]


def test_a_byte_that_is_no_text_any_more_is_named_too(kept: Store) -> None:
    path = kept.folder / "grades.sqlite"
    content = path.read_bytes()
    at = content.index(b'"grade_id": "b"')
    path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    assert kinds(kept) == [(Kind.EDITED, 2)]
    with pytest.raises(StoreFailed):
        kept.reports()


@pytest.mark.parametrize(
    "change", ["finished_at = 'then'", "grade_id = 'z'", "sha256 = 'z'", "previous = 'z'", "report = ''"]
)
def test_an_edit_of_any_column_is_named(kept: Store, change: str) -> None:
    tamper(kept, f"UPDATE grades SET {change} WHERE number = 3")
    assert kinds(kept) == [(Kind.EDITED, 3)]


def test_a_removed_row_is_named(kept: Store) -> None:
    tamper(kept, "DELETE FROM grades WHERE number = 2")
    assert kinds(kept) == [(Kind.MISSING, 2)]
    assert "row 2 is missing" in checked(kept).findings[0].message


def test_a_removed_row_is_missed_even_where_the_others_close_up(kept: Store) -> None:
    tamper(kept, "DELETE FROM grades WHERE number = 2", *renumbered((3, 2), (4, 3), (5, 4)))
    assert kinds(kept) == [(Kind.MISSING, 2), (Kind.MISSING, 5)]


def test_a_swapped_pair_is_named_and_its_neighbours_are_not(kept: Store) -> None:
    tamper(kept, *renumbered((2, 3), (3, 2)))
    assert kinds(kept) == [(Kind.REORDERED, 2), (Kind.REORDERED, 3)]


def test_a_swapped_pair_at_the_end_contradicts_the_head_as_well(kept: Store) -> None:
    tamper(kept, *renumbered((4, 5), (5, 4)))
    assert kinds(kept) == [(Kind.REORDERED, 4), (Kind.REORDERED, 5), (Kind.HEAD, 5)]


def test_a_row_that_repeats_another_is_named(kept: Store) -> None:
    columns = "grade_id, finished_at, report, previous, sha256"
    tamper(
        kept,
        "CREATE TABLE copied (number INTEGER PRIMARY KEY, grade_id, finished_at, report, previous, sha256)",
        f"INSERT INTO copied SELECT number, {columns} FROM grades",
        f"INSERT INTO copied SELECT 6, {columns} FROM grades WHERE number = 2",
        "DROP TABLE grades",
        "ALTER TABLE copied RENAME TO grades",
    )
    assert kinds(kept) == [(Kind.DUPLICATED, 6)]


def test_a_truncated_tail_is_missed_by_the_head(kept: Store) -> None:
    """Control: the head beside the database. The rows alone are a whole chain."""
    tamper(kept, "DELETE FROM grades WHERE number > 3")
    assert kinds(kept) == [(Kind.MISSING, 4)]
    assert "rows 4 to 5 are missing at the end" in checked(kept).findings[0].message
    assert check_chain(kept.rows(), Head(rows=3, sha256=kept.rows()[-1].sha256 or "")).findings == ()


def test_an_old_database_that_was_put_back_is_missed_by_the_newer_head_for_ever(kept: Store) -> None:
    """Control: an append never makes an alarm go away."""
    old = kept.folder / "old"
    shutil.copy(kept.folder / "grades.sqlite", old)
    for name in "fg":
        kept.append(report(name))
    shutil.move(old, kept.folder / "grades.sqlite")
    assert kinds(kept) == [(Kind.MISSING, 6)]
    for name in "xyz":
        kept.append(report(name))
        assert kinds(kept) != []
    assert kinds(kept) == [(Kind.HEAD, 7)]


def test_rows_hashed_anew_contradict_the_head(kept: Store) -> None:
    rows = kept.rows()
    forged, before = [], GENESIS
    for row in rows:
        text = row.report.replace(b"9.5", b"1.0")
        forged.append(Row(number=row.number, grade_id=row.grade_id, finished_at=b"now", report=text))
        forged[-1] = Row(
            **{**vars(forged[-1]), "previous": before, "sha256": forged[-1].hashed_after(before)}
        )
        before = str(forged[-1].sha256)
    assert [each.kind for each in check_chain(forged, kept.head()).findings] == [Kind.HEAD]
    assert check_chain(forged, Head(rows=5, sha256=before)).findings == (), (
        "who writes both leaves no trace here"
    )


def test_a_head_that_is_gone_is_an_alarm_that_stays(kept: Store) -> None:
    (kept.folder / "chain.head").unlink()
    assert kinds(kept) == [(Kind.HEAD, None)]
    kept.append(report("f"))
    assert kinds(kept) == [(Kind.HEAD, None)]


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"rows": -1, "sha256": ""}', b'{"rows": 1e400}', b"\xff"]
)
def test_a_head_that_says_nothing_is_told_and_costs_no_record(kept: Store, content: bytes) -> None:
    (kept.folder / "chain.head").write_bytes(content)
    with pytest.raises(StoreFailed) as caught:
        kept.head()
    assert caught.value.code == "store.bad_head"
    kept.append(report("f"))
    assert len(kept.rows()) == 6
    assert (kept.folder / "chain.head").read_bytes() == content


@pytest.mark.parametrize("crashes", [1, 3])
def test_a_crash_between_the_row_and_the_head_is_no_alarm_and_the_next_append_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashes: int
) -> None:
    kept = Store(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setattr(HeadFile, "advance", lambda *_: None)
        for name in "abc"[:crashes]:
            kept.append(report(name))
    assert (checked(kept).lag, checked(kept).findings) == (crashes, ())
    kept.append(report("d"))
    assert (checked(kept).lag, checked(kept).findings) == (0, ())


def test_a_head_that_cannot_be_written_costs_no_record(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(HeadFile, "write", full)
    kept.append(report("f"))
    assert (len(kept.rows()), checked(kept).lag, checked(kept).findings) == (6, 1, ())


@pytest.fixture
def old_store(tmp_path: Path) -> Store:
    """Three rows from before rows were hashed."""
    kept = Store(tmp_path / "store")
    kept.folder.mkdir()
    with closing(sqlite3.connect(kept.folder / "grades.sqlite")) as database:
        database.executescript(OLD_SCHEMA)
        for name in "abc":
            values = (name, "then", json.dumps(report(name).to_json()))
            database.execute("INSERT INTO grades (grade_id, finished_at, report) VALUES (?, ?, ?)", values)
        database.commit()
    return kept


def test_a_store_from_before_rows_were_hashed_is_read_and_said_to_be_one(old_store: Store) -> None:
    found = checked(old_store)
    assert (found.rows, found.unhashed, found.findings, old_store.head()) == (3, 3, (), None)


def test_the_first_hashed_row_covers_all_those_without_a_hash(old_store: Store) -> None:
    before = old_store.rows()
    old_store.append(report("d"))
    old_store.append(report("e"))
    found = checked(old_store)
    assert (found.rows, found.unhashed, found.findings) == (5, 3, ())
    assert old_store.rows()[:3] == before
    assert old_store.rows()[3].previous == running_hash(before)
    with (
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
        closing(sqlite3.connect(old_store.folder / "grades.sqlite")) as database,
    ):
        database.execute("UPDATE grades SET sha256 = 'x'")
    tamper(old_store, "UPDATE grades SET report = '{}' WHERE number = 2")
    assert kinds(old_store) == [(Kind.EDITED, 4)]
    assert "the 3 without a hash" in checked(old_store).findings[0].message


def test_a_row_without_a_hash_after_hashed_ones_was_added_by_other_means(kept: Store) -> None:
    tamper(kept, "INSERT INTO grades (grade_id, finished_at, report) VALUES ('x', '', '{}')")
    assert kinds(kept) == [(Kind.UNHASHED, 6)]
    kept.append(report("f"))
    assert kinds(kept) == [(Kind.UNHASHED, 6)]


def test_without_any_hash_in_it_the_head_still_covers_every_row(kept: Store) -> None:
    tamper(kept, "UPDATE grades SET sha256 = NULL, previous = NULL")
    assert (checked(kept).unhashed, kinds(kept)) == (5, [])
    tamper(kept, "UPDATE grades SET report = '{}' WHERE number = 2")
    assert kinds(kept) == [(Kind.HEAD, 5)]


def test_grades_that_finish_together_make_one_chain_and_its_head(tmp_path: Path) -> None:
    kept = Store(tmp_path / "store")
    threads = [threading.Thread(target=kept.append, args=(report(str(number)),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (checked(kept).rows, checked(kept).lag, checked(kept).findings) == (8, 0, ())


def written(contents: Sequence[bytes], unhashed: int) -> list[Row]:
    """Rows as appends leave them, the first so many from before rows were hashed."""
    rows: list[Row] = []
    for number, content in enumerate(contents, start=1):
        row = Row(number=number, grade_id=b"%d" % number, finished_at=b"", report=content)
        if number > unhashed:
            before = running_hash(rows)
            row = Row(**{**vars(row), "previous": before, "sha256": row.hashed_after(before)})
        rows.append(row)
    return rows


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=20), max_size=8), st.integers(0, 8), st.data())
def test_any_appends_verify_under_any_earlier_head_and_no_removal_or_move_does(
    contents: list[bytes], unhashed: int, data: st.DataObject
) -> None:
    rows = written(contents, unhashed)
    at = data.draw(st.integers(0, len(rows)))
    head = Head(rows=at, sha256=running_hash(rows[:at]))
    found = check_chain(rows, head)
    assert (found.findings, found.lag) == ((), len(rows) - at)
    if not rows:
        return
    last = Head(rows=len(rows), sha256=running_hash(rows))
    place = data.draw(st.integers(0, len(rows) - 1))
    changes: list[Callable[[Row], Row | None]] = [
        lambda _row: None,
        lambda row: Row(**{**vars(row), "report": row.report + b"x"}),
        lambda row: Row(**{**vars(row), "finished_at": b"x"}),
    ]
    changed = [
        row if number != place else data.draw(st.sampled_from(changes))(row)
        for number, row in enumerate(rows)
    ]
    assert check_chain([row for row in changed if row], last).findings
    other = data.draw(st.integers(0, len(rows) - 1))
    if other != place:
        numbers = {rows[place].number: rows[other].number, rows[other].number: rows[place].number}
        swapped = [Row(**{**vars(row), "number": numbers.get(row.number, row.number)}) for row in rows]
        assert check_chain(sorted(swapped, key=lambda row: row.number), last).findings


def test_without_the_hash_in_the_row_an_edit_goes_unseen(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control switched off."""
    tamper(kept, "UPDATE grades SET report = '{}' WHERE number = 3")
    monkeypatch.setattr(chain.Row, "hashed_after", lambda self, _: self.sha256)
    assert kinds(kept) == []


def test_without_its_transaction_two_appends_would_fork_the_chain(
    kept: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control switched off: the second grade reads the last row before the first one's is committed."""
    stale = Head(rows=5, sha256=kept.rows()[-1].sha256 or "")
    kept.append(report("f"))
    monkeypatch.setattr(open_rows, "last_of", lambda _database: Head(rows=6, sha256=stale.sha256))
    kept.append(report("g"))
    assert (Kind.MISSING, 7) in kinds(kept) or (Kind.REORDERED, 7) in kinds(kept)
