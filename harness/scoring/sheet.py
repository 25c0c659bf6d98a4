"""The score sheet of one regime: every graded token, and the means that are taken of them once, at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.data.tokens import factorize
from harness.protocol.host import Prediction
from harness.scoring.bootstrap import mean_interval
from harness.scoring.cross_entropy import token_nats
from harness.spec import CHALLENGE, ChallengeSpec


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What one regime is worth; losses in nats per token.

    Attributes:
        loss: mean over windows, predicted frames and positions.
        loss_ci: its 95% bootstrap interval, clustered by window.
        token_accuracy: share of tokens with both factors right.
        loss_by_frame: mean over windows and positions, per predicted frame in order.
        windows: how many were graded; the sample size of the interval.
    """

    loss: float
    loss_ci: tuple[float, float]
    token_accuracy: float
    loss_by_frame: tuple[float, ...]
    windows: int


@dataclass(kw_only=True)
class ScoreSheet:
    """Collects committed predictions of `num_windows` windows; frames are counted from `targets[0]`.

    Attributes:
        nats_BTHW: float64, NaN where nothing was recorded yet.
        tokens_BTHW: uint32, what the entry predicted.
        correct_BTHW: bool, whether both factors were right.
    """

    num_windows: int
    targets: range
    spec: ChallengeSpec = CHALLENGE
    nats_BTHW: NDArray[np.float64] = field(init=False)
    tokens_BTHW: NDArray[np.uint32] = field(init=False)
    correct_BTHW: NDArray[np.bool_] = field(init=False)
    _nats: float = field(init=False, default=0.0)
    _tokens: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        shape = (self.num_windows, len(self.targets), self.spec.height, self.spec.width)
        self.nats_BTHW = np.full(shape, np.nan)
        self.tokens_BTHW = np.zeros(shape, np.uint32)
        self.correct_BTHW = np.zeros(shape, np.bool_)

    def record(self, prediction: Prediction) -> None:
        """Score one frame of some windows."""
        at = (prediction.windows_B, self.targets.index(prediction.t))
        factors_BHWF = factorize(prediction.target_BHW, self.spec)
        nats_BHW = token_nats(prediction.log_softmax, factors_BHWF)
        self.nats_BTHW[at] = nats_BHW
        self._nats += float(nats_BHW.sum())
        self._tokens += nats_BHW.size
        self.tokens_BTHW[at] = prediction.tokens_BHW
        self.correct_BTHW[at] = prediction.tokens_BHW == prediction.target_BHW

    @property
    def loss_so_far(self) -> float:
        """Mean nats per token of what was recorded: to watch, not to keep."""
        return self._nats / max(1, self._tokens)

    def split(self, parts: int) -> tuple[ScoreSheet, ...]:
        """Sheets of `parts` equal runs of windows; they share this one's arrays."""
        sheets = []
        arrays = (self.nats_BTHW, self.tokens_BTHW, self.correct_BTHW)
        for nats_BTHW, tokens_BTHW, correct_BTHW in zip(
            *(np.split(array, parts) for array in arrays), strict=True
        ):
            sheet = ScoreSheet(num_windows=len(nats_BTHW), targets=self.targets, spec=self.spec)
            sheet.nats_BTHW, sheet.tokens_BTHW, sheet.correct_BTHW = nats_BTHW, tokens_BTHW, correct_BTHW
            sheets.append(sheet)
        return tuple(sheets)

    @property
    def window_losses_B(self) -> NDArray[np.float64]:
        """Mean nats per token of each window, NaN for windows that are not complete."""
        losses_B: NDArray[np.float64] = self.nats_BTHW.mean(axis=(1, 2, 3))
        return losses_B

    def total(self, rng: np.random.Generator) -> Scores:
        """The scores of a complete sheet; a partial one has none.

        Raises: ValueError when a token is missing.
        """
        losses_B = self.window_losses_B
        if not np.isfinite(losses_B).all():
            raise ValueError(
                f"{np.isnan(losses_B).sum()} of {self.num_windows} windows are not completely scored"
            )
        return Scores(
            loss=float(losses_B.mean()),
            loss_ci=mean_interval(losses_B, rng),
            token_accuracy=float(self.correct_BTHW.mean()),
            loss_by_frame=tuple(self.nats_BTHW.mean(axis=(0, 2, 3)).tolist()),
            windows=self.num_windows,
        )
