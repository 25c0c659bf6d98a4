"""Windows whose last frames a model made, on disk: a clip at 2 Hz, and beside it what really happened.

The folder is a clip in the v1.1 format, one segment a window: true prompt frames, then predictions. Its folder
`truth` is the same clip with true frames only. The clip's `metadata.json` has one key more, `generation`.

Axes: B windows, T frames, H rows, W columns.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import open_clip, write_clip
from harness.errors import DataInvalid, OutputFailed, UsageError
from harness.spec import CHALLENGE, ChallengeSpec

TRUTH = "truth"
KEY = "generation"


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What a model made of a clip's windows.

    Attributes:
        tokens_BTHW: uint32, true for the first `prompt_frames` frames, predicted from there on.
        truth_BTHW: uint32, what is true for all of them.
        prompt_frames: how many frames of each window were given.
        tokenizer_ckpt: the codec that shows the tokens, as a clip's metadata names it.
        settings: how they were made; whatever JSON holds.
    """

    tokens_BTHW: NDArray[np.uint32]
    truth_BTHW: NDArray[np.uint32]
    prompt_frames: int
    tokenizer_ckpt: str
    settings: Mapping[str, Any]

    @property
    def accuracy_B(self) -> NDArray[np.float64]:
        """The share of predicted tokens that are true, of each window: [B]."""
        right_BTHW = (self.tokens_BTHW == self.truth_BTHW)[:, self.prompt_frames :]
        accuracy_B: NDArray[np.float64] = right_BTHW.mean(axis=(1, 2, 3), dtype=np.float64)
        return accuracy_B


def refuse_to_overwrite(folder: Path) -> None:
    """UsageError if the folder is there already."""
    if folder.exists() or folder.is_symlink():
        raise UsageError(
            f"{folder} is there already",
            code="usage.output_exists",
            fix="name a new folder in -o, or remove it",
        )


def write_generated(folder: Path, generated: Generated, spec: ChallengeSpec = CHALLENGE) -> None:
    """Write a new folder; it appears whole or not at all.

    Raises: UsageError, OutputFailed.
    """
    refuse_to_overwrite(folder)
    extra = {KEY: {"prompt_frames": generated.prompt_frames, **generated.settings}}
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
            made = Path(scratch) / "made"
            _write(made, generated.tokens_BTHW, generated.tokenizer_ckpt, extra, spec)
            _write(made / TRUTH, generated.truth_BTHW, generated.tokenizer_ckpt, {}, spec)
            made.rename(folder)
    except OSError as error:
        raise OutputFailed(
            f"{folder} cannot be written: {error.strerror}",
            fix="name a folder that can be written, with free space, in -o",
        ) from error


def open_generated(folder: Path, spec: ChallengeSpec = CHALLENGE) -> Generated:
    """What `write_generated` wrote. Raises: DataInvalid, also for a clip that nobody generated."""
    clip, truth = (open_clip(path, spec.at_window_rate) for path in (folder, folder / TRUTH))
    settings = json.loads((folder / "metadata.json").read_text(encoding="utf-8")).get(KEY)
    prompt_frames = settings.get("prompt_frames") if isinstance(settings, dict) else None
    whole_windows = clip.num_frames % spec.window == 0 and clip.num_frames == truth.num_frames
    if not isinstance(prompt_frames, int) or not 0 < prompt_frames < spec.window or not whole_windows:
        raise DataInvalid(
            f"{folder} is not what `wmc generate` writes: {spec.window} frames a window in it and in its {TRUTH}, "
            f"and {KEY} with prompt_frames in its metadata.json",
            code="data.not_generated",
            fix="generate it again",
        )
    shape = (-1, spec.window, spec.height, spec.width)
    return Generated(
        tokens_BTHW=clip.tokens_NHW.reshape(shape),
        truth_BTHW=truth.tokens_NHW.reshape(shape),
        prompt_frames=prompt_frames,
        tokenizer_ckpt=clip.metadata.tokenizer_ckpt,
        settings={key: value for key, value in settings.items() if key != "prompt_frames"},
    )


def is_generated(folder: Path) -> bool:
    """Whether it is a folder that `write_generated` wrote, and not a split; what is in it is not looked at."""
    return (folder / TRUTH / "metadata.json").is_file()


def _write(
    folder: Path,
    tokens_BTHW: NDArray[np.uint32],
    tokenizer_ckpt: str,
    extra: Mapping[str, Any],
    spec: ChallengeSpec,
) -> None:
    windows, frames = tokens_BTHW.shape[:2]
    write_clip(
        folder,
        tokens_NHW=tokens_BTHW.reshape(windows * frames, spec.height, spec.width),
        segment_ids_N=np.repeat(np.arange(windows, dtype=np.int32), frames),
        actions={},
        tokenizer_ckpt=tokenizer_ckpt,
        spec=spec.at_window_rate,
        extra=extra,
    )
