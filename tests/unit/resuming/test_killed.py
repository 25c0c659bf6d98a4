"""A grade whose harness is killed, anywhere: nothing is lost, doubled or charged, and the figures are the same."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from harness.errors import UsageError
from harness.progress import Silent
from harness.results.audit import audit_store
from harness.results.checks import Outcome
from harness.results.journal import FILE_NAME
from harness.results.unfinished import unfinished_grades

SEED = 20_261_130

PLACES = {
    "build": r"begin running ./build.sh",
    "run": r"amid temporally teacher-forced, frames",
    "journal": r"amid a line",
    "scoring": r"begin retrieval check: comparing",
    "store": r"sql COMMIT",
}
"""One in each part of a grade; which of those that match is drawn."""


def drawn(done: list[str], place: str) -> int:
    """The number of one of the things done that match."""
    rng = random.Random(f"{SEED} {place}")
    return rng.choice([number for number, what in enumerate(done) if re.match(PLACES[place], what)])


def finish(bench: Any, undisturbed: Any) -> None:
    """What an operator does after a crash, and everything that is promised of it."""
    journals = list((bench.store.folder / "grades").glob(f"*/{FILE_NAME}"))
    recorded = bench.store.grade_ids()
    assert len(journals) <= 1
    if not journals:  # it was killed before it was begun
        assert not recorded
        report = bench.grade()
    elif recorded:  # it was killed once it had its record
        assert unfinished_grades(bench.store) == ()
        with pytest.raises(UsageError, match="it is graded"):
            bench.resume(journals[0].parent.name)
        (report,) = bench.store.reports()
    else:  # killed once, or once more while it was resumed
        (stopped,) = unfinished_grades(bench.store)
        assert not stopped.is_running
        done = dict(stopped.history.finished)
        report = bench.resume()
        assert report.grade_id == stopped.grade_id
        assert report.provenance.resumes == stopped.history.resumes + 1
        for regime, finished in done.items():
            assert report.regimes[regime].seconds_per_frame == finished.report.seconds_per_frame, "run again"
    assert bench.figures(report) == bench.figures(undisturbed.report)
    assert bench.store.reports() == [report]
    assert unfinished_grades(bench.store) == ()
    checks = audit_store(bench.store, key=None, progress=Silent())
    assert {check.outcome for check in checks} == {Outcome.SAME}


@pytest.mark.parametrize("place", PLACES)
def test_a_grade_that_is_killed_is_finished_with_the_same_figures(
    bench: Any, undisturbed: Any, place: str
) -> None:
    """Control: the journal."""
    assert bench.child(kill_at=drawn(undisturbed.done, place)) is None
    finish(bench, undisturbed)


@pytest.mark.nightly
@pytest.mark.parametrize("round_", range(50))
def test_a_grade_that_is_killed_anywhere_is_finished_with_the_same_figures(
    bench: Any, undisturbed: Any, round_: int
) -> None:
    """Every other one is killed once more while it is resumed."""
    rng = random.Random(f"{SEED} anywhere {round_}")
    assert bench.child(kill_at=rng.randrange(len(undisturbed.done))) is None
    if round_ % 2 and unfinished_grades(bench.store):
        bench.child(kill_at=rng.randrange(len(undisturbed.done) // 2), resumes=True)
    finish(bench, undisturbed)


@pytest.mark.nightly
@pytest.mark.parametrize("round_", range(15))
def test_a_grade_that_is_killed_at_any_time_is_finished_with_the_same_figures(
    bench: Any, undisturbed: Any, round_: int
) -> None:
    rng = random.Random(f"{SEED} any time {round_}")
    bench.child(after_s=rng.uniform(0.3, 1.0) * undisturbed.seconds)
    finish(bench, undisturbed)
