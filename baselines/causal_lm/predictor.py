"""A causal language model that answers the grader, frame by frame or token by token.

Axes: B windows, H rows, W columns, P tokens of a window, N tokens of a frame, F the two factors of a token, V values of
a factor, S raw rows of actions, A action columns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from cache import bytes_per_window
from checkpoint import load
from config import check_challenge
from model import FACTORS, joined
from reading import Reading, gumbel_noise
from torch import Tensor

FOLDER = Path(__file__).parent
CONTINUATIONS = 8  # of a frame, whose mean is its prediction
SEED = 0  # of their draws
LARGEST_BATCH = 64
CPU_CACHE_BYTES = 1 << 30
GPU_CACHE_SHARE = 0.5  # of the GPU's free memory


class Predictor:
    """Reads windows in raster order; a frame that it is not told token by token it draws for itself, K times."""

    causal = True

    def __init__(
        self,
        checkpoint: Path | str = FOLDER,
        *,
        continuations: int = CONTINUATIONS,
        device: str | None = None,
    ) -> None:
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._model = load(Path(checkpoint)).to(self._device)
        config = self._model.config
        check_challenge(config)
        self._noise_KNFV = gumbel_noise(self._model, continuations, seed=SEED)
        self._reading: Reading | None = None
        self._logits_BNFV = torch.empty(0)
        room = CPU_CACHE_BYTES
        if self._device.type == "cuda":
            room = int(torch.cuda.mem_get_info(self._device)[0] * GPU_CACHE_SHARE)
        self.max_batch = max(1, min(LARGEST_BATCH, room // bytes_per_window(config, continuations)))

    @torch.inference_mode()
    def reset(self, batch: int) -> None:
        """Forget the last batch; its buffers serve again if they fit."""
        config = self._model.config
        if self._reading is None or self._reading.batch != batch:
            self._reading = None  # free the old buffers before the new ones are there
            self._reading = Reading(self._model, batch=batch, noise_KNFV=self._noise_KNFV)
            shape = (batch, config.frame_tokens, FACTORS, config.factor_vocab)
            self._logits_BNFV = torch.empty(shape, device=self._device)
        self._reading.clear()

    @torch.inference_mode()
    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:  # noqa: ARG002 - blind to actions
        """Take the frame as context."""
        self._begun().show_frame(self._on_device(frame_BHW).flatten(1))

    @torch.inference_mode()
    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits [B,H,W,F,V] of the next frame, the mean over its continuations, and the likeliest tokens [B,H,W].

        The logits lie in an array that the next call fills anew.
        """
        reading, side = self._begun(), self._model.config.side
        reading.guess_frame(self._logits_BNFV)
        grid = (reading.batch, side, side)
        tokens_BN = joined(self._logits_BNFV.argmax(-1), self._model.config)
        tokens_BHW = tokens_BN.view(grid).cpu().numpy().astype(np.uint32)
        return self._logits_BNFV.view(*grid, FACTORS, -1).cpu().numpy(), tokens_BHW

    @torch.inference_mode()
    def predict_token(self) -> np.ndarray:
        """Logits [B,F,V] of the next token in raster order."""
        logits_BFV: np.ndarray = self._begun().next_logits().cpu().numpy()
        return logits_BFV

    @torch.inference_mode()
    def observe_token(self, token_B: np.ndarray) -> None:
        """The true token at the place just predicted."""
        self._begun().show_token(self._on_device(token_B))

    def _on_device(self, tokens_X: np.ndarray) -> Tensor:
        return torch.from_numpy(tokens_X.astype(np.int64)).to(self._device)

    def _begun(self) -> Reading:
        if self._reading is None:
            raise RuntimeError("call reset first: no window has begun")
        return self._reading
