"""Logits that a program of the open protocol saved, scored as any others are, by one sheet.

Axes: B windows, T predicted frames, H and W tokens, F factors of a token, V values of a factor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.tokens import unfactorize
from harness.disk import scratch
from harness.errors import GuestFailed, SandboxFailed
from harness.exam import Exam
from harness.open_rules.saved_logits import LOGITS_FILE, check_torch, read_logits
from harness.progress import Progress
from harness.protocol.host import Prediction
from harness.results.report import SCORED_AS
from harness.sandbox.contract import BuiltFile, Outputs
from harness.scoring.sheet import ScoreSheet
from harness.spec import CHALLENGE

_OTHER_FILES_BYTES = 64 << 20
_PICTURE_BYTES = 256 * 256 * 3


def score_saved(outputs: Outputs, exam: Exam, *, uid: int, progress: Progress) -> tuple[ScoreSheet, str]:
    """The complete sheet, and the sha256 of the saved file; what loads it becomes the user `uid` where it can.

    Raises: GuestFailed where they are no logits of these windows; DependencyMissing without torch; SandboxFailed.
    """
    check_torch()
    sheet = ScoreSheet(num_windows=exam.num_windows, targets=SCORED_AS.targets())
    with scratch.folder("logits") as folder:
        file, digest = _saved(outputs, folder)
        with (
            progress.step("scoring its saved logits, windows", total=exam.num_windows) as advance,
            read_logits(file, num_windows=exam.num_windows, uid=uid) as windows,
        ):
            for window, logits_THWFV in enumerate(windows):
                for prediction in _predictions(exam, window, logits_THWFV):
                    sheet.record(prediction)
                advance(1, status=f"loss {sheet.loss_so_far:.3f}")
    return sheet, digest


def largest_outputs(windows: int) -> int:
    """Bytes of all that 1X's script saves of so many windows: logits in float32, tokens, pictures, and some room."""
    predicted, tokens = CHALLENGE.window - 1, CHALLENGE.height * CHALLENGE.width
    logits_bytes = predicted * tokens * CHALLENGE.factors * CHALLENGE.factor_vocab * 4
    pictures_bytes = (predicted + CHALLENGE.window) * _PICTURE_BYTES
    tokens_bytes = CHALLENGE.window * tokens * 8
    return windows * (logits_bytes + pictures_bytes + tokens_bytes) + _OTHER_FILES_BYTES


def _saved(outputs: Outputs, folder: Path) -> tuple[Path, str]:
    """The file of logits, its bytes taken over and its digest; nobody else may read it.

    Raises: GuestFailed where there is none; SandboxFailed.
    """
    with outputs.files() as files:
        for file in files:
            if file.path == LOGITS_FILE:
                return folder / LOGITS_FILE, _copied(file, folder / LOGITS_FILE)
    raise GuestFailed(
        f"evaluate.py saved no file {LOGITS_FILE}",
        code="open.no_logits",
        fix=f"save the tensor as {LOGITS_FILE} in the folder that --save_outputs_dir names, not a link to it",
    )


def _copied(file: BuiltFile, copy: Path) -> str:
    """The sha256 of the copied bytes."""
    digest = hashlib.sha256()
    try:
        with copy.open("xb") as target:
            for chunk in file.chunks:
                digest.update(chunk)
                target.write(chunk)
    except OSError as error:
        raise SandboxFailed(
            f"{file.size_bytes:,} bytes of saved logits cannot be copied to {copy.parent}: {error.strerror}",
            code="sandbox.copy",
            fix="free space there, or name another folder with TMPDIR, then grade again",
        ) from error
    return digest.hexdigest()


def _predictions(exam: Exam, window: int, logits_THWFV: NDArray[np.float32]) -> Iterator[Prediction]:
    """Its frames one by one, each as the gate would have got it; tokens are where logits are largest."""
    windows_B = np.array([window])
    for t, logits_HWFV in zip(SCORED_AS.targets(), logits_THWFV, strict=True):
        yield Prediction(
            windows_B=windows_B,
            t=t,
            target_BHW=exam.truth.tokens_at(windows_B, t),
            logits_BHWFV=logits_HWFV[None],
            tokens_BHW=unfactorize(logits_HWFV.argmax(axis=-1))[None],
        )
