"""A GIF shows every frame of every scene, as long as asked, with the prompt marked."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageSequence

from harness.codec.lettering import PROMPT_COLOUR
from harness.codec.scenes import Scene
from harness.codec.video import FASTEST_FPS, SLOWEST_FPS, draw_frame, write_gif

RECORDED = Scene(title="window 0", truth_TYXC=np.full((3, 256, 256, 3), (200, 0, 0), np.uint8))
CONTINUED = replace(
    RECORDED, generated_TYXC=np.full((3, 256, 256, 3), (0, 0, 200), np.uint8), prompt_frames=1
)


def gif(*scenes: Scene, fps: float = 2) -> Image.Image:
    file = io.BytesIO()
    write_gif(file, scenes, fps=fps)
    return Image.open(file)


def test_scenes_follow_each_other_for_ever() -> None:
    animation = gif(RECORDED, RECORDED)
    assert animation.n_frames == 6
    assert animation.info["loop"] == 0


@pytest.mark.parametrize(("fps", "milliseconds"), [(SLOWEST_FPS, 10_000), (2, 500), (FASTEST_FPS, 20)])
def test_a_frame_lasts_as_long_as_was_asked_for(fps: float, milliseconds: int) -> None:
    durations = [frame.info["duration"] for frame in ImageSequence.Iterator(gif(CONTINUED, fps=fps))]
    assert durations == [milliseconds] * 3


def test_what_was_generated_stands_to_the_left_of_the_truth() -> None:
    image = draw_frame(CONTINUED, 1)
    assert image.getpixel((image.width // 4, 200)) == (0, 0, 200)
    assert image.getpixel((image.width * 3 // 4, 200)) == (200, 0, 0)
    assert draw_frame(RECORDED, 1).width < image.width / 1.9


def test_the_prompt_alone_is_framed() -> None:
    def framed(scene: Scene, t: int) -> bool:
        return bool((np.asarray(draw_frame(scene, t)) == PROMPT_COLOUR[:3]).all(axis=2).sum() > 1000)

    assert [framed(CONTINUED, t) for t in range(3)] == [True, False, False]
    assert not framed(RECORDED, 0)


def test_every_frame_has_a_caption_of_its_own() -> None:
    captions = {draw_frame(RECORDED, t).crop((0, 0, 272, 30)).tobytes() for t in range(3)}
    assert len(captions) == 3


def test_no_scenes_make_no_gif() -> None:
    with pytest.raises(ValueError, match="no frames"):
        gif()
