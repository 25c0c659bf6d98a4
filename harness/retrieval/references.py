"""Honest predictors that the host makes by itself: what is plausible without any entry to compare with.

Both know the training clip and the last observed frame, and neither copies: the first counts what usually follows a
value, the second asks which values the neighbourhood agrees on, one vote a training segment. Near and far
candidates count the same: weighted by closeness, the vote would explain a copier of the nearest frame away.

Axes: G predictions, R probes, M references, C candidates of one prediction, P cells of a frame, V values of a factor.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.truth import ClipTruth
from harness.progress import Advance, Progress
from harness.retrieval.probes import FLOOR, Probes, Proposals, cell_values
from harness.retrieval.transitions import Transitions, transitions_for

HOST_REFERENCES = ("transitions", "neighbourhood")
"""The names of the references, in the order of M."""

DISCOUNT = 0.75
"""Votes taken from each value: one segment's mistake is worth little, what a second one shows as well much more."""


def references_for(
    truth: ClipTruth,
    train: Clip,
    candidates: Proposals,
    probes: Probes,
    *,
    folder: Path,
    train_sha256: str,
    progress: Progress,
) -> NDArray[np.float32]:
    """What each of HOST_REFERENCES thinks of the probes: float32 nats `[M, R]`; counts are found again in `folder`.

    Raises: StoreFailed.
    """
    transitions = transitions_for(train, folder=folder, train_sha256=train_sha256, progress=progress)
    predictions = len(probes.begins_G) - 1
    with progress.step("asking the host's own predictors, frames", total=predictions) as advance:
        return host_logprobs(transitions, truth, candidates, probes, advance=advance)


def host_logprobs(
    transitions: Transitions, truth: ClipTruth, candidates: Proposals, probes: Probes, *, advance: Advance
) -> NDArray[np.float32]:
    """Log-probabilities of the probes under each of HOST_REFERENCES: float32 `[M, R]` in [FLOOR, 0]."""
    spec = truth.spec
    logprobs_MR = np.empty((len(HOST_REFERENCES), len(probes.cells_R)), np.float32)
    for g in range(len(probes.begins_G) - 1):
        b, t_index = divmod(g, spec.window - 1)
        rows = probes.rows(g)
        last_1HW = truth.tokens_at(np.array([b]), t_index)
        followed_PV = transitions.given(cell_values(last_1HW, spec)[0])
        segments_C = candidates.segments_BTC[b, t_index]
        agreed_PV = agreement(
            cell_values(candidates.tokens(b, t_index), spec), segments_C[segments_C >= 0], followed_PV
        )
        at = probes.cells_R[rows], probes.values_R[rows]
        for logprobs_R, probability_PV in zip(logprobs_MR, (followed_PV, agreed_PV), strict=True):
            logprobs_R[rows] = np.log(np.maximum(probability_PV[at], np.exp(FLOOR)))
        advance(1)
    return logprobs_MR


def agreement(
    sources_CP: NDArray[np.uint16], segments_C: NDArray[np.int64], background_PV: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How many training segments propose each value, as a distribution: float64 `[P, V]`, each row sums to 1.

    (max(votes(v) - d, 0) + d n background(v)) / votes, for the n values of the cell that have votes, of one vote per
    segment and value, and the discount d: interpolated absolute discounting, which estimates what a segment shows
    that did not vote (Ney, Essen and Kneser, 1994). Without votes it is the background.
    """
    if not len(segments_C):
        return background_PV
    votes_PV = _votes(sources_CP, segments_C, background_PV.shape[1])
    total_P1 = votes_PV.sum(axis=1, keepdims=True)
    discounted_PV = np.maximum(votes_PV - DISCOUNT, 0)
    taken_P1 = total_P1 - discounted_PV.sum(axis=1, keepdims=True)
    agreed_PV: NDArray[np.float64] = (discounted_PV + taken_P1 * background_PV) / total_P1
    return agreed_PV


def _votes(sources_CP: NDArray[np.uint16], segments_C: NDArray[np.int64], vocab: int) -> NDArray[np.int64]:
    """How many distinct segments propose each value of each cell: `[P, V]`."""
    cells = sources_CP.shape[1]
    _, voter_C = np.unique(segments_C, return_inverse=True)
    ballots_PC = np.sort(voter_C * vocab + sources_CP.T, axis=1)
    is_first_PC = np.ones(ballots_PC.shape, np.bool_)
    is_first_PC[:, 1:] = ballots_PC[:, 1:] != ballots_PC[:, :-1]
    codes_PC = np.arange(cells)[:, None] * vocab + ballots_PC % vocab
    return np.bincount(codes_PC[is_first_PC], minlength=cells * vocab).reshape(cells, vocab)
