"""What is shown of graded data follows from the names and digests that the organiser gave, and from nothing else."""

from __future__ import annotations

import pytest

from leaderboard.disclosure import Dataset, Disclosure, disclose

VAL, COPY, HELD_OUT = (
    Dataset(name=name, sha256=digit * 64) for name, digit in (("val", "a"), ("val", "b"), ("heldout", "c"))
)


@pytest.fixture
def graded_on(grades):
    def make(data, **options):
        return grades.graded(
            provenance={"data_name": data.name, "data_sha256": data.sha256 or None}, **options
        )

    return make


def test_splits_that_everybody_has_are_shown_and_others_withheld(graded_on):
    on_val, held_out = graded_on(VAL), graded_on(HELD_OUT)
    made = disclose([on_val, held_out])
    assert (made.shown, made.withheld, made.unknown) == ({VAL}, (HELD_OUT,), ("val_v1.1",))
    assert (made.covers(on_val), made.covers(held_out)) == (True, False)


@pytest.mark.parametrize(
    ("splits", "shown", "ambiguous"),
    [
        (["val"], set(), {"val": ("a" * 64, "b" * 64)}),
        (["val@" + "a" * 8], {VAL}, {}),
        (["val@" + "b" * 64], {COPY}, {}),
        (["val", "val@" + "a" * 12], {VAL}, {"val": ("a" * 64, "b" * 64)}),
        (["val@" + "a" * 7], set(), {}),
        (["val@" + "d" * 8], set(), {}),
        (["heldout@" + "a" * 8], set(), {}),
        (["heldout"], {HELD_OUT}, {}),
    ],
)
def test_a_name_of_two_data_sets_shows_neither_without_a_digest(graded_on, splits, shown, ambiguous):
    made = disclose([graded_on(data) for data in (VAL, COPY, HELD_OUT)], splits)
    assert made.shown == shown
    assert made.ambiguous == ambiguous
    assert set(made.withheld) == {VAL, COPY, HELD_OUT} - shown


def test_a_digest_that_fits_two_data_sets_names_none(graded_on):
    other = Dataset(name="val", sha256="a" * 60 + "bbbb")
    made = disclose([graded_on(VAL), graded_on(other)], ["val@" + "a" * 60])
    assert made.shown == set()
    assert len(made.ambiguous) == 1


def test_a_grade_that_does_not_say_what_it_was_made_on_is_shown_to_nobody(graded_on):
    unsaid = graded_on(Dataset(name="val", sha256=""))
    assert not disclose([unsaid]).covers(unsaid)
    assert disclose([unsaid, graded_on(VAL)]).shown == set()


def test_a_grade_that_stopped_says_nothing_about_a_name(grades, graded_on):
    stopped = grades.failed(data_name="val", data_sha256="b" * 64)
    assert disclose([graded_on(VAL), stopped]).shown == {VAL}


def test_nothing_is_shown_of_what_nobody_decided_on(graded_on):
    assert not Disclosure().covers(graded_on(VAL))
