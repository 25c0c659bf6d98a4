"""What copiers look up in the training split, and how they mix it into an honest model's answers.

Axes: B windows, T predicted frames (t = 1..15, index t - 1), Q = B*T queries, N training frames, H and W tokens, P
cells of a frame, R probes, S looked-up frames of a prediction, X looked-at frames (the truth, then those looked up).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from retrieval_answers import Answers

from harness.data.clips import Clip
from harness.data.truth import ClipTruth
from harness.data.windows import window_frames
from harness.retrieval.neighbours import thinned
from harness.retrieval.packing import words
from harness.retrieval.probes import Probes, cell_values
from harness.spec import CHALLENGE

RECENT = 4
NOISE = 0.15
"""Of the bits of a noisy copy."""

NEAR = 16
"""Moments that are looked up, at least a stride from each other in one segment: nearest first."""

LOOKED_UP = (*(f"near {place}" for place in range(1, NEAR + 1)), "last four", "coarse", "noisy")
"""The frames that are looked up for each prediction, in the order of S."""

PLANS = {
    "nearest": {"near 1": 1.0},
    "15% of bits flipped": {"noisy": 1.0},
    "five neighbours": {f"near {place}": 1 / 5 for place in range(1, 6)},
    "sixteen neighbours": {f"near {place}": 1 / 16 for place in range(1, 17)},
    "nearest by the last four": {"last four": 1.0},
    "nearest on a coarse grid": {"coarse": 1.0},
}
"""Ways to copy: the looked-up frames and their weights."""


def look_up(truth: ClipTruth, train: Clip, *, seed: int) -> NDArray[np.uint32]:
    """The frames that follow what is near to each observation, uint32 `[S, B, T, H, W]`, in the order of LOOKED_UP."""
    shown_BT = window_frames(truth.starts)[:, :-1]
    queries_NHW = np.asarray(truth.clip.tokens_NHW[shown_BT.ravel()])
    frames_NHW = np.asarray(train.tokens_NHW)
    distance_QN = _distances(queries_NHW, frames_NHW)
    later_N = np.zeros(train.num_frames, np.bool_)
    later_N[: -CHALLENGE.stride] = (
        train.segment_ids_N[CHALLENGE.stride :] == train.segment_ids_N[: -CHALLENGE.stride]
    )
    places_QK = np.argsort(np.where(later_N, distance_QN, np.iinfo(np.int32).max), axis=1)[:, :4000]
    near_QS = thinned(places_QK, NEAR, CHALLENGE.stride)
    recent_Q = _recent(distance_QN.reshape(*shown_BT.shape, -1), train, later_N).reshape(-1)
    coarse_Q = np.where(later_N, _coarse(queries_NHW, frames_NHW), np.inf).argmin(axis=1)
    found_QS = np.column_stack([near_QS, recent_Q, coarse_Q, near_QS[:, 0]]) + CHALLENGE.stride
    shown_SBTHW = frames_NHW[found_QS.T].reshape(len(LOOKED_UP), *shown_BT.shape, 16, 16)
    flips_BTHWK = np.random.default_rng(seed).random((*shown_SBTHW.shape[1:], 18)) < NOISE
    shown_SBTHW[-1] ^= (flips_BTHWK << np.arange(18)).sum(axis=-1).astype(np.uint32)
    return shown_SBTHW


def _distances(queries_NHW: NDArray[np.uint32], frames_NHW: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Differing bits of all pairs: `[Q, N]`."""
    frames_NW = words(frames_NHW)
    return np.stack(
        [np.bitwise_count(frames_NW ^ query_W).sum(1, dtype=np.int32) for query_W in words(queries_NHW)]
    )


def _recent(distance_BTN: NDArray[np.int32], train: Clip, later_N: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The training frame nearest by the sum over the last four observations, a stride apart on both sides: `[B, T]`."""
    first_N = np.searchsorted(train.segment_ids_N, train.segment_ids_N)
    age_N = np.arange(train.num_frames) - first_N
    best_BT = np.empty(distance_BTN.shape[:2], np.int64)
    for t_index in range(distance_BTN.shape[1]):
        total_BN = np.where(later_N, distance_BTN[:, t_index].astype(np.float64), np.inf)
        for back in range(1, min(RECENT, t_index + 1)):
            shift = back * CHALLENGE.stride
            total_BN[:, shift:] += distance_BTN[:, t_index - back, :-shift]
            total_BN[:, age_N < shift] = np.inf
        best_BT[:, t_index] = total_BN.argmin(axis=1)
    return best_BT


def _coarse(queries_NHW: NDArray[np.uint32], frames_NHW: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Squared differences of how often each bit is set in each cell of a 4x4 grid: `[Q, N]`."""
    query_QD, frame_ND = _pooled(queries_NHW), _pooled(frames_NHW)
    squared_QN: NDArray[np.float32] = (frame_ND**2).sum(1) - 2 * query_QD @ frame_ND.T
    return squared_QN


def _pooled(tokens_NHW: NDArray[np.uint32]) -> NDArray[np.float32]:
    grid_NHIWJ = tokens_NHW.reshape(-1, 4, 4, 4, 4)
    counts = [
        (grid_NHIWJ >> np.uint32(bit) & np.uint32(1)).sum(axis=(2, 4), dtype=np.uint8) for bit in range(18)
    ]
    return np.stack(counts, axis=-1).reshape(len(tokens_NHW), -1).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What copiers show of each prediction.

    Attributes:
        values_XBTP: uint16, of the truth and of the looked-up frames.
        proposes_SR: which probes each looked-up frame shows.
    """

    values_XBTP: NDArray[np.uint16]
    proposes_SR: NDArray[np.bool_]


def shown_of(probes: Probes, looked_at_XBTHW: NDArray[np.uint32]) -> Shown:
    """The same frames, and the probes among their values."""
    _, windows, frames, height, width = looked_at_XBTHW.shape
    frames_XGHW = looked_at_XBTHW.reshape(-1, windows * frames, height, width)
    proposes_SR = np.concatenate(
        [probes.proposed(g, frames_XGHW[1:, g]) for g in range(windows * frames)], axis=1
    )
    values_XBTP = cell_values(frames_XGHW.reshape(-1, height, width))
    return Shown(
        values_XBTP=values_XBTP.reshape(-1, windows, frames, values_XBTP.shape[1]), proposes_SR=proposes_SR
    )


def mixed(
    honest: Answers,
    shown: Shown,
    probes: Probes,
    plan: dict[str, float],
    share_BT: NDArray[np.float64],
) -> Answers:
    """(1 - share) honest + share * the looked-up frames, cell by cell."""
    places = [LOOKED_UP.index(name) for name in plan]
    weights_S = np.array(list(plan.values()))
    share_R = np.repeat(share_BT.ravel(), np.diff(probes.begins_G))
    copied_R = weights_S @ shown.proposes_SR[places]
    with np.errstate(divide="ignore"):
        probes_R = np.log((1 - share_R) * np.exp(honest.probes_R) + share_R * copied_R)
    values_SBTP = shown.values_XBTP[1:][places]
    share_BT1 = share_BT[..., None]

    def mix(values_BTP: NDArray[np.uint16], logprobs_BTP: NDArray[np.float32]) -> NDArray[np.float64]:
        copied_BTP = np.tensordot(weights_S, values_SBTP == values_BTP, axes=1)
        mixture: NDArray[np.float64] = (1 - share_BT1) * np.exp(logprobs_BTP) + share_BT1 * copied_BTP
        return mixture

    values_YBTP = np.stack([honest.best_values_BTP, *values_SBTP])
    logprobs_YBTP = np.stack([honest.best_BTP, *honest.shown_XBTP[1:][places]])
    chances_YBTP = np.stack(
        [mix(values, logprobs) for values, logprobs in zip(values_YBTP, logprobs_YBTP, strict=True)]
    )
    best_1BTP = chances_YBTP.argmax(axis=0)[None]
    truth_BTP = mix(shown.values_XBTP[0], honest.shown_XBTP[0])
    return replace(
        honest,
        probes_R=probes_R.astype(np.float32),
        shown_XBTP=np.log(np.maximum(truth_BTP, np.exp(-32)))[None].astype(np.float32),
        best_BTP=np.log(np.take_along_axis(chances_YBTP, best_1BTP, 0)[0]).astype(np.float32),
        best_values_BTP=np.take_along_axis(values_YBTP, best_1BTP, 0)[0],
    )


def smoothed(honest: Answers, share: float) -> Answers:
    """(1 - share) honest + share * any value: an honest entry still."""

    def flat(logprobs: NDArray[np.float32]) -> NDArray[np.float32]:
        mixture: NDArray[np.float32] = np.log((1 - share) * np.exp(logprobs) + share / CHALLENGE.factor_vocab)
        return mixture

    return replace(
        honest,
        probes_R=flat(honest.probes_R),
        shown_XBTP=flat(honest.shown_XBTP),
        best_BTP=flat(honest.best_BTP),
    )
