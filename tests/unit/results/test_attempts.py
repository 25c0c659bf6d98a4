"""An entrant has so many graded attempts on a data set and period; what is ours to answer for is not counted."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from harness.errors import Blame, NotAdmitted
from harness.results import attempts
from harness.results.attempts import Attempt, counted
from harness.results.fairness import Fairness
from harness.results.store import Store

RULES = Fairness(attempts=3, days=7)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


def attempt(grade_id: str = "new", user: str = "ann", email: str = "a" * 64, data: str = "d" * 64) -> Attempt:
    return Attempt(grade_id=grade_id, data_sha256=data, user_name=user, email_sha256=email)


def number(store: Store, *, limited: bool = True, **who: str) -> int:
    with counted(store, attempt(**who), RULES, limited=limited) as found:
        return found


def test_a_fourth_attempt_in_a_week_is_refused_and_says_when_the_next_is_free(store, record):
    """Control: the limit of attempts."""
    records = [record(days_ago=days_ago) for days_ago in (8, 6, 5, 1)]
    for each in records:
        store.append(each)
    with pytest.raises(NotAdmitted) as caught:
        number(store)
    assert (caught.value.code, caught.value.blame) == ("admission.limit_reached", Blame.OPERATOR)
    free = datetime.fromisoformat(records[1].finished_at) + timedelta(days=7)
    assert f"{free:%Y-%m-%dT%H}" in caught.value.message
    assert "3 graded in the last 7 days" in caught.value.message
    assert "--no-limit" in caught.value.fix
    assert number(store, limited=False) == 4, "the organiser may, and the record says which one it is"


def test_neither_another_name_nor_another_address_makes_another_entrant(store, record):
    for user, email in (("ann", "b" * 64), ("ANN", None), ("eve", "a" * 64)):
        store.append(record(user, email))
    with pytest.raises(NotAdmitted):
        number(store)
    assert number(store, user="bob", email="f" * 64) == 1


def test_failures_of_ours_other_data_and_answers_scored_again_are_not_counted(store, record):
    for blame, code in (
        (Blame.OPERATOR, "sandbox.failed"), (Blame.BUG, "grade.bug"), (Blame.OPERATOR, "grade.interrupted"),
        (Blame.USAGE, "usage.train"),
    ):  # fmt: skip
        store.append(record(blame=blame, code=code))
    store.append(record(data="e" * 64))
    store.append(record(regrade_of="x"))
    assert number(store) == 1
    store.append(record(blame=Blame.ENTRY))
    assert number(store) == 2, "what the entry answers for is"


def test_grades_at_the_same_time_do_not_slip_through_together(store):
    """Control: attempts that are running count."""
    taken, refused, lock = [], [], threading.Barrier(8)

    def take(place: int) -> None:
        with ExitStack() as held:
            lock.wait()
            try:
                taken.append(held.enter_context(counted(store, attempt(f"g{place}"), RULES, limited=True)))
            except NotAdmitted as error:
                refused.append(error.message)
            lock.wait()

    threads = [threading.Thread(target=take, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(taken) == [1, 2, 3]
    assert len(refused) == 5
    assert all("being graded now" in message for message in refused)
    assert number(store) == 1, "they ended without a record, and so count no more"


def test_without_that_control_they_would(store, monkeypatch):
    monkeypatch.setattr(attempts, "_running", lambda *_places, **_names: [])
    with ExitStack() as held:
        taken = [
            held.enter_context(counted(store, attempt(f"g{place}"), RULES, limited=True))
            for place in range(8)
        ]
    assert taken == [1] * 8


def test_a_grade_whose_record_is_kept_is_not_counted_twice(store, record):
    with counted(store, attempt("one"), RULES, limited=True):
        store.append(record(grade_id="one"))
        assert number(store) == 2


def test_a_process_that_was_killed_lets_go_of_its_attempt(store):
    script = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from harness.results.attempts import Attempt, counted
        from harness.results.fairness import Fairness
        from harness.results.store import Store
        who = Attempt(grade_id="gone", data_sha256="d" * 64, user_name="ann", email_sha256="a" * 64)
        with counted(Store(Path(sys.argv[1])), who, Fairness(), limited=True):
            print("held", flush=True)
            sys.stdin.read()
        """
    )
    root = Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", script, store.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    with process:
        assert process.stdout.readline() == b"held\n"
        assert number(store) == 2
        process.kill()
        process.wait(30)
    assert number(store) == 1
    assert list((store.folder / "attempts").glob("*.json")) == []
