"""Does copying pay? A check that data behaves as rule 5 of the challenge assumes.

On video of the same places as the training set, a frame found in the training set and its successor tell what comes
next better than the last frame does; on video of other places they do not. Both sources are mixed into the training
marginals with their best weight, per factor: p = (1 - w) * unigram + w * onehot(source).

Axes: N raw frames, Q predicted frames, P positions (H*W), F factors, V values of a factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.tokens import factorize
from harness.data.windows import Schedule, find_segments, window_frames, window_starts
from harness.errors import DataInvalid
from harness.retrieval.hamming import nearest
from harness.spec import CHALLENGE, ChallengeSpec

_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class CopyLosses:
    """Nats per token on one split, summed over the factors: without a source, and with each at its best weight."""

    unigram: float
    copy_last: float
    retrieved: float

    @property
    def margin(self) -> float:
        """How many nats per token retrieval gains over copying the last frame."""
        return self.copy_last - self.retrieved


def copy_losses(train: Clip, graded: Clip, spec: ChallengeSpec = CHALLENGE) -> CopyLosses:
    """The three losses on the window at the start of each graded segment that is long enough for one."""
    target_Q = _targets(np.asarray(graded.segment_ids_N), spec)
    last_QHW = np.asarray(graded.tokens_NHW[target_Q - spec.stride])
    successor_Q = successors(last_QHW, train, spec)
    target_QPF = _factors(graded.tokens_NHW[target_Q], spec)
    unigram_QPF = _unigram(train, spec, target_QPF)
    copied_QPF = _factors(last_QHW, spec) == target_QPF
    retrieved_QPF = _factors(train.tokens_NHW[successor_Q], spec) == target_QPF
    return CopyLosses(
        unigram=float(-np.log(unigram_QPF).mean((0, 1)).sum()),
        copy_last=_mixed(unigram_QPF, copied_QPF),
        retrieved=_mixed(unigram_QPF, retrieved_QPF),
    )


def successors(
    query_QHW: NDArray[np.uint32], train: Clip, spec: ChallengeSpec = CHALLENGE
) -> NDArray[np.int64]:
    """What follows the training frame nearest to each query, `spec.stride` later in the same segment: int64 [Q].

    Raises: DataInvalid, if no training segment is long enough for it.
    """
    segment_ids_N = np.asarray(train.segment_ids_N)
    allowed_N = np.zeros(train.num_frames, np.bool_)
    allowed_N[: -spec.stride] = segment_ids_N[: -spec.stride] == segment_ids_N[spec.stride :]
    if not allowed_N.any():
        raise DataInvalid(
            f"no segment of {train.folder} is longer than {spec.stride} raw frames",
            code="data.too_short",
            fix="use a training split with longer segments",
        )
    return nearest(query_QHW, train.tokens_NHW, 1, allowed_N=allowed_N).indices_QK[:, 0] + spec.stride


def _targets(segment_ids_N: NDArray[np.int32], spec: ChallengeSpec) -> NDArray[np.int64]:
    """Raw frames (int64 [Q]) that are predicted: of each segment's first window, all frames but the first."""
    segments = find_segments(segment_ids_N)
    starts = window_starts(segments, Schedule.DISJOINT, spec)
    first = np.isin(starts, segments.begins)
    return window_frames(starts[first], spec)[:, 1:].ravel()


def _factors(tokens_QHW: NDArray[np.uint32], spec: ChallengeSpec) -> NDArray[np.int64]:
    return factorize(np.asarray(tokens_QHW), spec).reshape(len(tokens_QHW), -1, spec.factors)


def _unigram(train: Clip, spec: ChallengeSpec, target_QPF: NDArray[np.int64]) -> NDArray[np.float64]:
    """What the training marginals give each target, per position and factor, with one added to every count."""
    positions = np.arange(spec.tokens_per_frame)[:, None] * spec.factors + np.arange(spec.factors)
    count = np.ones(positions.size * spec.factor_vocab, np.int64)
    for start in range(0, train.num_frames, 1024):
        factor_NPF = _factors(train.tokens_NHW[start : start + 1024], spec)
        count += np.bincount((positions * spec.factor_vocab + factor_NPF).ravel(), minlength=len(count))
    probability = count / (train.num_frames + spec.factor_vocab)
    result: NDArray[np.float64] = probability[positions * spec.factor_vocab + target_QPF]
    return result


def _mixed(unigram_QPF: NDArray[np.float64], hit_QPF: NDArray[np.bool_]) -> float:
    """Loss of (1 - w) * unigram + w * onehot with each factor's best w; the loss is convex in w, so w is bisected."""
    total = 0.0
    for factor in range(unigram_QPF.shape[-1]):
        unigram, gain = unigram_QPF[..., factor], hit_QPF[..., factor] - unigram_QPF[..., factor]
        low, high = 0.0, 1.0
        for _ in range(_STEPS):
            middle = (low + high) / 2
            rising = (gain / (unigram + middle * gain)).mean() < 0
            low, high = (low, middle) if rising else (middle, high)
        total += float(-np.log(unigram + low * gain).mean())
    return total
