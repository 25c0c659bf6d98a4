"""A run's checkpoints on disk: each is there whole or not at all, whenever the run is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from safetensors import SafetensorError

from harness.errors import CheckpointInvalid, OutputFailed

STATE_NAME = "state.json"
_NAME = re.compile(r"step-([0-9]{8,})")
_UNFINISHED, _REPLACED = ".unfinished-", ".replaced-"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A checkpoint's folder and what its `state.json` says."""

    folder: Path
    state: Mapping[str, Any]

    @property
    def step(self) -> int:
        """Optimizer steps done before it was taken."""
        return int(self.state["step"])

    def number(self, name: str) -> float:
        """What the state says under this name. Raises: CheckpointInvalid, if that is no number."""
        value = self.state.get(name)
        if not _is_number(value):
            raise self._without(name)
        return float(value)

    def rows(self, name: str, width: int) -> list[list[float]]:
        """Rows of so many numbers under this name. Raises: CheckpointInvalid, if they are something else."""
        value = self.state.get(name)
        if not isinstance(value, list) or not all(_is_row(row, width) for row in value):
            raise self._without(name)
        return value

    def _without(self, name: str) -> CheckpointInvalid:
        return CheckpointInvalid(
            f"{self.folder / STATE_NAME} does not say {name!r} as this program writes it",
            fix=f"remove {self.folder} to go on without it",
        )


class Snapshots:
    """`checkpoints/step-00000500`, the last `keep` of them, and `best`, below a run's folder."""

    def __init__(self, out: Path, *, keep: int) -> None:
        self._last = out / "checkpoints"
        self._best = out / "best"
        self._keep = keep

    def sweep(self) -> None:
        """Remove what a killed run left half done, and put back the best if it was being replaced."""
        replaced = _sibling(self._best, _REPLACED)
        if replaced.exists() and not self._best.exists():
            replaced.rename(self._best)
        for folder in (self._last, self._best.parent):
            for prefix in (_UNFINISHED, _REPLACED):
                for leftover in folder.glob(f"{prefix}*"):
                    shutil.rmtree(leftover)

    def newest(self) -> Snapshot | None:
        """The one to go on from. Raises: CheckpointInvalid."""
        found = self._found()
        if not found:
            return None
        newest = _open(found[-1])
        if newest.folder != self._of(newest.step):
            raise CheckpointInvalid(
                f"{newest.folder} says that it is of step {newest.step:,}",
                fix=f"remove {newest.folder} to go on without it",
            )
        return newest

    def at(self, step: int) -> Snapshot:
        """The one taken after so many steps, which the first process has. Raises: CheckpointInvalid."""
        folder = self._of(step)
        if not folder.is_dir():
            raise CheckpointInvalid(
                f"the first process goes on from {folder}, and it is not here",
                fix="with several machines, name an --out that all of them share",
            )
        return _open(folder)

    @property
    def best_folder(self) -> Path:
        """Where the best one is, if there is one."""
        return self._best

    def best(self) -> Snapshot | None:
        """The one with the lowest held-out loss. Raises: CheckpointInvalid."""
        return _open(self._best) if self._best.exists() else None

    def add(self, step: int, fill: Callable[[Path], None], **state: Any) -> None:
        """Keep what `fill` writes into a folder as the newest; the oldest beyond `keep` goes. Raises: OutputFailed."""
        _publish(self._of(step), fill, {"step": step, **state})
        for folder in self._found()[: -self._keep]:
            shutil.rmtree(folder)

    def set_best(self, step: int, fill: Callable[[Path], None], **state: Any) -> None:
        """Keep what `fill` writes into a folder as the best. Raises: OutputFailed."""
        _publish(self._best, fill, {"step": step, **state})

    def _of(self, step: int) -> Path:
        return self._last / f"step-{step:08}"

    def _found(self) -> list[Path]:
        """Every checkpoint, the newest last; whatever else lies there is not ours."""
        numbered = [
            (int(found[1]), folder)
            for folder in self._last.glob("step-*")
            if (found := _NAME.fullmatch(folder.name)) and folder.is_dir()
        ]
        return [folder for _, folder in sorted(numbered)]


def _publish(folder: Path, fill: Callable[[Path], None], state: Mapping[str, Any]) -> None:
    """Write the folder beside its place, bring it safely to disk, then move it there."""
    unfinished, replaced = _sibling(folder, _UNFINISHED), _sibling(folder, _REPLACED)
    try:
        for leftover in (unfinished, replaced):
            shutil.rmtree(leftover, ignore_errors=True)
        unfinished.mkdir(parents=True)
        fill(unfinished)
        (unfinished / STATE_NAME).write_text(json.dumps(state, indent=2) + "\n", encoding="utf-8")
        for path in (*unfinished.iterdir(), unfinished):
            _bring_to_disk(path)
        if folder.exists():
            folder.rename(replaced)
        unfinished.rename(folder)
        _bring_to_disk(folder.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise OutputFailed(
            f"{folder} cannot be written: {error}",
            code="output.checkpoint",
            fix="make room or get the right to write there, then run the same command again: it goes on from the "
            "last checkpoint",
        ) from error


def _open(folder: Path) -> Snapshot:
    path = folder / STATE_NAME
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return Snapshot(folder=folder, state={"step": int(state["step"]), **state})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointInvalid(
            f"{path} cannot be read: {error}", fix=f"remove {folder} to go on without it"
        ) from error


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_row(row: object, width: int) -> bool:
    return isinstance(row, list) and len(row) == width and all(map(_is_number, row))


def _sibling(folder: Path, prefix: str) -> Path:
    return folder.with_name(f"{prefix}{folder.name}")


def _bring_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
