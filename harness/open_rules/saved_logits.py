"""Logits that a program saved, window by window, from a process of ours that has no rights and is believed nothing.

Axes: B windows, T predicted frames, H and W tokens, F factors of a token, V values of a factor.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from harness.errors import DependencyMissing, GuestFailed
from harness.extras import install
from harness.open_rules import loading
from harness.spec import CHALLENGE, ChallengeSpec
from harness.text import printable

LOGITS_FILE = "pred_logits.pt"
"""What 1X's script calls them: float `[B, V, F, T, H, W]`, its own windows in its own order."""

_BYTES_PER_CPU_SECOND = 20 << 20
_START_S = 120
_SAID_CHARACTERS = 300
_SAID_BYTES = 64 << 10
_CODES = {loading.WRONG_KIND: "open.wrong_kind", loading.WRONG_SHAPE: "open.wrong_shape"}


def check_torch() -> None:
    """Nothing, if saved logits can be read here.

    Raises: DependencyMissing.
    """
    if importlib.util.find_spec("torch") is None:
        raise DependencyMissing(
            f"{LOGITS_FILE} can be read with torch only, which is not installed",
            code="dependency.torch",
            fix=install("codec"),
        )


@contextmanager
def read_logits(
    file: Path, *, num_windows: int, uid: int, spec: ChallengeSpec = CHALLENGE
) -> Iterator[Iterator[NDArray[np.float32]]]:
    """The logits of each window in their order, finite float32 `[T, H, W, F, V]`; each array is used again.

    `uid` owns nothing else on this machine: where we are root the file is given to it, and so is the process.

    Raises: GuestFailed, also while windows are taken; DependencyMissing.
    """
    check_torch()
    frames = spec.window - 1
    shape = (frames, spec.height, spec.width, spec.factors, spec.factor_vocab)
    size_bytes = num_windows * int(np.prod(shape)) * 4
    budget_s = _START_S + size_bytes // _BYTES_PER_CPU_SECOND
    settings = {
        "windows": num_windows,
        "frames": frames,
        "height": spec.height,
        "width": spec.width,
        "factors": spec.factors,
        "values": spec.factor_vocab,
        "uid": uid,
        "cpu_s": budget_s,
    }
    if os.geteuid() == 0:
        for path in (file.parent, file):
            os.chown(path, uid, uid)
    with _loader(file, settings, patience_s=10 * budget_s) as process:
        yield _windows(process, num_windows, shape)


@contextmanager
def _loader(file: Path, settings: dict[str, int], *, patience_s: float) -> Iterator[subprocess.Popen[bytes]]:
    """The loading program, ended when the context ends or time is up."""
    with subprocess.Popen(
        [sys.executable, "-I", str(Path(loading.__file__).absolute()), file.name, json.dumps(settings)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=file.parent,  # whose parents its user need not be able to enter
        env={"PATH": os.defpath, "LANG": "C.UTF-8", "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    ) as process:
        watchdog = threading.Timer(patience_s, process.kill)
        watchdog.start()
        try:
            yield process
        finally:
            watchdog.cancel()
            process.kill()


def _windows(
    process: subprocess.Popen[bytes], num_windows: int, shape: tuple[int, ...]
) -> Iterator[NDArray[np.float32]]:
    if process.stdout is None:
        raise ValueError("the loading program's output is not ours to read")
    logits_THWFV = np.empty(shape, "<f4")
    for window in range(num_windows):
        if not _filled(process.stdout, logits_THWFV):
            raise _refused(process)
        if not np.isfinite(logits_THWFV).all():
            raise GuestFailed(
                f"{LOGITS_FILE} holds NaN or infinity in window {window}",
                code="open.not_finite",
                fix="use a large negative number, such as -1e4, where a value is impossible",
            )
        yield logits_THWFV
    if process.stdout.read(1) or process.wait() != 0:
        raise _refused(process)


def _filled(stream: IO[bytes], array: NDArray[np.float32]) -> bool:
    """Whether the stream held as many bytes as the array takes."""
    rest = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]  # an array is a buffer; 3.10 can't say
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]  # a pipe's reader is buffered
        if not count:
            return False
        rest = rest[count:]
    return True


def _refused(process: subprocess.Popen[bytes]) -> GuestFailed:
    status = process.wait()
    if status in _CODES:
        return GuestFailed(
            f"{LOGITS_FILE} is not what 1X's script saves for this data",
            code=_CODES[status],
            fix="save a dense tensor of float32, float16 or bfloat16 [windows, 512, 2, 15, 16, 16], the windows of "
            "1X's own list in its order",
        )
    said = process.stderr.read(_SAID_BYTES) if process.stderr else b""
    lines = printable(said.decode("utf-8", "replace")).strip().splitlines()
    why = lines[-1][:_SAID_CHARACTERS] if lines else f"it ended with status {status}"
    return GuestFailed(
        f"{LOGITS_FILE} cannot be loaded as a tensor: {why}",
        code="open.unreadable",
        fix="save a plain tensor with torch.save: nothing else is loaded (weights_only), and nothing compressed",
    )
