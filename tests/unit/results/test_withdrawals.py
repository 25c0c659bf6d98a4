"""What the organiser took back is remembered beside the records, which stay as they are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.results.audit import check_records
from harness.results.checks import Outcome
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.results.withdrawals import Move, Withdrawal, regrades_of, withdraw, withdrawals, withdrawn


def decision(report, move=Move.WITHDRAWN, reason="a mistake"):
    return Withdrawal(move=move, grade_id=report.grade_id, by="rita", reason=reason)


@pytest.fixture
def report(record) -> GradeReport:
    return record()


@pytest.fixture
def store(tmp_path, report) -> Store:
    store = Store(tmp_path / "store")
    store.append(report)
    return store


def test_the_last_decision_counts_and_all_are_kept(store, report):
    assert withdrawn(withdrawals(store), [report]) == {}
    made = withdraw(store, decision(report))
    assert withdrawn(withdrawals(store), [report]) == {report.grade_id: made}
    withdraw(store, decision(report, Move.RESTORED, "it was right"))
    assert withdrawn(withdrawals(store), [report]) == {}
    assert [each.move for each in withdrawals(store)] == [Move.WITHDRAWN, Move.RESTORED]


def test_the_record_is_as_it_was(store, report):
    withdraw(store, decision(report))
    assert store.reports() == [report]
    assert not [check for check in check_records(store) if check.outcome is Outcome.DIFFERENT]


@pytest.mark.parametrize(
    "statement", ["UPDATE grades SET report = 'x' WHERE number = 2", "DELETE FROM grades WHERE number = 2"]
)
def test_a_decision_cannot_be_unmade(store, report, statement):
    """Control: the triggers of the table."""
    withdraw(store, decision(report))
    with (
        closing(sqlite3.connect(store.database)) as database,
        pytest.raises(sqlite3.Error, match="append-only"),
    ):
        database.execute(statement)


def test_what_makes_no_sense_is_refused_with_its_reason(store, report):
    unknown = Withdrawal(move=Move.WITHDRAWN, grade_id="20250101-000000-ffffffff", by="rita", reason="x")
    for wrong, code in (
        (unknown, "usage.withdraw_unknown"),
        (decision(report, Move.RESTORED), "usage.withdraw_again"),
    ):
        with pytest.raises(UsageError) as caught:
            withdraw(store, wrong)
        assert caught.value.code == code
    withdraw(store, decision(report))
    with pytest.raises(UsageError, match="withdrawn already"):
        withdraw(store, decision(report))


def test_a_regrade_is_withdrawn_with_the_grade_it_scores_again_until_it_is_restored(store, report):
    """The control is that `withdrawn` goes on to regrades: without it one `wmc regrade` puts a copier up again."""
    again = replace(report, grade_id="again", regrade_of=report.grade_id)
    twice = replace(report, grade_id="twice", regrade_of="again")
    made = withdraw(store, decision(report))
    for each in (again, twice):
        store.append(each)
    assert withdrawn(withdrawals(store), store.reports()) == dict.fromkeys(
        (report.grade_id, "again", "twice"), made
    )
    assert regrades_of(report.grade_id, store.reports()) == ("again", "twice")
    with pytest.raises(UsageError, match="withdrawn already"):
        withdraw(store, decision(twice))
    withdraw(store, decision(again, Move.RESTORED, "scored rightly now"))
    assert list(withdrawn(withdrawals(store), store.reports())) == [report.grade_id]


def test_a_withdrawn_regrade_leaves_the_first_record_as_it_is(store, report):
    store.append(replace(report, grade_id="again", regrade_of=report.grade_id))
    withdraw(store, decision(replace(report, grade_id="again")))
    assert list(withdrawn(withdrawals(store), store.reports())) == ["again"]


def test_what_stands_for_a_name_in_our_own_lines_is_nobody(store, report):
    with pytest.raises(UsageError, match="stands for a name"):
        withdraw(store, replace(decision(report), by="NAME"))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        ("two\nlines", "line break"),
        ("\x1b[2J", "cannot be seen"),
        ("\u202ereversed", "cannot be seen"),
        ("\udcff", "cannot be seen"),
        ("long" * 101, "has 404 characters"),
    ],
)
def test_what_would_be_published_changed_is_refused(store, report, text, wrong):
    for unfit in (decision(report, reason=text), replace(decision(report), by=text)):
        with pytest.raises(UsageError, match=wrong) as caught:
            withdraw(store, unfit)
        assert caught.value.code == "usage.withdraw_why"
    assert withdrawals(store) == ()
