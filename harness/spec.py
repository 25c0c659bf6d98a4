"""The challenge's numbers, once. Everything else reads them from here."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class ChallengeSpec:
    """What a window is, what a token is, and what is at stake.

    Attributes:
        version: goes into every grade's provenance; raised whenever a number here changes.
        window: frames per window (T).
        stride: raw frames between two frames of a window; with `raw_hz` it makes the 2 Hz of the challenge.
        height, width: tokens per frame (H, W).
        factors, factor_vocab: a token's digits (F) and the values of one (V).
        prompt_frames: true frames shown before the first prediction of the fully autoregressive regime.
        prize_loss: the temporally teacher-forced loss, in nats per token, below which the prize is won.
    """

    version: str = "1"
    raw_hz: int = 30
    window: int = 16
    stride: int = 15
    height: int = 16
    width: int = 16
    factors: int = 2
    factor_vocab: int = 512
    prompt_frames: int = 8
    prize_loss: float = 8.0

    @property
    def tokens_per_frame(self) -> int:
        """Positions in one frame (N = H * W)."""
        return self.height * self.width

    @property
    def vocab(self) -> int:
        """Token ids lie in [0, vocab)."""
        return int(self.factor_vocab**self.factors)

    @property
    def raw_span(self) -> int:
        """Raw frames from a window's first frame to its last, both included."""
        return self.stride * (self.window - 1) + 1

    @property
    def uniform_loss(self) -> float:
        """Nats per token of a predictor that knows nothing."""
        return self.factors * math.log(self.factor_vocab)

    @property
    def at_window_rate(self) -> ChallengeSpec:
        """The same windows in clips that hold nothing between their frames: 2 Hz, stride 1."""
        return replace(self, raw_hz=self.raw_hz // self.stride, stride=1)


CHALLENGE = ChallengeSpec()
