"""Counts of a factor given the same cell one frame ago and given its left neighbour, interpolated.

A whole frame is predicted from the last frame alone; token by token, the left neighbour helps too.

Axes: B windows, H rows, W columns, N = H*W positions in raster order, F the two factors of a token, V values of a
factor, K components (position, before, left), S raw rows of actions, A action columns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tables import Counts, tables

COUNTS = Path(__file__).with_name("counts.npz")


class Predictor:
    """A mixture of three tables; `causal`, so it answers token by token as well."""

    causal = True

    def __init__(self, counts: Path = COUNTS) -> None:
        with np.load(counts) as file:
            seen = Counts(file["position_HWFV"], file["before_FUV"], file["left_FUV"])
            model = tables(seen, float(file["smoothing"]))
            frame_FK = file["frame_weights_FK"].astype(np.float32)
            token_FK = file["token_weights_FK"].astype(np.float32)
        # Weights are multiplied in once, here; contexts of both factors lie in one table, at rows f * 512 + value.
        position_NFV = model.position_HWFV.reshape(256, 2, 512)
        self._frame_position_NFV = position_NFV * frame_FK[:, 0, None]
        self._frame_before_UV = (model.before_FUV * frame_FK[:, 1, None, None]).reshape(1024, 512)
        self._token_position_NFV = position_NFV * token_FK[:, 0, None]
        self._token_before_UV = (model.before_FUV * token_FK[:, 1, None, None]).reshape(1024, 512)
        self._token_left_UV = (model.left_FUV * token_FK[:, 2, None, None]).reshape(1024, 512)

    def reset(self, batch: int) -> None:
        """Forget the last batch."""
        self._p_BNFV = np.empty((batch, 256, 2, 512), np.float32)
        self._last_BN = np.zeros((batch, 256), np.uint32)
        self._next_BN = np.zeros((batch, 256), np.uint32)
        self._position = 0

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:  # noqa: ARG002 - blind to actions
        """Remember the frame; whatever was known of its tokens is old."""
        self._last_BN = frame_BHW.reshape(len(frame_BHW), 256)
        self._position = 0

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits [B,16,16,2,512] and tokens [B,16,16] of the next frame."""
        p_BNFV = self._p_BNFV
        np.take(self._frame_before_UV, _rows(self._last_BN), axis=0, out=p_BNFV, mode="clip")
        p_BNFV += self._frame_position_NFV
        best_BNF = p_BNFV.argmax(-1)
        tokens_BN = (best_BNF[..., 0] + 512 * best_BNF[..., 1]).astype(np.uint32)
        logits_BNFV = np.log(p_BNFV, out=p_BNFV)
        return logits_BNFV.reshape(-1, 16, 16, 2, 512), tokens_BN.reshape(-1, 16, 16)

    def predict_token(self) -> np.ndarray:
        """Logits [B,2,512] of the next token in raster order."""
        last_BF = _rows(self._last_BN[:, self._position])
        if self._position % 16 == 0:  # no left neighbour: the weights of a whole frame
            p_BFV = self._frame_position_NFV[self._position] + self._frame_before_UV[last_BF]
            return np.log(p_BFV, out=p_BFV)
        left_BF = _rows(self._next_BN[:, self._position - 1])
        p_BFV = self._token_position_NFV[self._position] + self._token_before_UV[last_BF]
        p_BFV += self._token_left_UV[left_BF]
        return np.log(p_BFV, out=p_BFV)

    def observe_token(self, token_B: np.ndarray) -> None:
        """The true token at the position just predicted; after a whole frame, that frame is the last one."""
        self._next_BN[:, self._position] = token_B
        self._position += 1
        if self._position == 256:
            self._last_BN, self._next_BN = self._next_BN, np.zeros_like(self._next_BN)
            self._position = 0


def _rows(tokens: np.ndarray) -> np.ndarray:
    """Where the tables keep each token's factors: `[...]` -> `[..., F]`."""
    return np.stack([tokens % 512, 512 + tokens // 512], -1)
