"""What a grade keeps of a suspicion: prediction, truth and suspected training frame side by side.

Axes: B graded windows, T predicted frames of a window, H and W tokens, Y and X pixels, C colours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.codec.codec import Codec
from harness.codec.comic import ON_A_PAGE, small_file
from harness.codec.lettering import require_pillow, write
from harness.data.clips import Clip
from harness.data.truth import ClipTruth
from harness.progress import Progress
from harness.protocol.regimes import Regime
from harness.results.store import Store
from harness.retrieval.report import Source, SourcePicture
from harness.scoring.perceptual import CANNOT_LOOK, why

if TYPE_CHECKING:
    from PIL.Image import Image

MANY = 6
"""Sources that are drawn, the strongest ones."""

MOST_BYTES = 40_000
"""Of one picture's file."""

_SIDE = 192
_GAP = 6
_LETTER = 18
_FIRST = Regime.TEMPORALLY_TEACHER_FORCED.first_target()


def keep_pictures(
    sources: Sequence[Source],
    *,
    tokens_BTHW: NDArray[np.uint32],
    truth: ClipTruth,
    train: Clip,
    codec: Codec,
    store: Store,
    grade_id: str,
    progress: Progress,
) -> tuple[SourcePicture, ...]:
    """A picture of each of the first `MANY` sources (the strongest first), kept beside the grade's record.

    `tokens_BTHW` is what the entry predicted, temporally teacher-forced, of every graded window. Where a picture
    cannot be drawn or kept there is none of any, and a note says why: it costs no grade.
    """
    if not sources:
        return ()
    try:
        with progress.step("drawing suspected sources"):
            return tuple(_keep(sources[:MANY], tokens_BTHW, truth, train, codec, store, grade_id))
    except CANNOT_LOOK as error:
        progress.note(f"no pictures of suspected sources are kept: {why(error)}")
        return ()


def _keep(
    sources: Sequence[Source],
    tokens_BTHW: NDArray[np.uint32],
    truth: ClipTruth,
    train: Clip,
    codec: Codec,
    store: Store,
    grade_id: str,
) -> Iterator[SourcePicture]:
    for source in sources:
        predicted_HW = tokens_BTHW[source.window, source.frame - _FIRST]
        true_HW = truth.tokens_at(np.array([source.window]), source.frame)[0]
        trained_HW = train.tokens_NHW[source.train_frame]
        images = codec.decode(np.stack([predicted_HW, true_HW, trained_HW]))
        captions = ("prediction", "truth", f"training frame {source.train_frame}")
        small = small_file(_side_by_side(captions, images), most_bytes=MOST_BYTES)
        name = f"source.window{source.window}.frame{source.frame}.{small.suffix}"
        file, sha256 = store.save_artifact(grade_id, name, small.content)
        yield SourcePicture(
            window=source.window,
            frame=source.frame,
            train_frame=source.train_frame,
            file=file,
            sha256=sha256,
            width=small.width,
            height=small.height,
        )


def _side_by_side(captions: Sequence[str], images_BYXC: NDArray[np.uint8]) -> Image:
    """The pictures in a row, each below its caption, on no ground: for a light page and a dark one.

    Raises: DependencyMissing.
    """
    require_pillow()
    from PIL import Image as Images

    head = round(1.6 * _LETTER)
    size = (len(images_BYXC) * (_SIDE + _GAP) - _GAP, head + _SIDE)
    image = Images.new("RGBA", size, ON_A_PAGE.paper)
    for number, (caption, pixels_YXC) in enumerate(zip(captions, images_BYXC, strict=True)):
        left = number * (_SIDE + _GAP)
        picture = Images.fromarray(pixels_YXC).resize((_SIDE, _SIDE), Images.Resampling.LANCZOS)
        image.paste(picture, (left, head))
        write(image, caption, centre=(left + _SIDE / 2, head / 2), size=_LETTER, colour=ON_A_PAGE.ink)
    return image
