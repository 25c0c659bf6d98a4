"""How close predicted frames come to a training frame.

Axes: B graded windows, T predicted frames of a window, H and W tokens.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.progress import Advance, unheard
from harness.retrieval.engines import Engine
from harness.retrieval.hamming import nearest
from harness.retrieval.report import NearDuplicates

QUANTILES = (0, 0.001, 0.01, 0.1, 0.5)


def near_duplicates(
    tokens_BTHW: NDArray[np.uint32],
    train: Clip,
    *,
    engine: Engine | None = None,
    near_bits: float | None = None,
    advance: Advance = unheard,
) -> tuple[NearDuplicates, NDArray[np.int32], NDArray[np.int64]]:
    """The summary, and for each prediction how many bits (int32 `[B, T]`) the nearest training frame (int64) is away.

    Closer than `near_bits` is a near-duplicate; without it none are counted. Of equally near frames it is the first.
    """
    windows, frames, *grid = tokens_BTHW.shape
    found = nearest(
        tokens_BTHW.reshape(windows * frames, *grid), train.tokens_NHW, 1, engine=engine, advance=advance
    )
    distances_BT = found.distances_QK.reshape(windows, frames)
    summary = NearDuplicates(
        bits_quantiles=tuple(np.quantile(distances_BT, QUANTILES).tolist()),
        frames=distances_BT.size,
        share=None if near_bits is None else float(np.mean(distances_BT < near_bits)),
    )
    return summary, distances_BT, found.indices_QK.reshape(windows, frames)
