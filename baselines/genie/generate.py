"""`wmc generate`: windows of a clip continued by a Genie, written beside what really happened.

Axes: B windows, T frames, H rows, W columns, S raw rows of a block of actions, A action columns.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
from checkpoint import is_hub_id, load
from config import CheckpointError, check_challenge
from continuation import Settings, continued
from model import Genie
from numpy.typing import NDArray

from baselines.training.devices import device_of
from harness.data.clips import Clip, clip_sha256, open_clip
from harness.data.generated import Generated, refuse_to_overwrite, write_generated
from harness.data.truth import ClipTruth
from harness.data.windows import Schedule, find_segments, window_starts
from harness.errors import CheckpointInvalid, DataInvalid, UsageError
from harness.progress import Progress
from harness.spec import CHALLENGE


def generate(
    checkpoint: str,
    data: Path,
    out: Path,
    settings: Settings,
    *,
    device: str | None = None,
    progress: Progress,
) -> Generated:
    """Continue windows of the clip `data` and write them to the new folder `out`.

    A window's tokens do not depend on which others are continued with it, up to float rounding.

    Raises: UsageError, DataInvalid, CheckpointInvalid, OutputFailed.
    """
    refuse_to_overwrite(out)
    place = device_of(device)
    with progress.step(f"checking {data}"):
        clip = open_clip(data)
        truth_BTHW, actions_BTSA = _windows(clip, settings.examples)
        source = {"data": str(data), "data_sha256": clip_sha256(clip)}
    _say_where(checkpoint, progress)
    with progress.step(f"loading {checkpoint}"):
        model = _load(checkpoint, clip)
        source |= {"checkpoint": checkpoint, "weights_sha256": _sha256(model), "device": place.type}
        model.to(place)
    generated = Generated(
        tokens_BTHW=continued(model, truth_BTHW, actions_BTSA, settings, progress=progress),
        truth_BTHW=truth_BTHW,
        prompt_frames=settings.prompt_frames,
        tokenizer_ckpt=_codec_of(clip),
        settings=asdict(settings) | source,
    )
    write_generated(out, generated)
    return generated


def _windows(clip: Clip, examples: tuple[int, ...]) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """The frames [B,T,H,W] of these disjoint windows, and the actions [B,T,S,A] that the grader shows with them."""
    starts = window_starts(find_segments(clip.segment_ids_N), Schedule.DISJOINT)
    if not len(starts):
        raise DataInvalid(
            f"{clip.folder} has no segment of at least {CHALLENGE.raw_span} raw frames, so no window fits",
            code="data.no_window",
            fix="take a clip with longer segments, such as val_v1.1",
        )
    wrong = [example for example in examples if not 0 <= example < len(starts)]
    if wrong:
        raise UsageError(
            f"there is no example {', '.join(map(str, wrong))}: {clip.folder} has {len(starts):,} windows",
            code="usage.example",
            fix=f"use --example 0 to {len(starts) - 1}",
        )
    truth, windows_B, times = ClipTruth(clip=clip, starts=starts), np.array(examples), range(CHALLENGE.window)
    return (
        np.stack([truth.tokens_at(windows_B, t) for t in times], 1),
        np.stack([truth.actions_until(windows_B, t) for t in times], 1),
    )


def _say_where(checkpoint: str, progress: Progress) -> None:
    """A note if it will be asked of the Hub, which takes its time. Raises: UsageError, for a training run's folder."""
    folder = Path(checkpoint)
    if is_hub_id(checkpoint):
        progress.note(f"there is no folder {checkpoint} here; the Hub is asked for it")
    if not (folder / "config.json").exists() and (folder / "best").is_dir():
        raise UsageError(
            f"{checkpoint} is the folder of a training run",
            code="usage.checkpoint",
            fix=f"name its best checkpoint: --checkpoint {folder / 'best'}",
        )


def _load(checkpoint: str, clip: Clip) -> Genie:
    """The checkpoint's model, if it knows the challenge's frames and, should it be told any, this clip's actions."""
    try:
        model = load(checkpoint)
        check_challenge(model.config)
    except CheckpointError as error:
        raise CheckpointInvalid(error.message, fix=error.fix) from error
    width, columns = model.config.action_width, sum(clip.action_widths.values())
    if width and width != columns:
        raise UsageError(
            f"{checkpoint} is told {width} columns of actions; {clip.folder} has {columns}",
            code="usage.actions",
            fix="name a clip with such actions, or a checkpoint that is told none",
        )
    return model


def _sha256(model: Genie) -> str:
    """Digest of every weight's name and values, wherever the checkpoint came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}\0{list(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().view(-1).numpy())
    return digest.hexdigest()


def _codec_of(clip: Clip) -> str:
    """The codec that the clip names; by its whole path where it lies in or beside the clip's folder, which is not ours.

    The demo names it from the clip's folder, 1X from the folder above the splits: data/magvit2.ckpt for data/val_v1.1.
    """
    name = clip.metadata.tokenizer_ckpt
    places = (clip.folder / name, clip.folder.absolute().parent / Path(name).name)
    return next((str(place.resolve()) for place in places if place.is_file()), name)
