"""What the host owns: the frames and actions of the graded windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.data.clips import Clip
from harness.data.windows import window_frames
from harness.spec import CHALLENGE, ChallengeSpec


@dataclass(frozen=True, kw_only=True)
class ClipTruth:
    """The graded windows of a clip, looked up by their index into `starts` (int64 `[B]`, all windows)."""

    clip: Clip
    starts: NDArray[np.int64]
    spec: ChallengeSpec = CHALLENGE

    @property
    def num_actions(self) -> int:
        """Action columns (A)."""
        return sum(self.clip.action_widths.values())

    def tokens_at(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.uint32]:
        """Frame t of these windows: uint32 `[B, H, W]`."""
        return self.clip.tokens_NHW[window_frames(self.starts[windows_B], self.spec)[:, t]]

    def actions_until(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.float32]:
        """The raw actions that led to frame t, its own included: float32 `[B, S, A]`; block 0 repeats row 0."""
        last_B = window_frames(self.starts[windows_B], self.spec)[:, t]
        back_S = np.arange(1 - self.spec.stride, 1) if t else np.zeros(self.spec.stride, np.int64)
        return self.clip.actions_at(last_B[:, None] + back_S)


@dataclass(frozen=True, kw_only=True)
class RandomTruth:
    """Random frames and resting actions, for a warm-up that gives nothing away."""

    num_actions: int
    rng: np.random.Generator
    spec: ChallengeSpec = CHALLENGE

    def tokens_at(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.uint32]:  # noqa: ARG002
        """Uniform tokens: uint32 `[B, H, W]`."""
        shape = (len(windows_B), self.spec.height, self.spec.width)
        return self.rng.integers(self.spec.vocab, size=shape, dtype=np.uint32)

    def actions_until(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.float32]:  # noqa: ARG002
        """Zeros: float32 `[B, S, A]`."""
        return np.zeros((len(windows_B), self.spec.stride, self.num_actions), np.float32)
