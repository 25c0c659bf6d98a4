"""Pictures of a reel's windows on disk: GIFs, comic strips, one file or a folder of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from harness.codec.codec import Codec
from harness.codec.comic import draw_comic
from harness.codec.lettering import require_pillow
from harness.codec.scenes import Reel, Scene
from harness.codec.video import write_gif
from harness.data.generated import refuse_to_overwrite
from harness.errors import OutputFailed, UsageError
from harness.progress import Advance, Progress

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_IN_ONE_FILE = 16
"""Windows that one file may show: more would make it too large for a browser, and for memory."""


_NOT_WRITTEN = (
    ".apng", ".avif", ".avi", ".bmp", ".jpeg", ".jpg", ".mkv", ".mov", ".mp4", ".pdf", ".svg", ".tif", ".tiff",
    ".webm", ".webp",
)  # fmt: skip
"""How pictures end that are not drawn here: whoever names one does not mean a folder."""


class Kind(str, Enum):
    """What is drawn of a window; the value is the suffix of its file."""

    GIF = ".gif"
    COMIC = ".png"


def write_pictures(
    reel: Reel,
    codec: Codec,
    out: Path,
    *,
    kinds: Sequence[Kind],
    windows: int,
    fps: float,
    progress: Progress,
) -> list[Path]:
    """The new files that show the first `windows` windows, in order.

    Where `out` ends as a kind's files do, it is one file with all windows; else a folder with a file of each kind for
    each window. It appears whole or not at all.
    Raises: UsageError, OutputFailed, DependencyMissing.
    """
    windows = min(windows, len(reel.windows))
    alone = next((kind for kind in Kind if kind.value == out.suffix.lower()), None)
    refuse_to_overwrite(out)
    _refuse_what_does_not_fit(out, alone, kinds, windows)
    require_pillow()
    with progress.step(f"drawing {out}, windows", total=windows) as advance, _appearing(out) as made:
        scenes = _decoded(reel, codec, windows, advance)
        if alone:
            _write(made, alone, scenes, fps)
            return [out]
        names = _write_each(made, kinds, scenes, fps)
    return [out / name for name in names]


def _decoded(reel: Reel, codec: Codec, windows: int, advance: Advance) -> Iterator[Scene]:
    for number in range(windows):
        yield reel.scene(number, codec)
        advance()


def _write_each(folder: Path, kinds: Sequence[Kind], scenes: Iterator[Scene], fps: float) -> list[str]:
    """The names of the new files in the new folder."""
    folder.mkdir()
    names = []
    for number, scene in enumerate(scenes):
        for kind in kinds:
            names.append(f"window_{number:03}{kind.value}")
            _write(folder / names[-1], kind, [scene], fps)
    return names


def _refuse_what_does_not_fit(out: Path, alone: Kind | None, kinds: Sequence[Kind], windows: int) -> None:
    if out.suffix.lower() in _NOT_WRITTEN:
        raise UsageError(
            f"{out}: no {out.suffix.lower()} files are written",
            code="usage.picture_suffix",
            fix="name a .gif, a .png or a folder in -o",
        )
    if alone and set(kinds) - {alone}:
        raise UsageError(
            f"{out} cannot hold all that was asked for, GIFs and comic strips",
            code="usage.one_file",
            fix="name a folder in -o, or ask for one of them",
        )
    if alone and windows > MOST_IN_ONE_FILE:
        raise UsageError(
            f"{windows} windows do not fit into one file",
            code="usage.one_file",
            fix=f"name a folder in -o, or ask for --windows {MOST_IN_ONE_FILE} at most",
        )


def _write(path: Path, kind: Kind, scenes: Iterator[Scene] | Sequence[Scene], fps: float) -> None:
    if kind is Kind.GIF:
        with path.open("wb") as file:
            write_gif(file, scenes, fps=fps)
    else:
        _stacked([draw_comic(scene).convert("RGB") for scene in scenes]).save(path, "PNG")


def _stacked(images: Sequence[Image]) -> Image:
    from PIL import Image as Images

    size = (max(image.width for image in images), sum(image.height for image in images))
    stacked, top = Images.new("RGB", size, "white"), 0
    for image in images:
        stacked.paste(image, (0, top))
        top += image.height
    return stacked


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """A path to write at, which becomes `out` when the context ends without an error."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as scratch:
            made = Path(scratch) / "made"
            yield made
            made.rename(out)
    except OSError as error:
        raise OutputFailed(
            f"{out} cannot be written: {error.strerror or error}",
            fix="name a place that can be written, with free space, in -o",
        ) from error
