"""Video files and folders of images, read one frame at a time as the challenge's pictures.

A picture is RGB, 256x256: the largest square in the middle of the frame, resized with antialiasing. Video is turned
as its file says, and pixels that are not square are taken for what they are.

Axes: Y and X pixels, C colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataInvalid, DependencyMissing
from harness.extras import install

SIDE = 256
_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_LONGEST_GAP_S = 60


@dataclass(frozen=True, kw_only=True)
class Shot:
    """A frame as it was read.

    Attributes:
        picture: a Pillow image, or a PyAV frame.
        turned: degrees counterclockwise by which it is to be turned.
        pixel_aspect: width of a pixel over its height, before it is turned.
    """

    picture: Any
    turned: int = 0
    pixel_aspect: Fraction = Fraction(1)

    def square(self) -> NDArray[np.uint8]:
        """The picture: uint8 [256,256,3]."""
        from PIL import Image

        image: Image.Image = (
            self.picture if isinstance(self.picture, Image.Image) else self.picture.to_image()
        )
        box = middle_square(image.width, image.height, self.pixel_aspect)
        small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box)
        return np.ascontiguousarray(np.rot90(np.asarray(small, np.uint8), round(self.turned / 90)))


def middle_square(
    width: int, height: int, pixel_aspect: Fraction = Fraction(1)
) -> tuple[float, float, float, float]:
    """The box (left, top, right, bottom), in pixels, that looks square and is as large as fits."""
    side = min(width * pixel_aspect, Fraction(height))
    wide, high = side / pixel_aspect, side
    return (
        float((width - wide) / 2),
        float((height - high) / 2),
        float((width + wide) / 2),
        float((height + high) / 2),
    )


def read_video(path: Path) -> Iterator[tuple[Fraction, Shot]]:
    """Every frame of a video file with its time in seconds.

    Raises: DependencyMissing, DataInvalid.
    """
    require_readers()
    import av

    last: Fraction | None = None
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataInvalid(f"{path} holds no video", code="video.none", fix="name a video file")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            aspect = stream.sample_aspect_ratio or Fraction(1)
            for number, frame in enumerate(container.decode(stream)):
                seconds = _time(frame, number, stream.average_rate)
                _check_order(path, last, seconds)
                last = seconds
                yield seconds, Shot(picture=frame, turned=frame.rotation, pixel_aspect=aspect)
    except av.FFmpegError as error:
        raise DataInvalid(
            f"{path} cannot be read as video: {error.strerror}",
            code="video.unreadable",
            fix="name a video that ffmpeg can play, or convert it first: ffmpeg -i IN OUT.mp4",
        ) from error
    if last is None:
        raise DataInvalid(f"{path} holds no frames", code="video.empty", fix="name a video with frames in it")


def read_images(folder: Path, hz: Fraction) -> Iterator[tuple[Fraction, Shot]]:
    """Every image of a folder, in the order of the numbers in their names, `hz` to a second.

    Raises: DependencyMissing, DataInvalid.
    """
    require_readers()
    from PIL import Image, ImageOps

    paths = image_paths(folder)
    first: tuple[int, int] | None = None
    for number, path in enumerate(paths):
        try:
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataInvalid(
                f"{path} cannot be read as an image: {error}",
                code="images.unreadable",
                fix="repair it or take it out of the folder",
            ) from error
        first = first or image.size
        if image.size != first:
            raise DataInvalid(
                f"{path} has {image.width}x{image.height} pixels, {paths[0].name} has {first[0]}x{first[1]}",
                code="images.sizes_differ",
                fix="put images of one recording into a folder of their own",
            )
        yield number / hz, Shot(picture=image)


def image_paths(folder: Path) -> list[Path]:
    """The images of a folder, frame_10 after frame_9.

    Raises: DataInvalid, also where there are none.
    """
    try:
        paths = [path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file()]
    except OSError as error:
        raise DataInvalid(
            f"{folder} cannot be read: {error}", code="images.unreadable", fix="name a folder you may read"
        ) from error
    if not paths:
        raise DataInvalid(
            f"{folder} holds no images ({', '.join(sorted(_SUFFIXES))})",
            code="images.none",
            fix="name a folder that does, or the video files themselves",
        )
    return sorted(paths, key=_natural)


def require_readers() -> None:
    """Nothing, where video and images can be read.

    Raises: DependencyMissing.
    """
    try:
        import av  # noqa: F401 - whether it can be imported is the question
        import PIL  # noqa: F401
    except ImportError as error:
        raise DependencyMissing(
            f"reading video needs the package {'av' if error.name == 'av' else 'pillow'}",
            fix=install("video"),
        ) from error


def _natural(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Digits count as numbers."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path.name


def _time(frame: Any, number: int, rate: Fraction | None) -> Fraction:
    """When a frame is shown, in seconds; of one that does not say, by its number."""
    if frame.pts is not None and frame.time_base:
        seconds: Fraction = frame.pts * frame.time_base
        return seconds
    return Fraction(number) / (rate or Fraction(30))


def _check_order(path: Path, last: Fraction | None, seconds: Fraction) -> None:
    if last is None or last <= seconds <= last + _LONGEST_GAP_S:
        return
    raise DataInvalid(
        f"{path}: after the frame at {float(last):.2f} s comes one at {float(seconds):.2f} s",
        code="video.times",
        fix="cut the video there into files of their own: one file is one recording without interruption",
    )
