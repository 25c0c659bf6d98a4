"""The robot against ViZDoom itself: reproducible, quiet, and obeying in the units it promises."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.data.demo_driving import Command
from harness.data.demo_plan import AWAY, HOME
from harness.data.demo_robot import IMAGE_SIDE, Robot, open_robot, through_lens
from harness.errors import DependencyMissing


def views(robot: Robot, *, level_seed: int, frames: int = 40) -> list[bytes]:
    robot.start(level_seed)
    seen = []
    for _ in range(frames):
        seen.append(robot.see().tobytes())
        robot.drive(Command(speed=2.0, turn=1.0))
    return seen


@pytest.mark.parametrize("scenario", [HOME, *AWAY])
def test_a_level_seed_fixes_everything_the_robot_sees(scenario: str) -> None:
    with open_robot(scenario) as robot:
        first = views(robot, level_seed=5)
        other = views(robot, level_seed=6)
        again = views(robot, level_seed=5)
    with open_robot(scenario) as robot:
        anew = views(robot, level_seed=5)
    assert first == again == anew
    assert first != other
    assert len(set(first)) == len(first)


def test_a_view_is_rgb_of_256_by_256() -> None:
    with open_robot(HOME) as robot:
        robot.start(1)
        view = robot.see()
    assert (view.shape, view.dtype) == ((IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8)
    red, _, blue = view.reshape(-1, 3).astype(int).mean(0)
    assert red > blue  # brown floors: RGB, not BGR


def test_a_command_s_units_are_map_units_and_degrees_anticlockwise() -> None:
    with open_robot("health_gathering_supreme", with_floor_plan=True) as robot:
        robot.start(2)
        bearings_R = np.arange(0.0, 180.0, 3.0)
        turns = int(
            robot.floor_plan().room(robot.pose, bearings_R).argmax()
        )  # of 3 degrees, to where it is free
        for _ in range(turns):
            robot.drive(Command(speed=0.0, turn=3.0))
        before = robot.pose.heading
        robot.drive(Command(speed=0.0, turn=3.0))
        robot.drive(Command(speed=0.0, turn=3.0))
        assert (robot.pose.heading - before) % 360 == pytest.approx(6.0, abs=0.1)
        for _ in range(60):
            robot.drive(Command(speed=2.0, turn=0.0))
        here = robot.pose
        robot.drive(Command(speed=2.0, turn=0.0))
        there = robot.pose
    step = np.array([there.x - here.x, there.y - here.y])
    angle = np.radians(here.heading)
    np.testing.assert_allclose(step, 2.0 * np.array([np.cos(angle), np.sin(angle)]), atol=0.05)


def test_neither_acid_nor_the_goal_ends_a_level() -> None:
    with open_robot("health_gathering_supreme") as robot:
        robot.start(1)
        for _ in range(900):  # 900 tics of acid are more than 100 points of health
            robot.drive(Command(speed=0.0, turn=2.0))
        assert robot.see().any()


def test_the_floor_plan_holds_the_walls_around_the_robot() -> None:
    with open_robot(HOME, with_floor_plan=True) as robot:
        robot.start(1)
        room_R = robot.floor_plan().room(robot.pose, np.arange(0.0, 360.0, 10.0))
    assert 0 < room_R.min() < 100
    assert room_R.max() > room_R.min()


def test_nothing_is_left_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_robot(HOME) as robot:
        robot.start(1)
        assert Path.cwd() == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_without_vizdoom_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vizdoom", None)
    with pytest.raises(DependencyMissing) as missing, open_robot(HOME):
        pass
    assert "pip install" in missing.value.fix


@given(st.integers(0, 255))
def test_the_lens_keeps_a_plain_image(value: int) -> None:
    plain = np.full((9, 12, 3), value, np.uint8)
    np.testing.assert_array_equal(through_lens(plain), plain[2:-2, 2:-2])


def test_the_lens_spreads_a_point_as_the_binomial_of_four() -> None:
    point = np.zeros((9, 9, 3), np.uint8)
    point[4, 4] = 255
    weights = np.array([1, 4, 6, 4, 1]) / 16
    expected = 255 * np.outer(weights, weights)
    np.testing.assert_allclose(through_lens(point)[..., 0], expected, atol=0.5)
