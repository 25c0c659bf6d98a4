"""Held-out and training windows side by side, shown through the same noise.

A database that is asked for exact matches finds none, of frames or of actions, in either clip; what a predictor has
learned suffers alike in both. The noise of a frame depends on the seed, its window and its place in it, never on the
batch it is shown in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.data.truth import ClipTruth
from harness.data.windows import window_frames
from harness.spec import CHALLENGE, ChallengeSpec

_Value = TypeVar("_Value", bound=np.generic)

FLIPPED_BITS = 0.08
"""Share of a shown frame's bits that are flipped; about one token in five stays whole."""
ACTION_NOISE = 0.05
"""Standard deviation of the noise on an action, in units of its column's own in the training windows."""


@dataclass(frozen=True, kw_only=True)
class SideBySide:
    """The windows of two clips with the same action columns: held-out ones first, then training ones."""

    heldout: ClipTruth
    train: ClipTruth

    @property
    def num_actions(self) -> int:
        """Action columns (A)."""
        return self.heldout.num_actions

    @property
    def num_heldout(self) -> int:
        """How many windows are held out; the index of the first training window."""
        return len(self.heldout.starts)

    def tokens_at(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.uint32]:
        """Frame t of these windows: uint32 `[B, H, W]`."""
        return self._look_up(windows_B, lambda truth, own_B: truth.tokens_at(own_B, t))

    def actions_until(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.float32]:
        """The raw actions that led to frame t: float32 `[B, S, A]`, as `ClipTruth` has them."""
        return self._look_up(windows_B, lambda truth, own_B: truth.actions_until(own_B, t))

    def _look_up(
        self, windows_B: NDArray[np.int64], values: Callable[[ClipTruth, NDArray[np.int64]], NDArray[_Value]]
    ) -> NDArray[_Value]:
        is_train_B = windows_B >= self.num_heldout
        found = np.concatenate(
            [
                values(self.heldout, windows_B[~is_train_B]),
                values(self.train, windows_B[is_train_B] - self.num_heldout),
            ]
        )
        in_order = np.empty_like(found)
        in_order[np.argsort(is_train_B, kind="stable")] = found
        return in_order


@dataclass(frozen=True, kw_only=True)
class NoisedTruth:
    """What a guest is shown of `clean`; predictions are scored against `clean` itself.

    Attributes:
        clean: the windows as they are.
        seed: of the noise, not negative.
        flipped_bits: share of each frame's bits; the number is exact, which ones is drawn.
        action_noise: in standard deviations of each column over the training windows' frames.
    """

    clean: SideBySide
    seed: int
    flipped_bits: float = FLIPPED_BITS
    action_noise: float = ACTION_NOISE
    spec: ChallengeSpec = CHALLENGE

    @property
    def num_actions(self) -> int:
        """Action columns (A)."""
        return self.clean.num_actions

    def tokens_at(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.uint32]:
        """Frame t of these windows, noised: uint32 `[B, H, W]`."""
        shown_BHW = self.clean.tokens_at(windows_B, t)
        for b, window in enumerate(windows_B.tolist()):
            shown_BHW[b] ^= self._flips(window, t)
        return shown_BHW

    def actions_until(self, windows_B: NDArray[np.int64], t: int) -> NDArray[np.float32]:
        """The raw actions that led to frame t, noised: float32 `[B, S, A]`; block 0 repeats row 0."""
        shown_BSA = self.clean.actions_until(windows_B, t)
        rows = self.spec.stride if t else 1  # fifteen noises on one repeated row would average out
        for b, window in enumerate(windows_B.tolist()):
            noise_SA = self._rng(window, t, 1).normal(size=(rows, self.num_actions))
            shown_BSA[b] += self.action_noise * self._action_spread_A * noise_SA
        return shown_BSA

    @cached_property
    def _action_spread_A(self) -> NDArray[np.float64]:
        """Of the training clip for both kinds, so that its size does not tell them apart."""
        train = self.clean.train
        frames_BT = window_frames(train.starts, self.spec)
        spread_A: NDArray[np.float64] = train.clip.actions_at(frames_BT).std(axis=(0, 1), dtype=np.float64)
        return spread_A

    def _flips(self, window: int, t: int) -> NDArray[np.uint32]:
        """A 1 for every bit that is flipped: uint32 `[H, W]`."""
        token_bits = (self.spec.vocab - 1).bit_length()
        bits = self.spec.tokens_per_frame * token_bits
        is_flipped = np.zeros(bits, np.uint32)
        count = round(self.flipped_bits * bits)
        is_flipped[self._rng(window, t, 0).choice(bits, size=count, replace=False)] = 1
        bit_values = np.uint32(1) << np.arange(token_bits, dtype=np.uint32)
        flips_HW: NDArray[np.uint32] = (
            is_flipped.reshape(self.spec.height, self.spec.width, token_bits) @ bit_values
        )
        return flips_HW

    def _rng(self, window: int, t: int, what: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(window, t, what)))
