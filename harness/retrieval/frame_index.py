"""Training frames found again by their content."""

from __future__ import annotations

from dataclasses import dataclass

from harness.data.clips import Clip
from harness.progress import Progress


@dataclass(frozen=True, kw_only=True)
class FrameIndex:
    """Where in the training split a frame lies."""


def index_frames(train: Clip, *, progress: Progress) -> FrameIndex:
    """The index of all frames of a split, made by one walk over it."""
    raise NotImplementedError
