"""Whether an entry shares the mistakes of training frames, more than honest predictors of the same frames do.

A copier agrees with its source where its source is wrong. For each prediction the source is chosen on one half of the
positions, a checkerboard, and tested on the other half: how many nats does the entry give to the values that the
source proposes there, more than to those of runners-up, given what references think of them? The principle is that of
answer-copying indices: shared wrong answers, adjusted for how tempting each is.

Three things keep honest models, which agree with whatever looks right, apart from copiers (the figures are in
tests/benchmarks/README.md). Runners-up are the best candidates of other segments, by the same choice: to an honest
model they are nearly as right as the source. Only mistakes that one segment makes alone count, and of these only the
least expected third: nothing but the source explains them. And nats are counted in the entry's own spread: who doubles
all logits doubles the nats of a chance agreement, too.

Axes: B graded windows, T predicted frames of a window (t = 1..15, index t - 1), G = B*T predictions (g = b*T + t - 1),
R probes, of one prediction or of all, C candidates of one prediction, P cells of a frame, M references, K columns of
the regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.retrieval.mistakes import alone, marked, mistakes, ranked
from harness.retrieval.probes import FLOOR, Probes, Proposals
from harness.retrieval.regression import Sums, quadratic
from harness.spec import ChallengeSpec

RUNNERS_UP = 8
"""Other segments, whose best candidates the source is compared with."""

RARE = 1 / 3
"""Of the mistakes that one segment makes alone: the least expected are tested."""

SPREADS = (0.3, 2.0)
"""The least and the largest spread in nats. An entry that a reference explains has next to none: what is left is no
copy. Hardly an honest one has more than 2: noise in what does not matter to the loss shall not hide a copy."""

LEAST_ROWS = 5
"""Of sources, and of runners-up, in the tested half of a prediction; with fewer it is not tested."""


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
        delta: extra nats per value given to the sources' mistakes, in spreads; 0 where nothing could be tested.
        spread: in nats, how far the entry's answers are from what the fit expects, kept within SPREADS.
        delta_ci: its 95% bootstrap interval, clustered by window.
        delta_by_window: the same within each window, with the references' part of all; 0 where nothing was tested.
        sources_BT: the training frame whose mistakes each prediction shares most, -1 where there is no candidate.
        support_BT: extra nats given to all of its mistakes that were tested.
        path_share: of consecutive predictions, those whose sources are a stride apart in one segment.
        tested: how many predictions had enough sources and controls.
    """

    delta: float
    spread: float
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
        row_CP = mistakes(probes, g, candidates.tokens(b, t_index))
        best = answers.add(g, row_CP, segment_C, expected_K, sums)
        sources_G[g] = source_C[source_C >= 0][best]
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

    def expected(self) -> NDArray[np.float64]:
        """How the entry's answers follow from the references', fitted on the half that chooses: `[K - 1]`."""
        sums: Sums | None = None
        for g in range(len(self.probes.begins_G) - 1):
            rows, chooses_R = self.probes.rows(g), self.chooses(g)
            x_RK = quadratic(self.references_MR[:, rows][:, chooses_R])
            sums = sums or Sums.zeros(1, x_RK.shape[1])
            sums.add(0, x_RK, self.entry_R[rows][chooses_R])
        return sums.coefficients() if sums else np.zeros(0)

    def add(
        self,
        g: int,
        row_CP: NDArray[np.int64],
        segment_C: NDArray[np.int64],
        expected_K: NDArray[np.float64],
        sums: Sums,
    ) -> int:
        """Choose a candidate on one half, and add what the other half shows; nothing where rows are few."""
        rows, chooses_R = self.probes.rows(g), self.chooses(g)
        x_RK, y_R = quadratic(self.references_MR[:, rows]), self.entry_R[rows]
        expected_R = x_RK @ expected_K
        best_C = ranked(np.where(chooses_R, y_R - expected_R, 0), row_CP, segment_C)
        alone_R = alone(row_CP, segment_C, len(y_R))
        tests_R = alone_R & ~chooses_R & (expected_R <= _quantile(expected_R[alone_R], RARE))
        is_source_R = marked(row_CP[best_C[0]], len(y_R)) & tests_R
        tested_R = marked(row_CP[best_C[: RUNNERS_UP + 1]], len(y_R)) & tests_R
        count = int(is_source_R.sum())
        if min(count, int(tested_R.sum()) - count) >= LEAST_ROWS:
            sums.add(g, np.column_stack([x_RK[tested_R], is_source_R[tested_R]]), y_R[tested_R])
        return int(best_C[0])


def _quantile(values: NDArray[np.float64], share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else 0.0


def _found(
    sums: Sums,
    sources_BT: NDArray[np.int64],
    candidates: Suspects,
    spec: ChallengeSpec,
    rng: np.random.Generator,
) -> SharedErrors:
    by_window = sums.by_window(len(sources_BT))
    coefficients_K = by_window.coefficients()
    spread = float(np.clip(by_window.spread(coefficients_K), *SPREADS))
    low, high = np.quantile(by_window.drawn_deltas(rng) / spread, (0.025, 0.975))
    support_G = sums.excess(coefficients_K) * sums.sources_G
    return SharedErrors(
        delta=float(coefficients_K[-1]) / spread,
        spread=spread,
        delta_ci=(float(low), float(high)),
        delta_by_window=tuple((by_window.excess(coefficients_K) / spread).tolist()),
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
