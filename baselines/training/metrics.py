"""A run's metrics as lines of JSON, and for TensorBoard where that is installed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.disk.whole_file import whole_file
from harness.errors import OutputFailed
from harness.progress import Progress, Silent

FILE_NAME = "metrics.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
_SILENT = Silent()


class MetricsLog:
    """`metrics.jsonl` in the run's folder: one object per line, on disk as soon as it is written.

    Opening it drops what a run that is resumed after step `after_step` will write again (-1: everything), and a last
    line that was torn. To be used as a context.
    """

    def __init__(self, out: Path, after_step: int, *, progress: Progress = _SILENT) -> None:
        self._path = out / FILE_NAME
        try:
            out.mkdir(parents=True, exist_ok=True)
            _drop_after(self._path, after_step)
            self._file = self._path.open("a", encoding="utf-8")
        except OSError as error:
            raise _failed(self._path, error) from error
        self._board = _tensorboard(out / TENSORBOARD_FOLDER, after_step, progress)

    def write(self, step: int, **values: float) -> None:
        """One line: the step, then the values in their order; a value that is not finite becomes null."""
        finite = {name: value if math.isfinite(value) else None for name, value in values.items()}
        try:
            self._file.write(json.dumps({"step": step, **finite}, allow_nan=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise _failed(self._path, error) from error
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def __enter__(self) -> MetricsLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()


def _drop_after(path: Path, after_step: int) -> None:
    """Leave the whole lines of steps up to `after_step`; the file is the old one or the new one, never half."""
    if not path.exists():
        return
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith(b"\n") and _step_of(line) <= after_step]
    if kept != lines:
        with whole_file(path) as file:
            file.writelines(kept)


def _step_of(line: bytes) -> float:
    """The step of a line, infinite if it is none of ours: a machine that lost power leaves anything."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf
    return step if isinstance(step, int) else math.inf


def _tensorboard(folder: Path, after_step: int, progress: Progress) -> Any:
    """A SummaryWriter, or None: without a word if TensorBoard is not installed, with one if it does not start."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - optional

        return SummaryWriter(str(folder), purge_step=after_step + 1)
    except (ImportError, AttributeError, TypeError, RuntimeError, OSError) as error:
        if not (isinstance(error, ModuleNotFoundError) and error.name == "tensorboard"):
            progress.note(f"no TensorBoard, only {FILE_NAME}: {error}")
        return None


def _failed(path: Path, error: OSError) -> OutputFailed:
    return OutputFailed(
        f"{path} cannot be written: {error}", fix="check rights and free space, then run again: it resumes"
    )
