"""What a finished run came to: `result.json` in its folder, without which it is not finished."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.disk.whole_file import whole_file
from harness.errors import CheckpointInvalid, OutputFailed

FILE_NAME = "result.json"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a run.

    Attributes:
        steps: all that were taken.
        best_step: after which the held-out loss was lowest.
        heldout_loss: the best checkpoint's, in nats per token over all `heldout_windows`, in `heldout_regime`.
        training_flops: of all steps, nothing that was computed again counted twice.
    """

    steps: int
    best_step: int
    heldout_loss: float
    heldout_windows: int
    heldout_regime: str
    training_flops: float


def read(out: Path) -> Result | None:
    """What the run in this folder came to; None if it is not finished. Raises: CheckpointInvalid."""
    path = out / FILE_NAME
    if not path.exists():
        return None
    try:
        return Result(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointInvalid(
            f"{path} cannot be read: {error}", fix=f"remove {path}: the same command writes it again"
        ) from error


def write(out: Path, result: Result) -> None:
    """Finish the run in this folder. Raises: OutputFailed."""
    path = out / FILE_NAME
    try:
        with whole_file(path) as file:
            file.write((json.dumps(asdict(result), indent=2) + "\n").encode())
    except OSError as error:
        raise OutputFailed(
            f"{path} cannot be written: {error}", fix="make room, then run the same command again"
        ) from error
