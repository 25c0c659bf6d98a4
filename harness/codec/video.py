"""Windows as an animated GIF: what a model made beside what happened, and a caption on every frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from harness.codec.lettering import PROMPT_COLOUR, Colour, require_pillow, write
from harness.codec.scenes import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

SLOWEST_FPS, FASTEST_FPS = 0.1, 50
"""A GIF counts in hundredths of a second, and browsers slow down what shows a frame for less than two of them."""

_PAPER: Colour = (255, 255, 255, 255)
_INK: Colour = (34, 34, 34, 255)
_LETTER, _LINE, _MARGIN = 18, 30, 8


def write_gif(file: BinaryIO, scenes: Iterable[Scene], *, fps: float) -> None:
    """An endless GIF of one scene after the other, `fps` frames a second; all are kept until the last is drawn.

    Raises: DependencyMissing; ValueError where there are no scenes.
    """
    require_pillow()
    frames = (_indexed(draw_frame(scene, t)) for scene in scenes for t in range(scene.num_frames))
    first = next(frames, None)
    if first is None:
        raise ValueError("a GIF of no frames")
    first.save(
        file, "GIF", save_all=True, append_images=frames, duration=round(1000 / fps), loop=0, disposal=1
    )


def draw_frame(scene: Scene, t: int) -> Image:
    """Frame t of a scene as an RGB image: generated and truth side by side, and above them what they are."""
    require_pillow()
    from PIL import Image as Images
    from PIL import ImageDraw

    panels = list(_panels(scene, t))
    high, wide = scene.truth_TYXC.shape[1:3]
    size = (_MARGIN + len(panels) * (wide + _MARGIN), 2 * _LINE + high + _MARGIN)
    image = Images.new("RGBA", size, _PAPER)
    caption = f"{scene.title}: frame {t + 1} of {scene.num_frames}, {t / scene.hz:g} s"
    write(image, caption, centre=(size[0] / 2, _LINE / 2), size=_fitting(len(caption), size[0]), colour=_INK)
    for number, (name, pixels_YXC, colour) in enumerate(panels):
        left, top = _MARGIN + number * (wide + _MARGIN), 2 * _LINE
        write(image, name, centre=(left + wide / 2, 1.5 * _LINE), size=_LETTER, colour=colour)
        if colour == PROMPT_COLOUR:
            box = (left - 4, top - 4, left + wide + 3, top + high + 3)
            ImageDraw.Draw(image).rectangle(box, fill=PROMPT_COLOUR)
        image.paste(Images.fromarray(pixels_YXC), (left, top))
    return image.convert("RGB")


def _panels(scene: Scene, t: int) -> Iterator[tuple[str, NDArray[np.uint8], Colour]]:
    """What is shown at time t, from left to right: its name, its picture, the colour of its name."""
    if scene.generated_TYXC is None:
        yield "recorded", scene.truth_TYXC[t], _INK
        return
    prompt = scene.is_prompt(t)
    yield "prompt" if prompt else "generated", scene.generated_TYXC[t], PROMPT_COLOUR if prompt else _INK
    yield "truth", scene.truth_TYXC[t], _INK


def _fitting(letters: int, width: int) -> int:
    """The size of letters with which a line of so many fits; one is about half as wide as it is high."""
    return min(_LETTER, int(1.8 * width / letters))


def _indexed(image: Image) -> Image:
    """The same with 256 colours of its own."""
    from PIL import Image as Images

    return image.quantize(256, method=Images.Quantize.MEDIANCUT)
