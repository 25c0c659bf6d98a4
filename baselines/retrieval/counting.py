"""What can be counted in the training clip, and which of its frames are kept and sampled.

Axes: N raw frames, C frames of a chunk, H rows, W columns, P positions, F the two factors of a token, V its values, U
those a stride earlier, S sampled frames.
"""

from __future__ import annotations

import numpy as np
from bits import factors
from knobs import STRIDE

CHUNK = 4096  # frames held in memory at once
SAMPLES = 100  # frames that the mixture is fitted to


def count(tokens_NHW: np.ndarray, segments_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Counts by position [H,W,F,V], and of what follows a value a stride later in one segment [F,U,V]."""
    position_PFV = np.zeros((256, 2, 512), np.int64)
    before_FUV = np.zeros((2, 512, 512), np.int64)
    cell_P = np.arange(256)
    for start in range(0, len(tokens_NHW), CHUNK):
        value_CPF = factors(np.asarray(tokens_NHW[start : start + CHUNK + STRIDE]))
        ids_C = np.asarray(segments_N[start : start + CHUNK + STRIDE])
        paired_C = ids_C[:-STRIDE] == ids_C[STRIDE:]
        for factor in range(2):
            value_CP = value_CPF[..., factor]
            here_CP = value_CP[:CHUNK]
            position_PFV[:, factor] += _pairs(np.broadcast_to(cell_P, here_CP.shape), here_CP, 256)
            before_FUV[factor] += _pairs(value_CP[:-STRIDE][paired_C], value_CP[STRIDE:][paired_C], 512)
    return position_PFV.reshape(16, 16, 2, 512), before_FUV


def kept(segments_N: np.ndarray, step: int) -> np.ndarray:
    """Every `step`-th frame of each segment, from its first on: places in the clip."""
    begins = np.flatnonzero(np.diff(segments_N, prepend=segments_N[0] - 1))
    ends = np.append(begins[1:], len(segments_N))
    return np.concatenate([np.arange(begin, end, step) for begin, end in zip(begins, ends)])  # noqa: B905


def sampled(segments_N: np.ndarray, history: int) -> np.ndarray:
    """Frames [S], spread over the clip, with a successor and `history` strides of past in their segment."""
    past = history * STRIDE
    fits_N = segments_N[: max(0, len(segments_N) - past - STRIDE)] == segments_N[past + STRIDE :]
    frame_N = np.flatnonzero(fits_N) + past
    if not len(frame_N) or segments_N[frame_N[0]] == segments_N[frame_N[-1]]:
        raise SystemExit(f"too short: two segments of {past + STRIDE + 1} frames are needed to fit anything")
    return frame_N[np.linspace(0, len(frame_N) - 1, SAMPLES).astype(int)]


def _pairs(known: np.ndarray, value: np.ndarray, kinds: int) -> np.ndarray:
    """How often each (known, value) occurs: [kinds, 512]."""
    return np.bincount((known * 512 + value).ravel(), minlength=kinds * 512).reshape(kinds, 512)
