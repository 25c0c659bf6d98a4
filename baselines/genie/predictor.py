"""A Genie that answers the grader.

Axes: B windows, H rows, W columns, F the two factors of a token, V values of a factor, S raw rows of actions, A action
columns.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from actions import RAW_ROWS
from cache import windows_that_fit
from checkpoint import load
from config import check_challenge
from model import Genie
from rollout import Rollout, Sampling, order_noise

FOLDER = Path(__file__).parent
STEPS = 2  # MaskGIT steps; 1X published its numbers with two
SEED = 0  # of the order in which positions are settled


class Predictor:
    """Temporally teacher-forced or on its own predictions: the cache is the same."""

    def __init__(
        self,
        checkpoint: Path | str = FOLDER,
        *,
        steps: int = STEPS,
        by_confidence: bool = False,
        device: str | None = None,
        precision: torch.dtype = torch.float32,
        compiled: bool = False,
    ) -> None:
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._precision = precision
        self._model = load(checkpoint).to(self._device)
        if compiled:
            compile_blocks(self._model)
        config = self._model.config
        check_challenge(config)
        noise_TKN = None if by_confidence else order_noise(config, steps, seed=SEED)
        self._sampling = Sampling(steps=steps, noise_TKN=noise_TKN)
        self._rollout: Rollout | None = None
        self.max_batch = windows_that_fit(config, capacity=config.T, device=self._device, dtype=precision)

    @torch.inference_mode()
    def reset(self, batch: int) -> None:
        """Forget the last batch; its buffers serve again if they fit."""
        if self._rollout is None or self._rollout.batch != batch:
            self._rollout = None  # free the old buffers before the new ones are there
            self._rollout = Rollout(self._model, batch=batch, sampling=self._sampling, dtype=self._precision)
        self._rollout.clear()

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:
        """Take the frame as context, and the actions if this Genie was trained with such."""
        width = self._model.config.action_width
        if width and actions_BSA.shape[1:] != (RAW_ROWS, width):
            raise RuntimeError(
                f"the actions are {list(actions_BSA.shape[1:])} a frame; this Genie knows [{RAW_ROWS}, {width}]"
            )
        actions = torch.from_numpy(actions_BSA.astype(np.float32)) if width else None
        self._begun().show(torch.from_numpy(frame_BHW.astype(np.int64)), actions)

    @torch.inference_mode()
    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits [B,H,W,F,V] of the first MaskGIT step and tokens [B,H,W] of the last."""
        is_low = self._precision != torch.float32
        with torch.autocast(self._device.type, dtype=self._precision if is_low else None, enabled=is_low):
            tokens_BHW, logits_BHWFV = self._begun().predict()
        return logits_BHWFV.cpu().numpy(), tokens_BHW.cpu().numpy().astype(np.uint32)

    def _begun(self) -> Rollout:
        if self._rollout is None:
            raise RuntimeError("call reset first: no window has begun")
        return self._rollout


def compile_blocks(model: Genie, backend: Any = "inductor") -> None:
    """Have torch compile the model's blocks when they are first used: one graph for all of them, however long the past.

    It takes a minute or so and pays where many small kernels wait for each other, on a GPU.
    """
    for layer in model.decoder.layers:
        layer.compile(dynamic=True, backend=backend)
