"""What a run is: written into its folder when it begins, and held against what asks to resume it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from baselines.training.recipe import Recipe
from harness.data.clips import Clip
from harness.disk.whole_file import whole_file
from harness.errors import CheckpointInvalid, OutputFailed, UsageError

FILE_NAME = "recipe.json"
_CLIPS = ("train", "val")
_BEFORE_IT = re.compile(rf"\.lock|\.{re.escape(FILE_NAME)}(\.[0-9a-f]+)?\.unfinished")
"""What a run that was killed at once may have left."""
_SAMPLED_FRAMES = 64


def identity(*, baseline: str, config: Any, recipe: Recipe, train: Clip, val: Clip) -> dict[str, Any]:
    """All that decides a run's numbers, ready for JSON; `config` is a size's name or its file's `content_of`."""
    return {
        "baseline": baseline,
        "config": config,
        "recipe": asdict(recipe),
        "train": fingerprint(train),
        "val": fingerprint(val),
    }


def check_folder(out: Path) -> None:
    """Find that a run was begun in this folder, or may be. Raises: UsageError, if it is something else."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file", code="usage.not_a_run", fix="name a folder with --out")
    if not out.exists() or (out / FILE_NAME).exists():
        return
    others = sorted(path.name for path in out.iterdir() if not _BEFORE_IT.fullmatch(path.name))
    if others:
        raise UsageError(
            f"{out} holds {others[0]!r} and no {FILE_NAME}: it is not a run's folder",
            code="usage.not_a_run",
            fix="name a folder with --out that is empty or does not exist yet",
        )


def check(out: Path, wanted: Mapping[str, Any]) -> None:
    """Find that the run in this folder, if there is one, is the wanted one.

    Raises: UsageError, naming what differs; CheckpointInvalid.
    """
    path = out / FILE_NAME
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it holds no table")
    except (OSError, ValueError) as error:
        raise CheckpointInvalid(
            f"{path} is not what a run wrote: {error}", fix="name another --out, or remove this folder"
        ) from error
    there, now = dict(_leaves(found)), dict(_leaves(json.loads(_text(wanted))))
    different = [
        f"{name} is another clip there"
        if name in _CLIPS
        else f"{name} is {there.get(name)!r} there and {now.get(name)!r} now"
        for name in sorted(there.keys() | now.keys())
        if there.get(name) != now.get(name)
    ]
    if different:
        raise UsageError(
            f"the run in {out} was begun otherwise: {'; '.join(different)}",
            code="usage.other_recipe",
            fix="ask for the same again to resume it, or name another --out",
        )


def write(out: Path, wanted: Mapping[str, Any]) -> None:
    """Begin the run in this folder. Raises: OutputFailed."""
    path = out / FILE_NAME
    try:
        out.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as file:
            file.write(_text(wanted).encode())
    except OSError as error:
        raise OutputFailed(
            f"{path} cannot be written: {error}", fix="name an --out that you may write to"
        ) from error


def content_of(path: Path) -> Any:
    """What a config's file says, so that it may move but not change; its name if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return str(path)
    try:
        return json.loads(text)
    except ValueError:
        return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(clip: Clip) -> str:
    """A digest that tells clips apart without reading all of them: their size, segments, actions and some frames."""
    frames = np.linspace(0, clip.num_frames - 1, _SAMPLED_FRAMES).round().astype(np.int64)
    digest = hashlib.sha256(json.dumps([asdict(clip.metadata), clip.action_widths]).encode())
    digest.update(np.ascontiguousarray(clip.segment_ids_N, "<i4").tobytes())
    digest.update(np.ascontiguousarray(clip.tokens_NHW[frames], "<u4").tobytes())
    digest.update(np.ascontiguousarray(clip.actions_at(frames), "<f4").tobytes())
    return digest.hexdigest()


def _text(wanted: Mapping[str, Any]) -> str:
    return json.dumps(wanted, indent=2) + "\n"


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every value with its dotted name."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
