"""External video and images as a clip: read, resampled to the challenge's rate, tokenized, streamed to disk."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from harness.codec.codec import Codec
from harness.codec.footage import image_paths, read_images, read_video
from harness.codec.resample import at_rate
from harness.data.clip_writer import writing_clip
from harness.data.clips import Clip, open_clip
from harness.errors import DataInvalid, UsageError
from harness.progress import Progress
from harness.spec import CHALLENGE

_FRAMES_AT_ONCE = 32

T = TypeVar("T")


def tokenize(
    sources: Sequence[Path],
    folder: Path,
    *,
    codec: Codec,
    codec_path: Path,
    images_hz: Fraction | None = None,
    progress: Progress,
) -> Clip:
    """The clip `folder` of these video files and folders of images: a segment each, in this order, without actions.

    Memory does not grow with the length of the video. `images_hz` is how many images of a folder make a second.
    Raises: UsageError, DependencyMissing, DataInvalid, OutputFailed; then `folder` is not made.
    """
    _check_sources(sources, images_hz)
    named = os.path.relpath(codec_path, folder)
    with writing_clip(folder, tokenizer_ckpt=named) as writer:
        for segment, source in enumerate(sources):
            timed = read_images(source, images_hz) if images_hz and source.is_dir() else read_video(source)
            needed = at_rate(timed, Fraction(CHALLENGE.raw_hz))
            with progress.step(f"{source} (frames)") as advance:
                for few in _in_groups(needed, _FRAMES_AT_ONCE):
                    tokens_BHW = codec.encode(np.stack([shot.square() for shot, _ in few]))
                    for tokens_HW, (_, times) in zip(tokens_BHW, few, strict=True):
                        writer.append(tokens_HW, segment=segment, times=times)
                        advance(times)
    return open_clip(folder)


def _check_sources(sources: Sequence[Path], images_hz: Fraction | None) -> None:
    """Everything that can be said before work begins."""
    for source in sources:
        if source.is_dir():
            image_paths(source)
            if images_hz is None:
                raise UsageError(
                    f"{source} is a folder of images, which do not say how fast they follow each other",
                    code="usage.hz_from",
                    fix="say how many make a second with --hz-from N",
                )
        elif not source.is_file():
            raise DataInvalid(
                f"there is no {source}", code="video.missing", fix="name a video file or a folder of images"
            )


def _in_groups(items: Iterator[T], size: int) -> Iterator[list[T]]:
    group: list[T] = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
