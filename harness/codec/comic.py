"""A window as a strip of pictures: truth above, what a model made below, time from left to right, the prompt marked."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.codec.lettering import PROMPT_COLOUR, Colour, require_pillow, write
from harness.codec.scenes import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITIES = (80, 65, 50, 35)
_SHRINK = 0.8


@dataclass(frozen=True, kw_only=True)
class Look:
    """How large and on which ground.

    Attributes:
        cell: pixels of a picture's side.
        titled: whether the scene's title stands above.
    """

    cell: int
    paper: Colour
    ink: Colour
    titled: bool

    @property
    def letter(self) -> int:
        """Pixels of a letter."""
        return self.cell // 5

    @property
    def gap(self) -> int:
        """Pixels between two pictures."""
        return max(2, self.cell // 48)


POSTER = Look(cell=192, paper=(255, 255, 255, 255), ink=(34, 34, 34, 255), titled=True)
"""To be looked at alone."""

ON_A_PAGE = Look(cell=96, paper=(118, 118, 118, 0), ink=(118, 118, 118, 255), titled=False)
"""To stand on a light page or a dark one: nothing behind the pictures, and letters that both let read."""


@dataclass(frozen=True, kw_only=True)
class SmallFile:
    """An encoded image; `width` and `height` in pixels, `suffix` webp or png."""

    content: bytes
    suffix: str
    width: int
    height: int


def draw_comic(scene: Scene, look: Look = POSTER) -> Image:
    """The strip as an RGBA image: two rows, or one for a scene that no model made a part of.

    Raises: DependencyMissing.
    """
    require_pillow()
    from PIL import Image as Images

    rows = _rows(scene)
    lines = look.titled + (scene.generated_TYXC is not None)
    step, head = look.cell + look.gap, round(1.6 * lines * look.letter)
    left = round(1.5 * look.letter)
    width = _column(scene, scene.num_frames, look)
    height = head + len(rows) * step + round(1.4 * look.letter)
    image = Images.new("RGBA", (width, height), look.paper)
    for number, (name, images_TYXC) in enumerate(rows):
        top = head + number * step
        middle = (left / 2, top + look.cell / 2)
        write(image, name, centre=middle, size=look.letter, colour=look.ink, turned=True)
        for t, pixels_YXC in enumerate(images_TYXC):
            picture = Images.fromarray(pixels_YXC).resize((look.cell, look.cell), Images.Resampling.LANCZOS)
            image.paste(picture, (_column(scene, t, look), top))
    _write_times(image, scene, look, centre_y=height - 0.7 * look.letter)
    _mark_prompt(image, scene, look, bottom=head - look.gap)
    if look.titled:
        write(image, scene.title, centre=(width / 2, look.letter), size=look.letter, colour=look.ink)
    return image


def small_file(image: Image, *, most_bytes: int) -> SmallFile:
    """The image in at most so many bytes: WebP, or PNG where Pillow lacks that.

    What does not fit is made coarser first and then smaller.
    """
    from PIL import Image as Images
    from PIL import features

    webp = features.check("webp")
    while True:
        for quality in _QUALITIES if webp else (0,):
            file = io.BytesIO()
            if webp:
                image.save(file, "WEBP", quality=quality, method=4)
            else:
                image.quantize(method=Images.Quantize.FASTOCTREE).save(file, "PNG", optimize=True)
            if file.tell() <= most_bytes:
                width, height = image.size
                return SmallFile(
                    content=file.getvalue(), suffix="webp" if webp else "png", width=width, height=height
                )
        width, height = (max(1, int(side * _SHRINK)) for side in image.size)
        image = image.resize((width, height), Images.Resampling.LANCZOS)


def _rows(scene: Scene) -> list[tuple[str, NDArray[np.uint8]]]:
    if scene.generated_TYXC is None:
        return [("recorded", scene.truth_TYXC)]
    return [("truth", scene.truth_TYXC), ("generated", scene.generated_TYXC)]


def _column(scene: Scene, t: int, look: Look) -> int:
    """Where the pictures of frame t begin; what was generated stands apart from the prompt."""
    apart = 0 if scene.generated_TYXC is None or scene.is_prompt(t) else 3 * look.gap
    return round(1.5 * look.letter) + t * (look.cell + look.gap) + apart


def _write_times(image: Image, scene: Scene, look: Look, *, centre_y: float) -> None:
    for t in range(scene.num_frames):
        centre = (_column(scene, t, look) + look.cell / 2, centre_y)
        write(image, f"{t / scene.hz:g} s", centre=centre, size=round(look.letter * 0.9), colour=look.ink)


def _mark_prompt(image: Image, scene: Scene, look: Look, *, bottom: int) -> None:
    """A bar above the frames that a model was given, and what it means."""
    if scene.generated_TYXC is None:
        return
    from PIL import ImageDraw

    begin, end = _column(scene, 0, look), _column(scene, scene.prompt_frames - 1, look) + look.cell
    ImageDraw.Draw(image).rectangle((begin, bottom - look.gap, end - 1, bottom - 1), fill=PROMPT_COLOUR)
    above = bottom - look.gap - 0.6 * look.letter
    write(image, "prompt", centre=((begin + end) / 2, above), size=look.letter, colour=PROMPT_COLOUR)
