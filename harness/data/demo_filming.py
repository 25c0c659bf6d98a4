"""What the worker processes do: record a route, drive it again, and turn what the camera sees into tokens.

Images are encoded where they are rendered and never kept: a whole demo's would be gigabytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data.demo_driving import Command, Deviations, Explorer, FloorPlan, Follower
from harness.data.demo_plan import Drive, RoundsPlan, RoutePlan
from harness.data.demo_robot import Robot, open_robot
from harness.spec import CHALLENGE

_UNITS_PER_METRE = 32.0
_SAMPLE_EVERY = 8
_MEASURE_EVERY = 30


class FrameCodec(Protocol):
    """Turns images (uint8 [B,256,256,3]) into tokens (uint32 [B,16,16]) and back."""

    def encode(self, images_BYXC: NDArray[np.uint8], /) -> NDArray[np.uint32]:
        """Tokens of images."""
        ...

    def decode(self, tokens_BHW: NDArray[np.uint32], /) -> NDArray[np.uint8]:
        """Images of tokens."""
        ...

    def save(self, path: Path, /) -> None:
        """Write the codec to a file."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """A recorded route: where it led (`path_P2`, one point a tic) and what stood around it."""

    plan: RoutePlan
    path_P2: NDArray[np.float64]
    floor_plan: FloorPlan


@dataclass(frozen=True, kw_only=True, eq=False)
class Footage:
    """One segment.

    Attributes:
        split: that it belongs to.
        tokens_NHW: uint32.
        driving_command_NA: float32 [N,2], linear (m/s) and angular velocity (rad/s, anticlockwise positive)
            commanded when the frame was seen.
        squared_error: of decoded against rendered pixels, mean over a sample of the frames.
    """

    split: str
    tokens_NHW: NDArray[np.uint32]
    driving_command_NA: NDArray[np.float32]
    squared_error: float


def record(rounds: RoundsPlan, *, deviations: Deviations) -> tuple[Route, NDArray[np.uint8]]:
    """The route, found by exploring, and a sample of what its first drive sees: uint8 [B,256,256,3]."""
    with open_robot(rounds.route.scenario, with_floor_plan=True) as robot:
        route = _explore(robot, rounds.route)
        if rounds.drives[0].split != "train":
            return route, np.empty((0, 0, 0, 3), np.uint8)
        views = [view for view, _ in _drive(robot, route, rounds.drives[0], deviations)]
    return route, np.stack(views[::_SAMPLE_EVERY])


def film(
    route: Route, drives: tuple[Drive, ...], *, deviations: Deviations, codec: FrameCodec
) -> list[Footage]:
    """A segment for each drive of this route."""
    with open_robot(route.plan.scenario) as robot:
        return [_film_drive(robot, route, drive, deviations, codec) for drive in drives]


def _explore(robot: Robot, plan: RoutePlan) -> Route:
    robot.start(plan.level_seed)
    floor_plan = robot.floor_plan()
    explorer = Explorer(floor_plan, np.random.default_rng(plan.explore_seed))
    path_P2 = np.empty((plan.tics, 2))
    for tic in range(plan.tics):
        pose = robot.pose
        path_P2[tic] = pose.x, pose.y
        robot.drive(explorer.command(pose))
    return Route(plan=plan, path_P2=path_P2, floor_plan=floor_plan)


def _film_drive(
    robot: Robot, route: Route, drive: Drive, deviations: Deviations, codec: FrameCodec
) -> Footage:
    views, commands = zip(*_drive(robot, route, drive, deviations), strict=True)
    images_NYXC = np.stack(views)
    tokens_NHW = codec.encode(images_NYXC)
    error = codec.decode(tokens_NHW[::_MEASURE_EVERY]) - images_NYXC[::_MEASURE_EVERY].astype(np.float32)
    per_second = CHALLENGE.raw_hz
    return Footage(
        split=drive.split,
        tokens_NHW=tokens_NHW,
        driving_command_NA=np.array(
            [(c.speed * per_second / _UNITS_PER_METRE, math.radians(c.turn) * per_second) for c in commands],
            np.float32,
        ),
        squared_error=float(np.mean(np.square(error), dtype=np.float64)),
    )


def _drive(
    robot: Robot, route: Route, drive: Drive, deviations: Deviations
) -> Iterator[tuple[NDArray[np.uint8], Command]]:
    """What the robot sees (uint8 [256,256,3]) and then does, frame by frame."""
    robot.start(route.plan.level_seed)
    follower = Follower(route.path_P2, route.floor_plan, np.random.default_rng(drive.seed), deviations)
    for frame in range(drive.skip + drive.frames):
        command = follower.command(robot.pose)
        if frame >= drive.skip:
            yield robot.see(), command
        robot.drive(command)
