"""What one grade's statistics of copying were computed from, kept as one file so that they can be computed again.

Axes: R probes (rows), B graded windows, T predicted frames of a window.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import StoreFailed

FILE_NAME = "retrieval.npz"
"""In the grade's folder."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The evidence of one grade.

    Attributes:
        probes_sha256: which values were probed; only evidence with equal digests has the same rows.
        logprobs_R: float16, the entry's natural log-probabilities of the probed values. Statistics are computed from
            these rounded values, not from finer ones, so that the same numbers come out again.
        distances_BT: int32, bits between each predicted frame and the training frame nearest to it.
        nearest_BT: int64, that training frame.
        sources_BT: int64, the training frame whose mistakes a prediction shares most, -1 where there is none.
        support_BT: float64, by how many nats, on the half of the frame that did not choose it; 0 where there is none.
        delta_B: float64, each window's delta.
    """

    probes_sha256: str
    logprobs_R: NDArray[np.float16]
    distances_BT: NDArray[np.int32]
    nearest_BT: NDArray[np.int64]
    sources_BT: NDArray[np.int64]
    support_BT: NDArray[np.float64]
    delta_B: NDArray[np.float64]

    def to_bytes(self) -> bytes:
        """A .npz file; equal evidence has equal bytes."""
        file = io.BytesIO()
        arrays: dict[str, Any] = {
            name: np.asarray(getattr(self, name), dtype) for name, (dtype, _) in _ARRAYS.items()
        }
        digest = np.frombuffer(self.probes_sha256.encode(), np.uint8)
        np.savez_compressed(file, probes_sha256=digest, **arrays)
        return file.getvalue()


_ARRAYS = {
    "logprobs_R": (np.float16, 1),
    "distances_BT": (np.int32, 2),
    "nearest_BT": (np.int64, 2),
    "sources_BT": (np.int64, 2),
    "support_BT": (np.float64, 2),
    "delta_B": (np.float64, 1),
}
"""The type and the number of axes of each array."""


def read_evidence(path: Path, *, sha256: str) -> Evidence:
    """The evidence in a file whose digest a record names.

    Raises: StoreFailed where the file is missing, is not the one that was written, or holds something else.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _lost(path, f"cannot be read: {error.strerror}", "store.evidence_missing") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _lost(path, "is not the file that its record names", "store.evidence_damaged")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found: dict[str, Any] = {name: _checked(arrays[name], name) for name in _ARRAYS}
            evidence = Evidence(probes_sha256=arrays["probes_sha256"].tobytes().decode(), **found)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise _lost(path, f"holds no evidence: {error}", "store.evidence_damaged") from error
    shapes = {getattr(evidence, name).shape for name, (_, axes) in _ARRAYS.items() if axes == 2}
    if len(shapes) != 1 or evidence.delta_B.shape != next(iter(shapes))[:1]:
        raise _lost(path, "holds arrays that do not belong together", "store.evidence_damaged")
    return evidence


def _checked(array: NDArray[Any], name: str) -> NDArray[Any]:
    dtype, axes = _ARRAYS[name]
    if array.dtype != dtype or array.ndim != axes:
        raise ValueError(f"{name} is {array.dtype} with {array.ndim} axes")
    return array


def _lost(path: Path, what: str, code: str) -> StoreFailed:
    return StoreFailed(
        f"{path} {what}",
        code=code,
        fix="grade the entry again with --train, or restore the store from a copy",
    )
