"""Windows as pictures: what happened and, where a model made some of it, what the model made.

Axes: N raw frames, T frames of a window, H and W tokens, Y and X pixels, C colours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.codec.codec import Codec
from harness.data.clips import open_clip
from harness.data.generated import is_generated, open_generated
from harness.data.windows import Schedule, find_segments, window_frames, window_starts
from harness.spec import CHALLENGE, ChallengeSpec


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One window as pictures.

    Attributes:
        title: what captions call it.
        truth_TYXC: uint8, what happened.
        generated_TYXC: uint8, the same for the first `prompt_frames` frames and a model's from there on; None where
            no model was asked.
        hz: how many of its frames make a second.
    """

    title: str
    truth_TYXC: NDArray[np.uint8]
    generated_TYXC: NDArray[np.uint8] | None = None
    prompt_frames: int = 0
    hz: float = CHALLENGE.at_window_rate.raw_hz

    @property
    def num_frames(self) -> int:
        """Frames (T)."""
        return len(self.truth_TYXC)

    def is_prompt(self, t: int) -> bool:
        """Whether a model was given frame t, and did not make it."""
        return self.generated_TYXC is not None and t < self.prompt_frames


@dataclass(frozen=True, kw_only=True, eq=False)
class Reel:
    """The windows of a folder, not decoded yet.

    Attributes:
        windows: the raw frames of each, int64 `[T]`.
        truth_NHW: uint32.
        generated_NHW: uint32, None for a clip that was recorded.
    """

    windows: tuple[NDArray[np.int64], ...]
    truth_NHW: NDArray[np.uint32]
    generated_NHW: NDArray[np.uint32] | None = None
    prompt_frames: int = 0

    def scene(self, number: int, codec: Codec) -> Scene:
        """This window, decoded; a prompt is decoded once."""
        frames_T = self.windows[number]
        truth_TYXC = codec.decode(np.asarray(self.truth_NHW[frames_T]))
        generated_TYXC = None
        if self.generated_NHW is not None:
            later_TYXC = codec.decode(np.asarray(self.generated_NHW[frames_T[self.prompt_frames :]]))
            generated_TYXC = np.concatenate([truth_TYXC[: self.prompt_frames], later_TYXC])
        return Scene(
            title=f"window {number}",
            truth_TYXC=truth_TYXC,
            generated_TYXC=generated_TYXC,
            prompt_frames=self.prompt_frames,
        )


def open_reel(folder: Path) -> Reel:
    """The windows of a clip, or of a folder that `wmc generate` wrote. Raises: DataInvalid."""
    if is_generated(folder):
        generated = open_generated(folder)
        windows, length, *grid = generated.tokens_BTHW.shape
        return Reel(
            windows=tuple(np.arange(windows * length).reshape(windows, length)),
            truth_NHW=generated.truth_BTHW.reshape(-1, *grid),
            generated_NHW=generated.tokens_BTHW.reshape(-1, *grid),
            prompt_frames=generated.prompt_frames,
        )
    spec = _spec_of(folder)
    clip = open_clip(folder, spec)
    return Reel(windows=_windows(clip.segment_ids_N, spec), truth_NHW=clip.tokens_NHW)


def _windows(segment_ids_N: NDArray[np.int32], spec: ChallengeSpec) -> tuple[NDArray[np.int64], ...]:
    """The disjoint windows, as `wmc generate` counts them; where none fits, what there is of each segment."""
    segments = find_segments(segment_ids_N)
    starts = window_starts(segments, Schedule.DISJOINT, spec)
    if len(starts):
        return tuple(window_frames(starts, spec))
    ends = np.minimum(segments.ends, segments.begins + spec.raw_span)
    return tuple(np.arange(begin, end, spec.stride) for begin, end in zip(segments.begins, ends, strict=True))


def _spec_of(folder: Path) -> ChallengeSpec:
    """The challenge's own, or that of clips at 2 Hz if the metadata says so; what is wrong there, `open_clip` says."""
    try:
        metadata = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return CHALLENGE
    slow = CHALLENGE.at_window_rate
    return slow if isinstance(metadata, dict) and metadata.get("hz") == slow.raw_hz else CHALLENGE
