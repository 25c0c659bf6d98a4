"""The plan's arithmetic: sizes, shared routes, everything from the seed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.demo_plan import AWAY, HOME, DemoPlan, Drive, RoundsPlan
from harness.errors import UsageError


def drives(rounds: tuple[RoundsPlan, ...], split: str) -> list[Drive]:
    return [drive for planned in rounds for drive in planned.drives if drive.split == split]


@given(st.integers(226, 60_000), st.integers(1, 20), st.integers(1, 40), st.integers(0, 2**40))
def test_train_has_exactly_the_frames_asked_for_in_segments_that_hold_a_window(
    train_frames: int, routes: int, graded: int, seed: int
) -> None:
    rounds = DemoPlan(seed=seed, train_frames=train_frames, routes=routes, graded_segments=graded).rounds()
    assert sum(drive.frames for drive in drives(rounds, "train")) == train_frames
    assert min(drive.frames for drive in drives(rounds, "train")) >= 226
    for split in ("val", "heldout"):
        assert [drive.frames for drive in drives(rounds, split)] == [226] * graded


@given(st.integers(226, 60_000), st.integers(0, 100))
def test_every_route_of_val_is_driven_in_train_and_none_of_heldout(train_frames: int, seed: int) -> None:
    for planned in DemoPlan(seed=seed, train_frames=train_frames).rounds():
        splits = {drive.split for drive in planned.drives}
        assert splits in ({"train", "val"}, {"train"}, {"heldout"})
        assert (planned.route.scenario in AWAY) == (splits == {"heldout"})


def test_the_default_is_a_dozen_routes_at_home_and_a_dozen_in_more_than_one_other_map() -> None:
    rounds = DemoPlan(train_frames=30_000).rounds()
    home = [planned for planned in rounds if planned.route.scenario == HOME]
    assert len(home) == 12
    assert all({drive.split for drive in planned.drives} == {"train", "val"} for planned in home)
    assert {planned.route.scenario for planned in rounds} == {HOME, *AWAY}
    assert len(AWAY) > 1


def test_no_two_drives_share_their_deviations() -> None:
    seeds = [drive.seed for planned in DemoPlan(train_frames=30_000).rounds() for drive in planned.drives]
    assert len(set(seeds)) == len(seeds)


def test_the_seed_decides_everything() -> None:
    assert DemoPlan(train_frames=3000, seed=3).rounds() == DemoPlan(train_frames=3000, seed=3).rounds()
    assert DemoPlan(train_frames=3000, seed=3).rounds() != DemoPlan(train_frames=3000, seed=4).rounds()


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (DemoPlan(train_frames=225), "usage.train_frames"),
        (DemoPlan(train_frames=3000, seed=-1), "usage.seed"),
    ],
)
def test_what_cannot_be_planned_is_refused(plan: DemoPlan, code: str) -> None:
    with pytest.raises(UsageError) as refusal:
        plan.rounds()
    assert refusal.value.code == code
