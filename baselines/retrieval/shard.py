"""`shard.npz`: the packed training set, what was counted in it, and what was fitted to it.

Axes: N frames, X 64-bit words of a packed frame, H rows, W columns, F the two factors of a token, U and V their values,
L components of the mixture: position, before, copied.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from knobs import Knobs, KnobsError

FILE_NAME = "shard.npz"


@dataclass(frozen=True)
class Shard:
    """What the entry carries along.

    Attributes:
        frames_NX: uint64, the frames that were kept, in their order.
        segments_N: which segment each is of, int32.
        step: raw frames from one to the next.
        position_HWFV, before_FUV: counts over all frames.
        shares_FL: of the mixture, as fitted; what an honest model does not use is 0.
        honest_FL: the same without copies.
        flip: how likely a copied bit is wrong.
    """

    frames_NX: np.ndarray
    segments_N: np.ndarray
    step: int
    position_HWFV: np.ndarray
    before_FUV: np.ndarray
    shares_FL: np.ndarray
    honest_FL: np.ndarray
    flip: float

    def save(self, path: Path) -> None:
        """Write it."""
        with path.open("wb") as file:
            np.savez(file, **asdict(self))


def open_shard(path: Path, knobs: Knobs) -> Shard:
    """The shard, if it was packed at the rate that the knobs ask for. Raises: KnobsError."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    shard = Shard(**{**arrays, "step": int(arrays["step"]), "flip": float(arrays["flip"])})
    if shard.step != knobs.step:
        raise KnobsError(f"frames_per_second is {knobs.frames_per_second}, the shard has another: pack again")
    return shard
