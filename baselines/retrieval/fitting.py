"""The mixture's shares, fitted where the training set itself is what is predicted.

Nothing is looked up in a sample's own segment: what is fitted is how good copies of other drives are.

Axes: S sampled frames, P positions, M samples (S times P), F the two factors of a token, L components of the mixture:
position, before, copied; K neighbours, D bits of a factor that differ (0 to 9), N, X, H, W, U, V as in `shard`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from bits import factors, pack
from copies import copies
from counting import sampled
from knobs import STRIDE, Knobs
from mixture import FLIPS, HONEST, copied_probability, different_bits, fit
from search import FOUR, Search


@dataclass(frozen=True)
class Fit:
    """The best mixture: its loss in nats per token, and the rest as in `shard.Shard`."""

    loss: float
    flip: float
    shares_FL: np.ndarray
    honest_FL: np.ndarray


def fit_shares(
    tokens_NHW: np.ndarray,
    segments_N: np.ndarray,
    frames_NX: np.ndarray,
    search: Search,
    knobs: Knobs,
    tables: tuple[np.ndarray, np.ndarray],
) -> Fit:
    """What is best on samples of the clip; `tables` are those of the honest counts."""
    history = FOUR - 1 if knobs.metric == "last_four" else 0
    frame_S = sampled(segments_N, history)
    true_SPF = factors(tokens_NHW[frame_S + STRIDE])
    honest_FML = _honest(tables, factors(tokens_NHW[frame_S]), true_SPF)[..., : HONEST[knobs.honest]]
    share_FMD = np.zeros((*honest_FML.shape[:2], 10))
    for sample, frame in enumerate(frame_S):
        search.reset()
        for back in range(history, -1, -1):
            search.observe(pack(tokens_NHW[frame - back * STRIDE][None]))
        place_1K, weight_1K = search.nearest(without_segments_B=segments_N[frame, None])
        copied_KPF = factors(copies(frames_NX, place_1K + search.ahead, knobs.noise)[0])
        different_KPF = different_bits(copied_KPF, true_SPF[sample])
        for wrong in range(10):
            share_PF = (weight_1K[0, :, None, None] * (different_KPF == wrong)).sum(0)
            share_FMD[:, sample * 256 : (sample + 1) * 256, wrong] = share_PF.T
    return _best(honest_FML, share_FMD)


def _honest(
    tables: tuple[np.ndarray, np.ndarray], before_SPF: np.ndarray, true_SPF: np.ndarray
) -> np.ndarray:
    """What each honest component says of the samples: float64 [F,M,2]."""
    position_HWFV, before_FUV = tables
    place_P1, factor_F = np.arange(256)[:, None], np.arange(2)
    said = [
        position_HWFV.reshape(256, 2, 512)[place_P1, factor_F, true_SPF],
        before_FUV[factor_F, before_SPF, true_SPF],
    ]
    return np.moveaxis(np.stack(said, -1), 2, 0).reshape(2, -1, 2).astype(np.float64)


def _best(honest_FML: np.ndarray, share_FMD: np.ndarray) -> Fit:
    """Over all flips; components that the honest model lacks have no share."""
    lacks = 2 - honest_FML.shape[-1]
    honest_FL, _ = fit(honest_FML)
    found = []
    for flip in FLIPS:
        copied_FM1 = copied_probability(share_FMD, flip)[..., None]
        shares_FL, loss = fit(np.concatenate([honest_FML, copied_FM1], -1))
        found.append((loss, flip, shares_FL))
    loss, flip, shares_FL = min(found, key=lambda each: each[:2])
    return Fit(
        loss=loss,
        flip=flip,
        shares_FL=np.insert(shares_FL, [shares_FL.shape[1] - 1] * lacks, 0, axis=1),
        honest_FL=np.pad(honest_FL, [(0, 0), (0, lacks + 1)]),
    )
