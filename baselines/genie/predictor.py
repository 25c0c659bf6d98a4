"""A Genie that answers the grader.

Axes: B windows, H rows, W columns, F the two factors of a token, V values of a factor, S raw rows of actions, A action
columns.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from cache import bytes_per_window
from checkpoint import load
from config import CheckpointError, GenieConfig
from rollout import Rollout, Sampling, order_noise

FOLDER = Path(__file__).parent
STEPS = 2  # MaskGIT steps; 1X published its numbers with two
SEED = 0  # of the order in which positions are settled
CHALLENGE_VOCAB = 2**18
CHALLENGE_POSITIONS = 256
LARGEST_BATCH = 64
CPU_BATCH = 4  # a CPU is busy with less than that; more only takes memory
CACHE_SHARE = 0.5  # of the GPU's free memory


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
    ) -> None:
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self._precision = precision
        self._model = load(checkpoint).to(self._device)
        config = self._model.config
        _check_challenge(config)
        noise_TKN = None if by_confidence else order_noise(config, steps, seed=SEED)
        self._sampling = Sampling(steps=steps, noise_TKN=noise_TKN)
        self._rollout: Rollout | None = None
        self.max_batch = _largest_batch(config, self._device, precision)

    @torch.inference_mode()
    def reset(self, batch: int) -> None:
        """Forget the last batch; its buffers serve again if they fit."""
        if self._rollout is None or self._rollout.batch != batch:
            self._rollout = None  # free the old buffers before the new ones are there
            self._rollout = Rollout(self._model, batch=batch, sampling=self._sampling, dtype=self._precision)
        self._rollout.clear()

    def observe(self, frame_BHW: np.ndarray, actions_BSA: np.ndarray) -> None:  # noqa: ARG002 - blind to actions
        """Take the frame as context."""
        self._begun().show(torch.from_numpy(frame_BHW.astype(np.int64)))

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


def _check_challenge(config: GenieConfig) -> None:
    """CheckpointError if this Genie speaks of other frames than the challenge's."""
    if (config.image_vocab_size, config.S) != (CHALLENGE_VOCAB, CHALLENGE_POSITIONS):
        raise CheckpointError(
            f"the checkpoint is for frames of {config.S} tokens out of {config.image_vocab_size}; "
            f"the challenge's have {CHALLENGE_POSITIONS} out of {CHALLENGE_VOCAB}",
            fix="take a checkpoint that was trained on the challenge's data",
        )


def _largest_batch(config: GenieConfig, device: torch.device, precision: torch.dtype) -> int:
    """How many windows at once the cache has room for."""
    if device.type != "cuda":
        return CPU_BATCH
    free_bytes, _ = torch.cuda.mem_get_info(device)
    needed = bytes_per_window(config, capacity=config.T, bytes_per_number=precision.itemsize)
    return max(1, min(LARGEST_BATCH, int(free_bytes * CACHE_SHARE / needed)))
