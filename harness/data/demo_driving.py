"""How the robot steers: it explores from place to place, and repeats a recorded path with small deviations.

Nothing here knows the renderer. Lengths are map units (32 to the metre), angles degrees, anticlockwise positive;
a tic is one frame. Axes: R rays, S wall segments, P points of a path, 2 is x and y.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CRUISE = 1.6  # units a tic
_MAX_TURN = 4.0  # degrees a tic
_BODY = 18.0
_LOOK_AHEAD = 25.0
_SIGHT = 400.0
_BEARINGS_R = np.arange(-180.0, 180.0, 5.0)
_STUCK_TICS = 6
_STUCK_UNITS = 1.0
_STUCK_DEGREES = 3.0
_DETOUR_TICS = 40


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where the robot is and where it looks."""

    x: float
    y: float
    heading: float


@dataclass(frozen=True, kw_only=True)
class Command:
    """What the robot is told for one tic: the speed to settle at (units a tic) and a turn (degrees)."""

    speed: float
    turn: float


@dataclass(frozen=True, kw_only=True, eq=False)
class FloorPlan:
    """What blocks the way. `walls_S4`: segments as x1, y1, x2, y2 (float64)."""

    walls_S4: NDArray[np.float64]

    def room(self, pose: Pose, bearings_R: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far [R] the robot's body can go straight on in each direction, relative to its heading."""
        angle_R = np.radians(pose.heading + bearings_R)
        ray_R2 = np.stack([np.cos(angle_R), np.sin(angle_R)], 1)
        beside_R2 = _BODY * np.stack([-ray_R2[:, 1], ray_R2[:, 0]], 1)
        here_R2 = np.broadcast_to([pose.x, pose.y], ray_R2.shape)
        reach_3R = [self._reach(here_R2 + side * beside_R2, ray_R2) for side in (-1, 0, 1)]
        room_R: NDArray[np.float64] = np.maximum(np.min(reach_3R, axis=0) - _BODY, 0.0)
        return room_R

    def _reach(self, from_R2: NDArray[np.float64], ray_R2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance [R] to the first wall along each unit ray; at most `_SIGHT`."""
        start_RS2 = self.walls_S4[None, :, :2] - from_R2[:, None]
        along_S2 = self.walls_S4[:, 2:] - self.walls_S4[:, :2]
        facing_RS = _cross(ray_R2[:, None], along_S2[None])
        with np.errstate(divide="ignore", invalid="ignore"):
            distance_RS = _cross(start_RS2, along_S2[None]) / facing_RS
            place_RS = _cross(start_RS2, ray_R2[:, None]) / facing_RS
        hit_RS = (distance_RS >= 0) & (place_RS >= 0) & (place_RS <= 1)
        reach_R: NDArray[np.float64] = np.where(hit_RS, distance_RS, _SIGHT).min(1, initial=_SIGHT)
        return reach_R


class Explorer:
    """Drives to one place after another that it can reach straight on, rather ahead than back."""

    def __init__(self, plan: FloorPlan, rng: np.random.Generator, *, cruise: float = CRUISE) -> None:
        self._plan, self._rng, self._cruise = plan, rng, cruise
        self._watch, self._wheel = StuckWatch(), Wheel()
        self._goal: tuple[float, float] | None = None

    def command(self, pose: Pose) -> Command:
        """What to do in this tic."""
        stuck = self._watch.is_stuck(pose)
        if self._goal is None or stuck or math.dist(self._goal, (pose.x, pose.y)) < _LOOK_AHEAD:
            self._goal = self._choose(pose, turn_away=stuck)
        return self._wheel.towards(self._goal, pose, cruise=self._cruise)

    def _choose(self, pose: Pose, *, turn_away: bool) -> tuple[float, float]:
        """A place to drive to; with `turn_away` not in front."""
        room_R = self._plan.room(pose, _BEARINGS_R)
        ahead_R = np.cos(np.radians(_BEARINGS_R))
        room_R = np.where(ahead_R > 0.5, 0.0, room_R) if turn_away else room_R
        liking_R = np.maximum(room_R - 2 * _LOOK_AHEAD, 0.0) * (1.1 + ahead_R) ** 2 + 1e-6 * (room_R + 1.0)
        choice = self._rng.choice(len(_BEARINGS_R), p=liking_R / liking_R.sum())
        distance = max(self._rng.uniform(0.6, 1.0) * (room_R[choice] - _BODY), 2 * _LOOK_AHEAD)
        angle = math.radians(pose.heading + _BEARINGS_R[choice])
        return pose.x + distance * math.cos(angle), pose.y + distance * math.sin(angle)


@dataclass(frozen=True, kw_only=True)
class Deviations:
    """How much two drives of a route differ.

    Attributes:
        speed: standard deviation of a drive's cruising speed, as a share of the usual one.
        lateral: standard deviation of the slow wandering to the side of the path, in units.
        heading: standard deviation of the slow wandering of the heading, in degrees.
    """

    speed: float = 0.08
    lateral: float = 1.0
    heading: float = 0.5


class Follower:
    """Drives a recorded path again: not quite at its speed, not quite on its line.

    Where the path has ended, or the robot stands at something, it explores instead.
    """

    def __init__(
        self, path_P2: NDArray[np.float64], plan: FloorPlan, rng: np.random.Generator, deviations: Deviations
    ) -> None:
        self._path_P2, self._rng, self._deviations = path_P2, rng, deviations
        self._cruise = CRUISE * math.exp(deviations.speed * rng.normal())
        self._explorer = Explorer(plan, rng, cruise=self._cruise)
        self._watch, self._wheel = StuckWatch(), Wheel()
        self._next, self._explore_tics = 0, 0
        self._aside, self._astray = rng.normal(), rng.normal()

    def command(self, pose: Pose) -> Command:
        """What to do in this tic."""
        while self._next < len(self._path_P2) and self._distance(pose) < _LOOK_AHEAD:
            self._next += 1
        self._aside, self._astray = _wander(self._aside, self._rng), _wander(self._astray, self._rng)
        if self._watch.is_stuck(pose):
            self._explore_tics = _DETOUR_TICS
        if self._explore_tics > 0 or self._next >= len(self._path_P2):
            self._explore_tics -= 1
            return self._explorer.command(pose)
        x, y = self._path_P2[self._next].tolist()
        aside = self._deviations.lateral * self._aside / _LOOK_AHEAD
        target = x - aside * (y - pose.y), y + aside * (x - pose.x)
        astray = self._deviations.heading * self._astray
        return self._wheel.towards(target, pose, cruise=self._cruise, astray=astray)

    def _distance(self, pose: Pose) -> float:
        x, y = self._path_P2[self._next].tolist()
        return math.dist((x, y), (pose.x, pose.y))


class Wheel:
    """Turns smoothly towards a place, and slows down for it."""

    def __init__(self) -> None:
        self._turn = 0.0

    def towards(
        self, place: tuple[float, float], pose: Pose, *, cruise: float, astray: float = 0.0
    ) -> Command:
        """What to do in this tic to get to `place`, aiming `astray` degrees beside it."""
        wanted = math.degrees(math.atan2(place[1] - pose.y, place[0] - pose.x)) + astray
        error = (wanted - pose.heading + 180.0) % 360.0 - 180.0
        self._turn = 0.6 * self._turn + 0.4 * min(max(0.2 * error, -_MAX_TURN), _MAX_TURN)
        return Command(speed=cruise * max(math.cos(math.radians(error)), 0.1), turn=self._turn)


class StuckWatch:
    """Knows whether the robot has been standing still."""

    def __init__(self) -> None:
        self._recent: deque[Pose] = deque(maxlen=_STUCK_TICS)

    def is_stuck(self, pose: Pose) -> bool:
        """True if the robot neither moved nor turned over the last tics; then watching starts afresh."""
        self._recent.append(pose)
        first = self._recent[0]
        moved = math.hypot(pose.x - first.x, pose.y - first.y) >= _STUCK_UNITS
        turned = abs((pose.heading - first.heading + 180.0) % 360.0 - 180.0) >= _STUCK_DEGREES
        if len(self._recent) < _STUCK_TICS or moved or turned:
            return False
        self._recent.clear()
        return True


def _wander(value: float, rng: np.random.Generator) -> float:
    """One tic of a mean-reverting walk with unit variance and a memory of about a second."""
    return 0.97 * value + math.sqrt(1 - 0.97**2) * rng.normal()


def _cross(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """The z component of the cross product over the last axis."""
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
