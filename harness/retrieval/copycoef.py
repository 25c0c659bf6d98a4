"""Whether an entry shares the mistakes of training frames, more than honest predictors of the same frames do.

A copier agrees with its source where its source is wrong. For each prediction the source is chosen on one half of the
positions, a checkerboard, and tested on the other half: how many nats does the entry give to the values that the
source proposes there, more than to values that only other segments propose, given what references think of them?
The principle is that of answer-copying indices: shared wrong answers, adjusted for how tempting each is.

Axes: B graded windows, T predicted frames of a window (t = 1..15, index t - 1), G = B*T predictions (g = b*T + t - 1),
R probes, of one prediction or of all, C candidates of one prediction, P cells of a frame, M references, K columns of
the regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.probes import FLOOR, Probes, Proposals, cell_values
from harness.retrieval.regression import Sums, quadratic
from harness.spec import ChallengeSpec

LEAST_ROWS = 10
"""Of sources, and of controls, in the tested half of a prediction; with fewer it is not tested."""


class Suspects(Proposals, Protocol):
    """Training frames that a copier might show, for each prediction, and where they are."""

    @property
    def sources_BTC(self) -> NDArray[np.int64]:
        """The frames, -1 where there is none."""
        ...


@dataclass(frozen=True, kw_only=True)
class SharedErrors:
    """What an entry's answers show.

    Attributes:
        delta: extra nats per value given to the sources' mistakes; 0 where nothing could be tested.
        delta_ci: its 95% bootstrap interval, clustered by window.
        delta_by_window: the same within each window, with the references' part of all; 0 where nothing was tested.
        sources_BT: the training frame whose mistakes each prediction shares most, -1 where there is no candidate.
        support_BT: extra nats given to all of its mistakes in the tested half.
        path_share: of consecutive predictions, those whose sources are a stride apart in one segment.
        tested: how many predictions had enough sources and controls.
    """

    delta: float
    delta_ci: tuple[float, float]
    delta_by_window: tuple[float, ...]
    sources_BT: NDArray[np.int64]
    support_BT: NDArray[np.float64]
    path_share: float
    tested: int


def shared_errors(
    *,
    probes: Probes,
    logprobs_R: NDArray[np.floating],
    references_MR: NDArray[np.floating],
    candidates: Suspects,
    rng: np.random.Generator,
) -> SharedErrors:
    """What these log-probabilities of the probes show, clipped at FLOOR; at least one reference."""
    answers = _Answers(
        probes=probes,
        entry_R=np.maximum(logprobs_R, FLOOR),
        references_MR=np.maximum(references_MR, FLOOR),
    )
    windows, frames = candidates.sources_BTC.shape[:2]
    expected_K = answers.expected()
    sources_G = np.full(windows * frames, -1, np.int64)
    sums = Sums.zeros(windows * frames, len(expected_K) + 1)
    for g in range(windows * frames):
        b, t_index = divmod(g, frames)
        source_C = candidates.sources_BTC[b, t_index]
        segment_C = candidates.segments_BTC[b, t_index][source_C >= 0]
        if not len(segment_C):
            continue
        row_CP = _mistakes(probes, g, candidates.tokens(b, t_index))
        chosen = answers.choose(g, row_CP, expected_K)
        sources_G[g] = source_C[source_C >= 0][chosen]
        answers.test(g, row_CP[chosen], row_CP[segment_C != segment_C[chosen]], sums)
    return _found(sums, sources_G.reshape(windows, frames), candidates, probes.spec, rng)


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """What the entry and the references think of the probes, all of them `[R]` and `[M, R]`."""

    probes: Probes
    entry_R: NDArray[np.floating]
    references_MR: NDArray[np.floating]

    def chooses(self, g: int) -> NDArray[np.bool_]:
        """Which probes of prediction g choose its source; the others test it."""
        spec = self.probes.spec
        position_R = self.probes.cells_R[self.probes.rows(g)] // spec.factors
        is_even_R: NDArray[np.bool_] = (position_R // spec.width + position_R % spec.width) % 2 == 0
        return is_even_R

    def columns(self, g: int, which_R: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.floating]]:
        """The references' part of the regression's columns, and the entry's answers, of some of its probes."""
        rows = self.probes.rows(g)
        return quadratic(self.references_MR[:, rows][:, which_R]), self.entry_R[rows][which_R]

    def expected(self) -> NDArray[np.float64]:
        """How the entry's answers follow from the references', fitted on the half that chooses: `[K - 1]`."""
        sums: Sums | None = None
        for g in range(len(self.probes.begins_G) - 1):
            x_RK, y_R = self.columns(g, self.chooses(g))
            sums = sums or Sums.zeros(1, x_RK.shape[1])
            sums.add(0, x_RK, y_R)
        return sums.coefficients() if sums else np.zeros(0)

    def choose(self, g: int, row_CP: NDArray[np.int64], expected_K: NDArray[np.float64]) -> int:
        """The candidate whose mistakes have the most nats beyond what is expected, in the half that chooses."""
        chooses_R = self.chooses(g)
        x_RK, y_R = self.columns(g, chooses_R)
        extra_R = np.zeros(len(chooses_R) + 1)  # the last is for cells without a mistake
        extra_R[:-1][chooses_R] = y_R - x_RK @ expected_K
        return int(extra_R[row_CP].sum(axis=1).argmax())

    def test(self, g: int, source_P: NDArray[np.int64], others_CP: NDArray[np.int64], sums: Sums) -> None:
        """Add what the other half shows; nothing where sources or controls are few."""
        tests_R = ~self.chooses(g)
        is_source_R = _marked(source_P, len(tests_R)) & tests_R
        is_control_R = _marked(others_CP, len(tests_R)) & tests_R & ~is_source_R
        if min(is_source_R.sum(), is_control_R.sum()) < LEAST_ROWS:
            return
        tested_R = is_source_R | is_control_R
        x_RK, y_R = self.columns(g, tested_R)
        sums.add(g, np.column_stack([x_RK, is_source_R[tested_R]]), y_R)


def _mistakes(probes: Probes, g: int, sources_CHW: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Which of prediction g's probes each candidate shows in each cell: int64 `[C, P]`, -1 where it shows none."""
    rows, vocab = probes.rows(g), probes.spec.factor_vocab
    values_CP = cell_values(sources_CHW, probes.spec)
    first_P = np.arange(values_CP.shape[1]) * vocab
    row_of = np.full(len(first_P) * vocab, -1)
    row_of[probes.cells_R[rows].astype(np.int64) * vocab + probes.values_R[rows]] = np.arange(
        rows.stop - rows.start
    )
    return row_of[first_P + values_CP]


def _marked(row_X: NDArray[np.int64], rows: int) -> NDArray[np.bool_]:
    """Which of so many rows are named, -1 being none of them."""
    is_named_R = np.zeros(rows + 1, np.bool_)
    is_named_R[row_X] = True
    return is_named_R[:-1]


def _found(
    sums: Sums,
    sources_BT: NDArray[np.int64],
    candidates: Suspects,
    spec: ChallengeSpec,
    rng: np.random.Generator,
) -> SharedErrors:
    by_window = sums.by_window(len(sources_BT))
    coefficients_K = by_window.coefficients()
    low, high = np.quantile(by_window.drawn_deltas(rng), (0.025, 0.975))
    support_G = sums.excess(coefficients_K) * sums.sources_G
    return SharedErrors(
        delta=float(coefficients_K[-1]),
        delta_ci=(float(low), float(high)),
        delta_by_window=tuple(by_window.excess(coefficients_K).tolist()),
        sources_BT=sources_BT,
        support_BT=support_G.reshape(sources_BT.shape),
        path_share=path_share(sources_BT, _segments(sources_BT, candidates), spec.stride),
        tested=int(np.count_nonzero(sums.sources_G)),
    )


def _segments(sources_BT: NDArray[np.int64], candidates: Suspects) -> NDArray[np.int64]:
    """The segment of each source, -1 where there is none."""
    is_source_BTC = (candidates.sources_BTC == sources_BT[..., None]) & (sources_BT[..., None] >= 0)
    segments_BT: NDArray[np.int64] = np.where(is_source_BTC, candidates.segments_BTC, -1).max(
        axis=2, initial=-1
    )
    return segments_BT


def path_share(sources_BT: NDArray[np.int64], segments_BT: NDArray[np.int64], stride: int) -> float:
    """Of consecutive predictions with sources, those whose sources march through one segment; 0 without any."""
    both = (sources_BT[:, 1:] >= 0) & (sources_BT[:, :-1] >= 0)
    marches = both & (np.diff(sources_BT, axis=1) == stride) & (np.diff(segments_BT, axis=1) == 0)
    return float(marches.sum() / both.sum()) if both.any() else 0.0
