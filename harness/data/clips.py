"""Clips: recorded token video on disk in the v1.1 format, memory-mapped and validated.

A clip is a folder of `metadata.json`, `video.bin` (`<u4 [N, H, W]`), `segment_ids.bin` (`<i4 [N]`, non-decreasing)
and `actions/*.bin` (`<f4 [N, k]`, k inferred from the size; all of v1.1's or none). N counts raw frames.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data.published import VERSION
from harness.errors import DataInvalid
from harness.spec import CHALLENGE, ChallengeSpec

ACTION_WIDTHS: Mapping[str, int] = MappingProxyType(
    {"joint_pos": 21, "driving_command": 2, "neck_desired": 3, "l_hand_closure": 1, "r_hand_closure": 1}
)
"""Columns of each action file of v1.1, as they are on disk (the data card says 1 for `neck_desired`)."""

_CHECK_CHUNK_FRAMES = 1 << 16
_ANEW = "download the split again, or write the clip anew if it is one of your own"


@dataclass(frozen=True, kw_only=True)
class ClipMetadata:
    """The keys of `metadata.json`."""

    num_images: int
    s: int = CHALLENGE.width
    h: int = CHALLENGE.height
    vocab_size: int = CHALLENGE.vocab
    hz: int = CHALLENGE.raw_hz
    tokenizer_ckpt: str = ""
    token_dtype: str = "uint32"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One validated clip; the arrays are read-only memory maps.

    Attributes:
        folder: where it lies.
        metadata: its `metadata.json`.
        tokens_NHW: uint32 `[N, H, W]`, ids in [0, vocab).
        segment_ids_N: int32 `[N]`, non-decreasing.
        actions: name -> float32 `[N, k]`, sorted by name.
    """

    folder: Path
    metadata: ClipMetadata
    tokens_NHW: NDArray[np.uint32]
    segment_ids_N: NDArray[np.int32]
    actions: Mapping[str, NDArray[np.float32]]

    @property
    def num_frames(self) -> int:
        """Raw frames (N)."""
        return len(self.segment_ids_N)

    @property
    def action_widths(self) -> dict[str, int]:
        """Columns per action, in the order in which `actions_at` lays them side by side."""
        return {name: int(values.shape[1]) for name, values in self.actions.items()}

    def actions_at(self, frames: NDArray[np.int64]) -> NDArray[np.float32]:
        """All actions at these raw frames side by side: `[...]` -> float32 `[..., A]`."""
        if not self.actions:
            return np.zeros((*frames.shape, 0), np.float32)
        return np.concatenate([values[frames] for values in self.actions.values()], axis=-1)


def open_clip(folder: Path, spec: ChallengeSpec = CHALLENGE) -> Clip:
    """A clip whose every file agrees with its metadata, tokens and segments checked to the last frame.

    Raises: DataInvalid, with a code per mistake.
    """
    metadata = _read_metadata(folder, spec)
    frames = metadata.num_images
    tokens_NHW = _map(folder / "video.bin", "<u4", (frames, spec.height, spec.width))
    segment_ids_N = _map(folder / "segment_ids.bin", "<i4", (frames,))
    _check_segments(segment_ids_N, folder)
    _check_tokens(tokens_NHW, folder, spec)
    return Clip(
        folder=folder,
        metadata=metadata,
        tokens_NHW=tokens_NHW,
        segment_ids_N=segment_ids_N,
        actions=MappingProxyType(_open_actions(folder, frames)),
    )


def write_clip(
    folder: Path,
    *,
    tokens_NHW: NDArray[np.uint32],
    segment_ids_N: NDArray[np.int32],
    actions: Mapping[str, NDArray[np.float32]],
    tokenizer_ckpt: str,
    spec: ChallengeSpec = CHALLENGE,
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write a clip that `open_clip` accepts with the same spec.

    Each of `actions` is `[N, k]`, all of v1.1's or none; `extra` are more keys of `metadata.json`, none of the
    format's own.
    """
    (folder / "actions").mkdir(parents=True, exist_ok=True)
    np.ascontiguousarray(tokens_NHW, "<u4").tofile(folder / "video.bin")
    np.ascontiguousarray(segment_ids_N, "<i4").tofile(folder / "segment_ids.bin")
    for name, values in actions.items():
        np.ascontiguousarray(values, "<f4").tofile(folder / "actions" / f"{name}.bin")
    metadata = ClipMetadata(num_images=len(tokens_NHW), hz=spec.raw_hz, tokenizer_ckpt=tokenizer_ckpt)
    (folder / "metadata.json").write_text(json.dumps({**extra, **asdict(metadata)}, indent=2) + "\n")


def clip_sha256(clip: Clip) -> str:
    """Digest of everything a grade reads of a clip: every file's name and bytes, in sorted order."""
    digest = hashlib.sha256()
    names = [
        "metadata.json",
        "segment_ids.bin",
        "video.bin",
        *(f"actions/{name}.bin" for name in clip.actions),
    ]
    for name in sorted(names):
        with (clip.folder / name).open("rb") as file:
            content = (
                hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else _sha256(file)
            )
        digest.update(f"{name}\0{content.hexdigest()}\n".encode())
    return digest.hexdigest()


def _sha256(file: Any) -> Any:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest


def _read_metadata(folder: Path, spec: ChallengeSpec) -> ClipMetadata:
    if not folder.is_dir():
        raise DataInvalid(
            f"{folder} is not a folder" if folder.exists() else f"the folder {folder} does not exist",
            code="data.folder_missing",
            fix="name a split's folder; `wmc data pull` downloads 1X's data, `wmc data demo DIR` makes some",
        )
    path = folder / "metadata.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataInvalid(
            f"{path} is missing",
            code="data.file_missing",
            fix="name a split's own folder, such as data/val_v1.1, not the folder above it",
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataInvalid(
            f"{path} cannot be read as JSON: {error}",
            code="data.metadata_unreadable",
            fix=_ANEW,
        ) from error
    return _check_metadata(raw, path, spec)


def _check_metadata(raw: Any, path: Path, spec: ChallengeSpec) -> ClipMetadata:
    known = {"token_dtype": "uint32", "tokenizer_ckpt": "", **(raw if isinstance(raw, dict) else {})}
    frames = known.get("num_images")
    if not isinstance(frames, int) or isinstance(frames, bool) or frames < 1:
        raise DataInvalid(
            f"{path}: num_images is {frames!r}, not a positive whole number",
            code="data.metadata_unreadable",
            fix=_ANEW,
        )
    expected = {
        "s": spec.width,
        "h": spec.height,
        "vocab_size": spec.vocab,
        "hz": spec.raw_hz,
        "token_dtype": "uint32",
    }
    for key, value in expected.items():
        if known.get(key) != value:
            raise DataInvalid(
                f"{path}: {key} is {known.get(key)!r}, the challenge's is {value!r}",
                code="data.wrong_version",
                fix=f"use data of version {VERSION.removeprefix('v')}; others are not graded",
            )
    return ClipMetadata(num_images=frames, hz=spec.raw_hz, tokenizer_ckpt=str(known["tokenizer_ckpt"]))


def _map(path: Path, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """A read-only map of exactly `shape`; the size of the file must agree with it."""
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    actual = _size(path)
    if actual != expected:
        raise DataInvalid(
            f"{path} has {actual:,} bytes; num_images = {shape[0]:,} makes it {expected:,}",
            code="data.size_mismatch",
            fix=f"the file or metadata.json is from another split, or was cut off: {_ANEW}",
        )
    try:
        return np.memmap(path, dtype, "r", shape=shape)
    except OSError as error:
        raise DataInvalid(
            f"{path} cannot be read: {error}",
            code="data.file_unreadable",
            fix="make it a file that you may read",
        ) from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise DataInvalid(f"{path} is missing", code="data.file_missing", fix=_ANEW) from error


def _open_actions(folder: Path, frames: int) -> dict[str, NDArray[np.float32]]:
    actions: dict[str, NDArray[np.float32]] = {}
    paths = sorted((folder / "actions").glob("*.bin"))
    _check_none_is_missing({path.stem for path in paths}, folder)
    for path in paths:
        row_bytes = frames * np.dtype("<f4").itemsize
        columns, rest = divmod(_size(path), row_bytes)
        if rest or not columns:
            raise DataInvalid(
                f"{path} has {_size(path):,} bytes, which {frames:,} rows of float32 do not divide",
                code="data.actions_size",
                fix=f"the file is from another split or was cut off: {_ANEW}",
            )
        actions[path.stem] = _map(path, "<f4", (frames, columns))
        _check_finite(actions[path.stem], path)
    return actions


def _check_none_is_missing(names: set[str], folder: Path) -> None:
    """Actions are recorded together: some of them without the others means that a copy was cut off."""
    missing = [name for name in ACTION_WIDTHS if name not in names]
    if missing and len(missing) < len(ACTION_WIDTHS):
        files = ", ".join(str(folder / "actions" / f"{name}.bin") for name in missing)
        raise DataInvalid(
            f"missing, though other actions are there: {files}",
            code="data.file_missing",
            fix=f"{_ANEW}, or remove the folder actions/ to grade without actions",
        )


def _check_finite(values_NA: NDArray[np.float32], path: Path) -> None:
    for start in range(0, len(values_NA), _CHECK_CHUNK_FRAMES):
        finite = np.isfinite(values_NA[start : start + _CHECK_CHUNK_FRAMES]).all(axis=1)
        if not finite.all():
            raise DataInvalid(
                f"{path}: row {start + int(np.argmin(finite)):,} is not finite",
                code="data.actions_not_finite",
                fix=_ANEW,
            )


def _check_segments(segment_ids_N: NDArray[np.int32], folder: Path) -> None:
    falls = np.flatnonzero(segment_ids_N[1:] < segment_ids_N[:-1])
    if len(falls):
        frame = int(falls[0])
        raise DataInvalid(
            f"{folder / 'segment_ids.bin'} falls from {segment_ids_N[frame]} to {segment_ids_N[frame + 1]} "
            f"at frame {frame + 1:,}; it must never decrease",
            code="data.segments_decrease",
            fix=f"{_ANEW}; clips that were concatenated need their segments renumbered",
        )


def _check_tokens(tokens_NHW: NDArray[np.uint32], folder: Path, spec: ChallengeSpec) -> None:
    for start in range(0, len(tokens_NHW), _CHECK_CHUNK_FRAMES):
        frame_max = tokens_NHW[start : start + _CHECK_CHUNK_FRAMES].max(axis=(1, 2))
        if frame_max.max() >= spec.vocab:
            first = int(np.argmax(frame_max >= spec.vocab))
            raise DataInvalid(
                f"{folder / 'video.bin'}: frame {start + first:,} holds token {frame_max[first]}, "
                f"ids end at {spec.vocab - 1}",
                code="data.token_out_of_range",
                fix=f"the file is not a v1.1 video.bin, or it was damaged: {_ANEW}",
            )
