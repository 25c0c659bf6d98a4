"""Approvals, withdrawals and names stand in the chain: whoever edits, removes, adds or moves one is seen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from harness.progress import Silent
from harness.results import chain
from harness.results.approvals import Decision, Verdict, decide, last_decision
from harness.results.audit import audit_store
from harness.results.chain import GENESIS, Row
from harness.results.checks import Outcome
from harness.results.register import Person, claim, names
from harness.results.report import Admission, GradeReport
from harness.results.store import Store
from harness.results.withdrawals import Move, Withdrawal, withdraw, withdrawals, withdrawn

ANN = Person(user_name="ann", email_sha256="a" * 64)
ZIP = "c" * 64
OLD_TABLES = """
CREATE TABLE reviews (number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, decision TEXT NOT NULL,
  submission_sha256 TEXT NOT NULL, user_name TEXT NOT NULL, entry_name TEXT NOT NULL, by_whom TEXT NOT NULL,
  note TEXT NOT NULL);
CREATE TABLE names (number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, kind TEXT NOT NULL,
  user_name TEXT NOT NULL, email_sha256 TEXT NOT NULL, by_whom TEXT NOT NULL);
CREATE TABLE withdrawals (number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, decision TEXT NOT NULL,
  grade_id TEXT NOT NULL, by_whom TEXT NOT NULL, reason TEXT NOT NULL);
"""


def approve(store: Store, *, by: str = "rita") -> Decision:
    decision, _ = decide(
        store,
        Decision(
            verdict=Verdict.APPROVED,
            submission_sha256=ZIP,
            user_name="ann",
            entry_name="e",
            by=by,
            note="read",
        ),
    )
    return decision


def admitted(report: GradeReport, approval: Decision) -> GradeReport:
    """The same grade, of the zip that was approved."""
    right = Admission(attempt=1, approved_by=approval.by, approved_at=approval.at)
    return replace(report, provenance=replace(report.provenance, submission_sha256=ZIP, admission=right))


@pytest.fixture
def store(tmp_path: Path, record: Callable[..., GradeReport]) -> Store:
    """An approval (row 1), a claim of a name, a grade, its withdrawal (4), and another grade."""
    made = Store(tmp_path / "store")
    approval = approve(made)
    claim(made, ANN, by="grade 1")
    made.append(admitted(record(grade_id="20260101-000000-00000001"), approval))
    withdraw(
        made,
        Withdrawal(move=Move.WITHDRAWN, grade_id="20260101-000000-00000001", by="rita", reason="a copier"),
    )
    made.append(record(grade_id="20260101-000000-00000002"))
    return made


def wrong(store: Store) -> list[str]:
    """What `wmc verify` finds different."""
    checks = audit_store(store, key=None, progress=Silent())
    return [f"{check.what}: {check.detail}" for check in checks if check.outcome is Outcome.DIFFERENT]


def not_checked(store: Store) -> list[str]:
    checks = audit_store(store, key=None, progress=Silent())
    return [check.detail for check in checks if check.what == "decisions" and check not in wrong(store)]


def tamper(store: Store, *statements: str) -> None:
    """What someone does who may write the file: triggers stop nobody."""
    with closing(sqlite3.connect(store.database)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_decisions_and_records_are_one_chain_in_the_order_in_which_they_were_made(store: Store) -> None:
    assert [row.ledger for row in store.rows()] == ["reviews", "names", None, "withdrawals", None]
    assert [row.previous for row in store.rows()][1:] == [row.sha256 for row in store.rows()][:-1]
    assert wrong(store) == []
    assert len(store.reports()) == len(store.grade_ids()) == 2


def test_the_head_that_is_kept_elsewhere_knows_of_a_decision_too(store: Store) -> None:
    before = store.head()
    withdraw(
        store, Withdrawal(move=Move.RESTORED, grade_id="20260101-000000-00000001", by="rita", reason="sorry")
    )
    assert before
    assert store.head() == chain.Head(rows=6, sha256=store.rows()[-1].sha256 or "")


def test_an_edited_decision_is_named(store: Store) -> None:
    """Control: the hash of each row."""
    tamper(store, "UPDATE grades SET report = replace(report, 'withdrawn', 'restored') WHERE number = 4")
    assert withdrawn(withdrawals(store), store.reports()) == {}, "the page would rank it again"
    assert wrong(store) == [
        "rows: row 4 does not have its hash any more: its text was edited (withdrawals/1)"
    ]


def test_a_removed_withdrawal_is_named(store: Store) -> None:
    """Control: each row's hash covers the one before."""
    tamper(store, "DELETE FROM grades WHERE number = 4")
    assert wrong(store) == ["rows: row 4 is missing"]


def test_a_removed_withdrawal_is_missed_where_the_others_close_up(store: Store) -> None:
    tamper(store, "DELETE FROM grades WHERE number = 4", "UPDATE grades SET number = 4 WHERE number = 5")
    assert wrong(store)[0].startswith("rows: row 4 was written after a row that is not there any more")


def test_the_last_decision_cannot_be_cut_off(store: Store, record: Callable[..., GradeReport]) -> None:
    """Control: the head beside the database."""
    withdraw(store, Withdrawal(move=Move.WITHDRAWN, grade_id="20260101-000000-00000002", by="r", reason="x"))
    tamper(store, "DELETE FROM grades WHERE number = 6")
    assert wrong(store) == ["rows: row 6 is missing at the end: chain.head was written after them"]


def test_decisions_that_changed_places_are_named(store: Store) -> None:
    tamper(
        store,
        "UPDATE grades SET number = -2 WHERE number = 1",
        "UPDATE grades SET number = 1 WHERE number = 2",
        "UPDATE grades SET number = 2 WHERE number = -2",
    )
    assert [each.split(" was written")[0] for each in wrong(store)[:2]] == ["rows: row 1", "rows: row 2"]


def test_a_decision_that_was_put_in_by_other_means_is_named(store: Store) -> None:
    text = json.dumps({"at": "2026-01-01T00:00:00+00:00", "decision": "restored"})
    tamper(
        store,
        "INSERT INTO grades (grade_id, finished_at, report) "
        f"VALUES ('withdrawals/2', '2026-01-01T00:00:00+00:00', '{text}')",
    )
    assert "row 6 has no hash although rows before it have one" in wrong(store)[0]
    assert wrong(store)[0].endswith("(withdrawals/2)")


def appended(store: Store, name: str, at: str, value: dict[str, str]) -> None:
    """A row at the end with a good hash and a good head, as whoever knows how it is done would write it."""
    with store.writing() as rows:
        rows.add(name=name, at=at, text=json.dumps({"at": at, **value}))


def test_an_approval_that_is_dated_back_is_named(store: Store) -> None:
    """Control: a row's place in the chain tells when it was written, whatever it says of its time."""
    value = {"decision": "approved", "submission_sha256": ZIP, "user_name": "ann", "entry_name": "e"}
    appended(
        store, "reviews/2", "2020-01-01T00:00:00+00:00", {**value, "by_whom": "rita", "note": "long before"}
    )
    assert [each for each in wrong(store) if "row 6 (reviews/2) says it was made at 2020-01-01" in each]


def test_an_approval_that_only_says_it_is_from_before_the_chain_is_named(
    store: Store, record: Callable[..., GradeReport]
) -> None:
    """Control: what was taken over stands together, before every other decision."""
    late = replace(approve(Store(store.folder.parent / "other")), by="eve")
    store.append(admitted(record(grade_id="20260101-000000-00000003"), late))
    value = {"decision": "approved", "submission_sha256": ZIP, "user_name": "ann", "entry_name": "e"}
    marked = {**value, "by_whom": "eve", "note": "", "taken_over_at": late.at}
    appended(store, "reviews/2", late.at, marked)
    assert "row 7 (reviews/2) says that it was taken over" in wrong(store)[0]
    assert "no such approval stands before it" in wrong(store)[1]


def test_a_grade_whose_approval_is_nowhere_is_named(store: Store, record: Callable[..., GradeReport]) -> None:
    """Control: a record says who had approved its zip and when; that decision stands before it."""
    approval = Decision(
        verdict=Verdict.APPROVED, submission_sha256=ZIP, user_name="ann", entry_name="e", by="eve",
        at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    store.append(admitted(record(grade_id="20260101-000000-00000003"), approval))
    (found,) = wrong(store)
    assert "20260101-000000-00000003 was approved by eve at 2026-01-01T00:00:00+00:00" in found


def test_an_approval_that_came_after_the_grade_does_not_stand_for_it(
    tmp_path: Path, record: Callable[..., GradeReport]
) -> None:
    store = Store(tmp_path / "store")
    late = approve(Store(tmp_path / "other"))
    store.append(admitted(record(grade_id="20260101-000000-00000001"), late))
    assert len(wrong(store)) == 1
    value = {"decision": "approved", "submission_sha256": ZIP, "user_name": "ann", "entry_name": "e"}
    appended(store, "reviews/1", late.at, {**value, "by_whom": late.by, "note": ""})
    assert "no such approval stands before it" in wrong(store)[0]


def test_without_the_hash_in_the_row_a_decision_can_be_turned_round(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control switched off."""
    tamper(store, "UPDATE grades SET report = replace(report, 'withdrawn', 'restored') WHERE number = 4")
    monkeypatch.setattr(chain.Row, "hashed_after", lambda self, _: self.sha256)
    assert wrong(store) == []


def test_a_chain_made_anew_without_a_decision_contradicts_a_signature(store: Store) -> None:
    """Control: a signature is of the row's hash, which covers every decision before it."""
    crypto = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from harness.results.signing import sign_record, wrong_signature

    key = crypto.Ed25519PrivateKey.generate()
    grade = "20260101-000000-00000002"
    sign_record(store, grade, key)
    kept = [row for row in store.rows() if row.ledger != "withdrawals"]
    tamper(store, "DELETE FROM grades")
    before = GENESIS
    with closing(sqlite3.connect(store.database)) as database:
        for number, row in enumerate(kept, start=1):
            sha256 = Row(**{**vars(row), "previous": None, "sha256": None}).hashed_after(before)
            texts = (text.decode() for text in (row.grade_id, row.finished_at, row.report))
            database.execute("INSERT INTO grades VALUES (?, ?, ?, ?, ?, ?)", (number, *texts, before, sha256))
            before = sha256
        database.commit()
    (store.folder / "chain.head").write_bytes(chain.Head(rows=4, sha256=before).to_bytes())
    assert wrong(store) == [], "whoever writes all of it leaves no trace in the store itself"
    assert wrong_signature(store, grade, store.row(grade).sha256, key.public_key())


@pytest.fixture
def old_store(tmp_path: Path, record: Callable[..., GradeReport]) -> Store:
    """Records in a chain, decisions in tables beside it: as wmc 0.1 kept them."""
    made = Store(tmp_path / "old")
    made.append(record(grade_id="20260101-000000-00000001"))
    made.append(record(grade_id="20260101-000000-00000002"))
    at = "2026-01-0{}T00:00:00+00:00"
    with closing(sqlite3.connect(made.database)) as database:
        database.executescript(OLD_TABLES)
        database.execute(
            "INSERT INTO withdrawals VALUES (1, ?, 'withdrawn', '20260101-000000-00000001', 'rita', 'a copier')",
            (at.format(3),),
        )
        database.execute(
            "INSERT INTO reviews VALUES (1, ?, 'approved', ?, 'ann', 'e', 'rita', 'read')",
            (at.format(1), ZIP),
        )
        database.execute("INSERT INTO names VALUES (1, ?, 'claim', 'bob', ?, 'x')", (at.format(2), "b" * 64))
        database.commit()
    return made


def test_a_store_from_before_decisions_were_chained_is_read_and_said_to_be_one(old_store: Store) -> None:
    before = old_store.database.read_bytes()
    assert list(withdrawn(withdrawals(old_store), old_store.reports())) == ["20260101-000000-00000001"]
    assert last_decision(old_store, ZIP)
    assert set(names(old_store).by_name) == {"ann", "bob"}
    assert wrong(old_store) == []
    assert not_checked(old_store) == ["3 are in no chain yet: the next row that is written takes them in"]
    assert old_store.database.read_bytes() == before


def test_the_next_row_takes_them_into_the_chain_with_a_mark(
    old_store: Store, record: Callable[..., GradeReport]
) -> None:
    before = withdrawals(old_store), last_decision(old_store, ZIP), names(old_store)
    old_store.append(record(grade_id="20260101-000000-00000003"))
    added = old_store.rows()[2:]
    assert [row.ledger for row in added] == ["reviews", "names", "withdrawals", None]
    assert all("taken_over_at" in json.loads(row.report) for row in added[:3])
    assert (withdrawals(old_store), last_decision(old_store, ZIP), names(old_store)) == before
    assert wrong(old_store) == []
    assert not_checked(old_store) == [
        "3 are from before decisions stood in the chain: as they were when they were taken over"
    ]


def test_a_clock_that_went_back_does_not_make_the_first_decision_the_last(
    old_store: Store, record: Callable[..., GradeReport]
) -> None:
    with closing(sqlite3.connect(old_store.database)) as database:
        database.execute(
            "INSERT INTO withdrawals VALUES (2, '2025-01-01T00:00:00+00:00', 'restored', ?, 'rita', 'sorry')",
            ("20260101-000000-00000001",),
        )
        database.commit()
    assert withdrawn(withdrawals(old_store), old_store.reports()) == {}
    old_store.append(record(grade_id="20260101-000000-00000003"))
    assert withdrawn(withdrawals(old_store), old_store.reports()) == {}


def test_once_they_are_in_the_chain_the_tables_beside_it_say_nothing_any_more(old_store: Store) -> None:
    """Control: decisions are read from the chain alone."""
    approve(old_store, by="otto")
    tamper(old_store, "DELETE FROM withdrawals", "UPDATE reviews SET decision = 'rejected'")
    assert len(withdrawals(old_store)) == 1
    decision = last_decision(old_store, ZIP)
    assert decision
    assert (decision.by, decision.verdict) == ("rita", Verdict.APPROVED)


def test_a_decision_outside_the_chain_could_be_removed_unseen(old_store: Store) -> None:
    """The control switched off: as it was for every store until decisions stood in the chain."""
    tamper(old_store, "DELETE FROM withdrawals")
    assert withdrawals(old_store) == ()
    assert wrong(old_store) == []
