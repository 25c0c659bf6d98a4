"""Steering, tried on a robot that slides to a halt at walls."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.data.demo_driving import (
    CRUISE,
    Command,
    Deviations,
    Explorer,
    FloorPlan,
    Follower,
    Pose,
    StuckWatch,
)

SIDE = 600.0
ROOM = FloorPlan(
    walls_S4=np.array(
        [[0, 0, SIDE, 0], [SIDE, 0, SIDE, SIDE], [SIDE, SIDE, 0, SIDE], [0, SIDE, 0, 0]], np.float64
    )
)
MIDDLE = Pose(x=SIDE / 2, y=SIDE / 2, heading=90.0)
STEADY = Deviations(speed=0.0, lateral=0.0, heading=0.0)


@dataclass(kw_only=True)
class Toy:
    """Obeys at once, and does not get past `limit`."""

    pose: Pose = MIDDLE
    limit: float = SIDE - 16
    track: list[Pose] = field(default_factory=list)

    def drive(self, command: Command) -> None:
        self.track.append(self.pose)
        heading = self.pose.heading + command.turn
        x = self.pose.x + command.speed * math.cos(math.radians(heading))
        y = self.pose.y + command.speed * math.sin(math.radians(heading))
        low, high = SIDE - self.limit, self.limit
        self.pose = Pose(x=min(max(x, low), high), y=min(max(y, low), high), heading=heading)

    @property
    def steps(self) -> NDArray[np.float64]:
        """Units and degrees of each tic, added."""
        xyh_T3 = np.array([(pose.x, pose.y, pose.heading) for pose in self.track])
        moves_T3 = np.abs(np.diff(xyh_T3, axis=0))
        return np.hypot(moves_T3[:, 0], moves_T3[:, 1]) + moves_T3[:, 2]


def explored(toy: Toy, *, seed: int, tics: int) -> Toy:
    explorer = Explorer(ROOM, np.random.default_rng(seed))
    for _ in range(tics):
        toy.drive(explorer.command(toy.pose))
    return toy


def followed(path_P2: NDArray[np.float64], *, seed: int, deviations: Deviations, tics: int) -> Toy:
    toy, follower = Toy(), Follower(path_P2, ROOM, np.random.default_rng(seed), deviations)
    for _ in range(tics):
        toy.drive(follower.command(toy.pose))
    return toy


def track_of(toy: Toy) -> NDArray[np.float64]:
    return np.array([(pose.x, pose.y) for pose in toy.track])


def longest_stand(toy: Toy) -> int:
    """The most tics in a row in which the robot neither moved nor turned."""
    longest = run = 0
    for step in toy.steps:
        run = run + 1 if step < 0.05 else 0
        longest = max(longest, run)
    return longest


def test_room_is_the_way_to_the_wall_less_the_body() -> None:
    room_R = ROOM.room(MIDDLE, np.array([0.0, 90.0, 180.0, -90.0]))
    np.testing.assert_allclose(room_R, SIDE / 2 - 18.0)


def test_room_is_measured_for_the_whole_width_of_the_body() -> None:
    post = FloorPlan(walls_S4=np.array([[100.0, 10.0, 100.0, 12.0]]))
    ahead = np.array([0.0])
    assert post.room(Pose(x=0, y=-6.5, heading=0), ahead) == pytest.approx(100 - 18)
    assert post.room(Pose(x=0, y=-9.0, heading=0), ahead) > 300


@pytest.mark.parametrize("seed", range(5))
def test_an_explorer_keeps_moving(seed: int) -> None:
    toy = explored(Toy(), seed=seed, tics=1500)
    assert longest_stand(toy) <= 1
    assert np.ptp(track_of(toy), axis=0).min() > SIDE / 3


@pytest.mark.parametrize("heading", [0.0, 45.0, 135.0])
def test_an_explorer_turns_away_from_something_that_is_on_no_plan(heading: float) -> None:
    boxed_in = Toy(pose=Pose(x=SIDE / 2, y=SIDE / 2, heading=heading), limit=SIDE / 2 + 40)
    toy = explored(boxed_in, seed=0, tics=1500)
    assert longest_stand(toy) <= 12


def test_a_follower_without_deviations_stays_on_the_path() -> None:
    path_P2 = track_of(explored(Toy(), seed=1, tics=400))
    again_T2 = track_of(followed(path_P2, seed=0, deviations=STEADY, tics=300))
    distance_T = np.linalg.norm(again_T2[:, None] - path_P2[None], axis=2).min(1)
    assert distance_T.max() < 10
    assert np.linalg.norm(again_T2[-1] - again_T2[0]) > 50


def test_drives_with_deviations_are_near_but_not_the_same() -> None:
    path_P2 = track_of(explored(Toy(), seed=1, tics=400))
    first, second = (
        track_of(followed(path_P2, seed=seed, deviations=Deviations(), tics=300)) for seed in (1, 2)
    )
    assert not np.allclose(first, second, atol=0.5)
    for again_T2 in (first, second):
        assert np.linalg.norm(again_T2[:, None] - path_P2[None], axis=2).min(1).max() < 25


def test_the_same_seed_drives_the_same_way() -> None:
    path_P2 = track_of(explored(Toy(), seed=1, tics=400))
    first, second = (followed(path_P2, seed=5, deviations=Deviations(), tics=200) for _ in range(2))
    assert first.track == second.track


def test_a_follower_goes_on_where_the_path_ends() -> None:
    path_P2 = track_of(explored(Toy(), seed=1, tics=60))
    toy = followed(path_P2, seed=0, deviations=Deviations(), tics=600)
    assert longest_stand(toy) <= 1


def test_a_follower_that_cannot_get_on_explores() -> None:
    beyond_the_wall = np.array([[SIDE / 2, SIDE + 500.0]])
    toy = followed(beyond_the_wall, seed=0, deviations=STEADY, tics=1000)
    assert longest_stand(toy) <= 6


def test_speed_deviates_by_the_share_asked_for() -> None:
    far_P2 = np.array([[SIDE / 2, SIDE * 10]])
    rngs = [np.random.default_rng(seed) for seed in range(300)]
    speeds = [
        Follower(far_P2, ROOM, rng, Deviations(speed=0.1, lateral=0, heading=0)).command(MIDDLE).speed
        for rng in rngs
    ]
    assert np.mean(speeds) == pytest.approx(CRUISE, rel=0.02)
    assert np.std(np.log(speeds)) == pytest.approx(0.1, rel=0.15)


def test_turning_or_moving_is_not_being_stuck() -> None:
    standing, turning, moving = StuckWatch(), StuckWatch(), StuckWatch()
    verdicts = [
        (
            standing.is_stuck(MIDDLE),
            turning.is_stuck(Pose(x=0, y=0, heading=4.0 * tic)),
            moving.is_stuck(Pose(x=2.0 * tic, y=0, heading=0)),
        )
        for tic in range(20)
    ]
    stood, turned, moved = (sum(column) for column in zip(*verdicts, strict=True))
    assert stood >= 2
    assert turned == 0
    assert moved == 0
