"""The robot: a first-person camera on wheels in a ViZDoom map. The only module that knows the renderer.

Images are uint8 [256,256,3] (RGB), cut from the middle of a 320x256 view without resampling and seen through a
slightly soft lens. Axes: Y and X pixels, C colours.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.demo_driving import Command, FloorPlan, Pose
from harness.errors import DependencyMissing
from harness.extras import install
from harness.spec import CHALLENGE

if TYPE_CHECKING:
    from vizdoom import DoomGame

_PIXELS_PER_TOKEN = 16
IMAGE_SIDE = CHALLENGE.width * _PIXELS_PER_TOKEN
_MARGIN = (320 - IMAGE_SIDE) // 2
_BLUR = 2
# Doom keeps 0.90625 of a velocity each tic and adds thrust / 32, which settles at a third of the thrust.
_THRUST_PER_SPEED = 3.0
# Nothing may end the level: neither an acid floor nor the goal of `my_way_home`.
_CHEATS = ("god", "remove GreenArmor")
# Until the player's start delay is over, commands do nothing.
_WAKE_TICS = 8


class Robot:
    """Stands in one map at a time; open it with `open_robot`."""

    def __init__(self, game: DoomGame) -> None:
        self._game = game

    def start(self, level_seed: int) -> None:
        """Put the robot at the place and with the surroundings that belong to this seed, ready to move."""
        self._game.set_seed(level_seed)
        self._game.new_episode()
        for cheat in _CHEATS:
            self._game.send_game_command(cheat)
        self._game.make_action([0.0, 0.0], _WAKE_TICS)

    @property
    def pose(self) -> Pose:
        """Where the robot is."""
        x, y, heading = self._state().game_variables.tolist()
        return Pose(x=x, y=y, heading=heading)

    def see(self) -> NDArray[np.uint8]:
        """What the camera sees now."""
        screen_YXC = self._state().screen_buffer[:, _MARGIN - _BLUR : _MARGIN + IMAGE_SIDE + _BLUR]
        above, below = [screen_YXC[:1]] * _BLUR, [screen_YXC[-1:]] * _BLUR
        return through_lens(np.concatenate([*above, screen_YXC, *below]))

    def drive(self, command: Command) -> None:
        """Obey for one tic."""
        self._game.make_action([-command.turn, command.speed * _THRUST_PER_SPEED])

    def floor_plan(self) -> FloorPlan:
        """The walls; needs `with_floor_plan`."""
        lines = [line for sector in self._state().sectors for line in sector.lines if line.is_blocking]
        walls = [(line.x1, line.y1, line.x2, line.y2) for line in lines]
        return FloorPlan(walls_S4=np.array(walls, np.float64).reshape(-1, 4))

    def _state(self) -> Any:
        """What the game shows, as ViZDoom's own (partly untyped) object."""
        state = self._game.get_state()
        if state is None:
            raise RuntimeError("the level has ended, though nothing in these maps should end it")
        return state


def through_lens(image_YXC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image as optics give it, two pixels smaller on each side.

    Neighbours are mixed as (1, 4, 6, 4, 1) / 16 in both directions: the renderer's texels have edges that no camera
    shows and that 18 bits a patch cannot hold.
    """
    sums_YXC = image_YXC.astype(np.uint16)
    for _ in range(2 * _BLUR):  # (1, 4, 6, 4, 1) is (1, 1) four times; the sum of 256 pixels fits
        sums_YXC = sums_YXC[:-1] + sums_YXC[1:]
        sums_YXC = sums_YXC[:, :-1] + sums_YXC[:, 1:]
    soft_YXC: NDArray[np.uint8] = ((sums_YXC + 128) >> 8).astype(np.uint8)
    return soft_YXC


@contextmanager
def _inside(folder: str) -> Iterator[None]:
    """The working directory is `folder` for a moment."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def open_robot(scenario: str, *, with_floor_plan: bool = False) -> Iterator[Robot]:
    """A robot in a map that ships with ViZDoom ("my_way_home"); no window, no files left behind.

    `with_floor_plan` asks the game for its walls, which slows every tic down.
    """
    try:
        import vizdoom
    except ImportError as error:
        raise DependencyMissing("vizdoom renders the demo data", fix=install("demo")) from error
    game = vizdoom.DoomGame()
    with tempfile.TemporaryDirectory(prefix="wmc-demo-") as scratch:
        game.set_doom_config_path(str(Path(scratch) / "vizdoom.ini"))
        game.set_doom_scenario_path(str(Path(vizdoom.scenarios_path) / f"{scenario}.wad"))
        game.set_mode(vizdoom.Mode.PLAYER)
        game.set_window_visible(False)
        game.set_sound_enabled(False)
        game.set_screen_resolution(vizdoom.ScreenResolution.RES_320X256)
        game.set_screen_format(vizdoom.ScreenFormat.RGB24)
        for hide in ("hud", "weapon", "crosshair", "messages", "particles", "decals", "screen_flashes"):
            getattr(game, f"set_render_{hide}")(False)
        game.set_sectors_info_enabled(with_floor_plan)
        game.set_episode_timeout(0)
        button, variable = vizdoom.Button, vizdoom.GameVariable
        game.set_available_buttons([button.TURN_LEFT_RIGHT_DELTA, button.MOVE_FORWARD_BACKWARD_DELTA])
        game.set_available_game_variables([variable.POSITION_X, variable.POSITION_Y, variable.ANGLE])
        try:
            with _inside(scratch):  # where the engine, a process of its own, leaves a folder
                game.init()
        except vizdoom.ViZDoomErrorException as error:
            raise DependencyMissing(
                f"vizdoom is installed but does not start: {error}",
                fix="reinstall it: .venv/bin/pip install -c constraints.txt --force-reinstall vizdoom",
                code="dependency.broken",
            ) from error
        try:
            yield Robot(game)
        finally:
            game.close()
