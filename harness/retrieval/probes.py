"""Probes: wrong values that training frames propose for a predicted frame, and what an entry thinks of them.

A copier shares its source's mistakes, so they are all that is looked at: a probe is a cell and a value that some
candidate would show there, and that is neither the truth nor what the last observed frame shows.

Axes: B graded windows, T predicted frames of a window (t = 1..15, index t-1), G = B*T predictions (g = b*T + t-1),
R probes of all predictions, C candidates of one prediction, P cells of a frame (position * factors + factor).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data.tokens import factorize
from harness.data.truth import ClipTruth
from harness.protocol.host import Prediction
from harness.spec import CHALLENGE, ChallengeSpec

FLOOR = -16.0
"""Log-probabilities below it count as it: what is that unlikely says no more."""


class Proposals(Protocol):
    """Training frames that a copier might show, for each prediction."""

    @property
    def segments_BTC(self) -> NDArray[np.int64]:
        """The training segment of each candidate, -1 where there is none."""
        ...

    def tokens(self, b: int, t_index: int, /) -> NDArray[np.uint32]:
        """The candidates that there are for one prediction: uint32 `[C, H, W]`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Probes:
    """Distinct wrong values, sorted by prediction, cell and value.

    Attributes:
        begins_G: int64 `[G + 1]`, where each prediction's probes begin; the last is R.
        cells_R: uint16.
        values_R: uint16, of the cell's factor.
    """

    begins_G: NDArray[np.int64]
    cells_R: NDArray[np.uint16]
    values_R: NDArray[np.uint16]
    spec: ChallengeSpec = CHALLENGE

    @cached_property
    def sha256(self) -> str:
        """Of all three arrays: rows of two grades can be compared where it is the same."""
        digest = hashlib.sha256()
        for array, dtype in ((self.begins_G, "<i8"), (self.cells_R, "<u2"), (self.values_R, "<u2")):
            digest.update(np.ascontiguousarray(array, dtype).data)
        return digest.hexdigest()

    def rows(self, g: int) -> slice:
        """Where the probes of prediction g are."""
        return slice(int(self.begins_G[g]), int(self.begins_G[g + 1]))

    def proposed(self, g: int, sources_CHW: NDArray[np.uint32]) -> NDArray[np.bool_]:
        """Which of these frames would show which of prediction g's probes: bool `[C, rows]`."""
        rows = self.rows(g)
        values_CP = cell_values(sources_CHW, self.spec)
        proposed: NDArray[np.bool_] = values_CP[:, self.cells_R[rows]] == self.values_R[rows]
        return proposed


def probes_of(truth: ClipTruth, candidates: Proposals) -> Probes:
    """The probes of every prediction of every window."""
    spec = truth.spec
    cells: list[NDArray[np.uint16]] = []
    values: list[NDArray[np.uint16]] = []
    for b in range(len(truth.starts)):
        window_THW = np.concatenate([truth.tokens_at(np.array([b]), t) for t in range(spec.window)])
        values_TP = cell_values(window_THW, spec)
        for t in range(1, spec.window):
            sources_CP = cell_values(candidates.tokens(b, t - 1), spec)
            cells_R, values_R = _wrong(sources_CP, values_TP[t - 1 : t + 1], spec.factor_vocab)
            cells.append(cells_R)
            values.append(values_R)
    return Probes(
        begins_G=np.cumsum([0, *map(len, cells)], dtype=np.int64),
        cells_R=np.concatenate(cells),
        values_R=np.concatenate(values),
        spec=spec,
    )


def cell_values(tokens_CHW: NDArray[np.uint32], spec: ChallengeSpec = CHALLENGE) -> NDArray[np.uint16]:
    """The value of each cell of these frames: `[C, H, W]` -> uint16 `[C, P]`."""
    cells = spec.tokens_per_frame * spec.factors
    return factorize(tokens_CHW, spec).astype(np.uint16).reshape(len(tokens_CHW), cells)


def _wrong(
    sources_CP: NDArray[np.uint16], known_KP: NDArray[np.uint16], vocab: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """What sources show and no known frame does: cells and values, sorted by them."""
    first_P = np.arange(sources_CP.shape[1]) * vocab
    is_wrong = np.zeros(len(first_P) * vocab, np.bool_)
    is_wrong[first_P + sources_CP] = True
    is_wrong[first_P + known_KP] = False
    cells_R, values_R = np.divmod(np.flatnonzero(is_wrong), vocab)
    return cells_R.astype(np.uint16), values_R.astype(np.uint16)


@dataclass(kw_only=True)
class ProbeSheet:
    """What one entry thinks of the probes, filled in while its predictions pass by.

    Attributes:
        logprobs_R: float32 nats in [FLOOR, 0], NaN where nothing was recorded yet.
    """

    probes: Probes
    logprobs_R: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        self.logprobs_R = np.full(len(self.probes.cells_R), np.nan, np.float32)

    def record(self, prediction: Prediction) -> None:
        """Look up the probes of one frame of some windows."""
        spec = self.probes.spec
        cells = spec.tokens_per_frame * spec.factors
        for place, window in enumerate(prediction.windows_B.tolist()):
            rows = self.probes.rows(window * (spec.window - 1) + prediction.t - 1)
            at_R = self.probes.cells_R[rows].astype(np.int64) + place * cells
            logprobs_R = prediction.log_softmax.at(at_R, self.probes.values_R[rows])
            self.logprobs_R[rows] = np.maximum(logprobs_R, FLOOR)

    def to_bytes(self) -> bytes:
        """All of it, as evidence rounds it: statistics are computed from float16."""
        return self.logprobs_R.astype("<f2").tobytes()

    def fill(self, content: bytes) -> None:
        """Fill it in from what `to_bytes` gave for a complete sheet of the same probes.

        Raises: ValueError where it is of others, or not complete.
        """
        logprobs_R = np.frombuffer(content, "<f2").astype(np.float32)
        if logprobs_R.shape != self.logprobs_R.shape or not np.isfinite(logprobs_R).all():
            raise ValueError(
                f"{len(logprobs_R)} answers to {len(self.logprobs_R)} probes, or not all of them"
            )
        self.logprobs_R = logprobs_R
