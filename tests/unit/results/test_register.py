"""A user name belongs to one address, and an address to one user name, until the organiser says otherwise."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from harness.errors import Blame, NotAdmitted
from harness.results import register
from harness.results.register import Names, Person, claim, names, transfer
from harness.results.store import Store

ANN = Person(user_name="ann", email_sha256="a" * 64)
BOB = Person(user_name="bob", email_sha256="b" * 64)
ANN_FROM_ELSEWHERE = Person(user_name="Ann", email_sha256="c" * 64)
ANN_AS_EVE = Person(user_name="eve", email_sha256="a" * 64)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def test_who_comes_first_has_the_name_in_any_spelling(store):
    """Control: the register's check, both ways round."""
    claim(store, ANN, by="demo")
    claim(store, BOB, by="demo")
    claim(store, replace(ANN, user_name="ANN"), by="demo")
    for person, said in ((ANN_FROM_ELSEWHERE, "aaaaaaaaaaaa"), (ANN_AS_EVE, "as ann")):
        with pytest.raises(NotAdmitted) as caught:
            claim(store, person, by="demo")
        assert caught.value.code == "admission.name_taken"
        assert caught.value.blame is Blame.OPERATOR
        assert said in caught.value.message
        assert "--transfer" in caught.value.fix


def test_without_that_control_a_name_would_have_two_addresses(store, monkeypatch):
    claim(store, ANN, by="demo")
    monkeypatch.setattr(Names, "check", lambda _names, _person: None)
    claim(store, ANN_FROM_ELSEWHERE, by="demo")


def test_an_older_store_has_its_names_from_its_records(store, record):
    for report in (record("ann", "a" * 64), record("ann", "c" * 64), record("bob", None), record(None, None)):
        store.append(report)
    assert names(store).knows(ANN)
    with pytest.raises(NotAdmitted):
        claim(store, ANN_FROM_ELSEWHERE, by="demo")
    claim(store, BOB, by="demo")
    assert names(store).knows(BOB)


def test_looking_writes_nothing(store):
    assert not names(store).knows(ANN)
    assert not store.folder.exists()


def test_a_transfer_takes_name_and_address_from_whoever_had_them(store, record):
    store.append(record("ann", "a" * 64))
    claim(store, BOB, by="demo")
    transfer(store, ANN_FROM_ELSEWHERE, by="demo")
    assert names(store).knows(ANN_FROM_ELSEWHERE)
    store.append(record("Ann", "c" * 64))
    claim(store, ANN_AS_EVE, by="demo")
    assert all(names(store).knows(person) for person in (ANN_FROM_ELSEWHERE, ANN_AS_EVE, BOB))
    with pytest.raises(NotAdmitted):
        claim(store, ANN, by="demo")
    assert len(register._LEDGER.rows(store)) == 3, "a claim of what one has is no row"


def test_rows_are_neither_edited_nor_removed_nor_replaced(store):
    """Control: the ledger's triggers."""
    claim(store, ANN, by="demo")
    values = (
        "(number, at, kind, user_name, email_sha256, by_whom) VALUES (1, 'x', 'claim', 'eve', 'e', 'eve')"
    )
    for statement in (
        "UPDATE names SET user_name = 'eve'",
        "DELETE FROM names",
        f"INSERT OR REPLACE INTO names {values}",
    ):
        with closing(sqlite3.connect(store.database)) as database, pytest.raises(sqlite3.Error):
            database.execute(statement)
    assert names(store).knows(ANN)


def test_a_store_of_decisions_alone_is_a_store_without_grades(store, record):
    claim(store, ANN, by="demo")
    assert store.reports() == []
    store.append(record())
    assert len(store.reports()) == 1
    assert store.head() is not None
