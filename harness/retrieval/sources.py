"""The suspected sources of a grade, as a table for people.

Axes: B graded windows, T predicted frames (t = 1..15, index t - 1), H and W tokens, S suspected sources.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.windows import find_segments
from harness.retrieval.report import Source


def strongest_sources(
    sources_BT: NDArray[np.int64],
    support_BT: NDArray[np.float64],
    tokens_BTHW: NDArray[np.uint32],
    train: Clip,
    *,
    most: int,
) -> tuple[Source, ...]:
    """The sources with the largest positive support, the strongest first, at most so many.

    `sources_BT` are training frames, -1 where a prediction has none; `tokens_BTHW` is what was predicted.
    """
    suspected_BT = (sources_BT >= 0) & (support_BT > 0)
    window_S, index_S = np.nonzero(suspected_BT)
    order = np.argsort(-support_BT[window_S, index_S], kind="stable")[:most]
    window_S, index_S = window_S[order], index_S[order]
    frame_S = sources_BT[window_S, index_S]
    segments = find_segments(train.segment_ids_N)
    offset_S = frame_S - segments.begins[segments.holding(frame_S)]
    differing_SHW = tokens_BTHW[window_S, index_S] ^ np.asarray(train.tokens_NHW[frame_S])
    bits_S = np.bitwise_count(differing_SHW).sum(axis=(1, 2), dtype=np.int64)
    return tuple(
        Source(
            window=int(window),
            frame=int(index) + 1,
            train_segment=int(train.segment_ids_N[frame]),
            train_offset=int(offset),
            train_frame=int(frame),
            support=float(support_BT[window, index]),
            bits=int(bits),
        )
        for window, index, frame, offset, bits in zip(
            window_S, index_S, frame_S, offset_S, bits_S, strict=True
        )
    )
