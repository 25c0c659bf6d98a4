"""Which routes exist, and which drives of them make up the three splits; everything follows from one seed.

`train` and `val` are different drives of the same routes; `heldout` drives routes in other maps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from harness.data.demo_driving import Deviations
from harness.errors import UsageError
from harness.spec import CHALLENGE

HOME = "my_way_home"
AWAY = ("health_gathering_supreme", "deathmatch")

_DRIVE_FRAMES = 300
_JITTER = (_DRIVE_FRAMES - CHALLENGE.raw_span) // 2
_FIRST_SKIP = 20  # frames until the robot has picked up speed
_SKIP_SPREAD = 40


@dataclass(frozen=True, kw_only=True)
class RoutePlan:
    """A route to be recorded: in which map, starting where, and how many frames its longest drive needs."""

    scenario: str
    level_seed: int
    explore_seed: int
    tics: int


@dataclass(frozen=True, kw_only=True)
class Drive:
    """One drive of a route: it becomes one segment.

    Attributes:
        split: `train`, `val` or `heldout`.
        skip: frames driven before the segment begins.
        frames: of the segment.
        seed: of the deviations.
    """

    split: str
    skip: int
    frames: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class RoundsPlan:
    """A route and all its drives, in the order in which they are filmed."""

    route: RoutePlan
    drives: tuple[Drive, ...]


@dataclass(frozen=True, kw_only=True)
class DemoPlan:
    """What `wmc data demo` makes.

    Attributes:
        train_frames: in all, over segments that each hold a window.
        seed: of everything.
        routes: that train and val drive (fewer if `train_frames` is too small to drive each once), and as many
            others that heldout drives.
        graded_segments: of val, and of heldout; each is one window long.
    """

    train_frames: int
    seed: int = 0
    routes: int = 12
    graded_segments: int = 24
    deviations: Deviations = field(default_factory=Deviations)

    def rounds(self) -> tuple[RoundsPlan, ...]:
        """Every route with its drives: the home routes first, then heldout's. Raises UsageError."""
        if self.train_frames < CHALLENGE.raw_span:
            raise UsageError(
                f"{self.train_frames} training frames are fewer than one segment of {CHALLENGE.raw_span}",
                code="usage.train_frames",
                fix=f"ask for at least {CHALLENGE.raw_span}, better 10000",
            )
        if self.seed < 0:
            raise UsageError(f"the seed is {self.seed}", code="usage.seed", fix="use 0 or more")
        rng = np.random.default_rng(self.seed)
        train = self._train_drives(rng)
        val, heldout = [
            [_graded(split, rng) for _ in range(self.graded_segments)] for split in ("val", "heldout")
        ]
        routes = min(self.routes, len(train))
        home = [_rounds(HOME, (*train[first::routes], *val[first::routes]), rng) for first in range(routes)]
        routes = min(self.routes, self.graded_segments)
        away = [
            _rounds(AWAY[first % len(AWAY)], tuple(heldout[first::routes]), rng) for first in range(routes)
        ]
        return (*home, *away)

    def _train_drives(self, rng: np.random.Generator) -> list[Drive]:
        """Drives of about 300 frames that add up to `train_frames` exactly."""
        count = max(1, self.train_frames // _DRIVE_FRAMES)
        cuts = np.linspace(0, self.train_frames, count + 1).astype(int)
        cuts[1:-1] += rng.integers(-_JITTER, _JITTER, count - 1, endpoint=True)
        return [
            Drive(split="train", skip=_skip(rng), frames=int(stop - start), seed=_seed(rng))
            for start, stop in pairwise(cuts)
        ]


def _graded(split: str, rng: np.random.Generator) -> Drive:
    return Drive(split=split, skip=_skip(rng), frames=CHALLENGE.raw_span, seed=_seed(rng))


def _rounds(scenario: str, drives: tuple[Drive, ...], rng: np.random.Generator) -> RoundsPlan:
    """Drives with a route that is long enough even for a fast one."""
    tics = int(1.25 * max(drive.skip + drive.frames for drive in drives))
    route = RoutePlan(scenario=scenario, level_seed=_seed(rng), explore_seed=_seed(rng), tics=tics)
    return RoundsPlan(route=route, drives=drives)


def _skip(rng: np.random.Generator) -> int:
    return int(_FIRST_SKIP + rng.integers(_SKIP_SPREAD))


def _seed(rng: np.random.Generator) -> int:
    """A seed that ViZDoom takes, too."""
    return int(rng.integers(2**31 - 1))
