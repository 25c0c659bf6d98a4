"""Text on pictures, in the font that Pillow brings along."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from harness.errors import DependencyMissing
from harness.extras import install

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Colour = tuple[int, int, int, int]
"""Red, green, blue, opacity: 0 to 255."""

PROMPT_COLOUR: Colour = (47, 127, 209, 255)
"""What marks a prompt: seen on white and on black alike."""


def require_pillow() -> None:
    """Nothing, where pictures can be drawn.

    Raises: DependencyMissing.
    """
    try:
        from PIL import _imagingft  # noqa: F401 - whether Pillow is there, and draws text, is the question
    except ImportError as error:
        raise DependencyMissing(
            "drawing pictures needs the package pillow, with FreeType", fix=install("pictures")
        ) from error


def write(
    image: Image, text: str, *, centre: tuple[float, float], size: int, colour: Colour, turned: bool = False
) -> None:
    """Put a line of text on the image, around the point `centre`; `turned` reads upwards."""
    from PIL import Image as Images
    from PIL import ImageDraw

    font = _font(size)
    line = Images.new("L", (round(font.getlength(text)) + 2, sum(font.getmetrics())))
    ImageDraw.Draw(line).text((1, 0), text, fill=255, font=font)
    mask = line.transpose(Images.Transpose.ROTATE_90) if turned else line
    place = round(centre[0] - mask.width / 2), round(centre[1] - mask.height / 2)
    image.paste(colour, place, mask)


def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    return cast("FreeTypeFont", ImageFont.load_default(size))  # it is one wherever FreeType is
