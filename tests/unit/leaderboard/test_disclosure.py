"""What is shown of graded data follows from the names and digests that the organiser gave, and from nothing else."""

from __future__ import annotations

import pytest

from harness.notice import notice_of
from harness.protocol.regimes import Regime
from harness.results.report import Admission
from leaderboard.disclosure import Dataset, Disclosure, disclose
from leaderboard.ladder import announce
from leaderboard.standings import standings
from leaderboard.val_losses import val_losses

TTF = Regime.TEMPORALLY_TEACHER_FORCED

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
        (["heldout"], set(), {}),
        (["heldout@" + "c" * 8], {HELD_OUT}, {}),
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


def test_a_grade_that_stopped_says_what_a_name_stands_for_too(grades, graded_on):
    stopped = grades.failed(data_name="val", data_sha256="b" * 64)
    made = disclose([graded_on(VAL), stopped])
    assert made.shown == set()
    assert "two data sets" in made.private["val"]


ADMITTED = Admission(attempt=1, approved_by="org")


@pytest.mark.parametrize(
    "others",
    [
        [{"data_name": "heldout", "data_sha256": "a" * 64}],
        [{"data_name": "val", "data_sha256": "a" * 64, "admission": ADMITTED}],
    ],
    ids=["graded under a private name", "admitted as private"],
)
def test_held_out_data_in_a_folder_called_val_is_private_everywhere(grades, graded_on, others):
    """Control: `PublicData`, which `disclose`, the Ladder, notices and measured losses all ask."""
    in_val = graded_on(VAL, loss=8.654321)
    reports = [*(grades.graded(user="bob", provenance=other) for other in others), in_val]
    made = disclose(reports)
    assert made.shown == set()
    assert "val" in made.private
    assert disclose(reports, ["val@" + "a" * 8]).shown == {VAL}
    announced = announce(reports)
    assert announced.is_private(in_val)
    assert announced.publishable(in_val).regimes[TTF].loss == 8.65
    assert val_losses(reports, announced) == {}
    assert notice_of(in_val, reports).is_private
    alone = announce([in_val])
    assert not alone.is_private(in_val)
    assert not notice_of(in_val, [in_val]).is_private
    assert list(val_losses([in_val], alone).values()) == [8.6543]


def test_two_data_sets_called_val_are_both_private_everywhere(graded_on):
    reports = [graded_on(VAL), graded_on(COPY)]
    announced = announce(reports)
    assert all(announced.is_private(report) for report in reports)
    assert all(notice_of(report, reports).is_private for report in reports)
    assert val_losses(reports, announced) == {}


def test_what_is_shown_says_nothing_of_what_is_private(graded_on):
    """Control: prize and rounding do not go by `--publish-samples`."""
    report = graded_on(VAL, loss=7.123456)
    assert not disclose([report], []).covers(report)
    (board,) = standings([report], announce([report])).boards
    assert (board.is_private, board.crossing) == (False, None)


def test_nothing_is_shown_of_what_nobody_decided_on(graded_on):
    assert not Disclosure().covers(graded_on(VAL))
