"""The reveal rule: what may have been shown before a prediction is asked for.

When the prediction of raw frame r is asked for, no frame of its segment later than r - stride has been revealed,
in this batch or any earlier one. A violation means the entry can look a neighbour 33 ms away up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.windows import Segments, window_frames
from harness.spec import CHALLENGE, ChallengeSpec


@dataclass(frozen=True, kw_only=True)
class Leak:
    """One prediction asked for after its answer's neighbourhood was shown; raw frame numbers."""

    segment: int
    target: int
    revealed: int


def first_leak(
    starts: NDArray[np.int64],
    batches: Iterable[NDArray[np.int64]],
    segments: Segments,
    spec: ChallengeSpec = CHALLENGE,
    *,
    shown: int | None = None,
) -> Leak | None:
    """The first violation of the reveal rule when `batches` (indices into `starts`) are served in order, or None.

    Within a batch all windows advance together: frame t - 1 of every window is revealed, then frame t of every
    window is asked for. At its end the last frames count as revealed: token by token, nearly all of them was.
    Where only the first `shown` frames of a window are ever revealed, only those after them are asked for.
    """
    shown = spec.window if shown is None else shown
    first_target = 1 if shown == spec.window else shown
    latest_S = np.full(len(segments.begins), -1, np.int64)
    for batch in batches:
        frames_BT = window_frames(starts[batch], spec)
        segment_B = segments.holding(starts[batch])
        for t in range(first_target, spec.window):
            np.maximum.at(latest_S, segment_B, frames_BT[:, min(t, shown) - 1])
            leaking = np.flatnonzero(latest_S[segment_B] > frames_BT[:, t] - spec.stride)
            if len(leaking):
                window = leaking[0]
                segment = segment_B[window]
                return Leak(
                    segment=int(segment), target=int(frames_BT[window, t]), revealed=int(latest_S[segment])
                )
        np.maximum.at(latest_S, segment_B, frames_BT[:, shown - 1])
    return None
