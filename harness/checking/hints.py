"""What an entrant may have got wrong, found in answers about a clip whose truth is the entrant's own.

Only `wmc check` listens with it: a hint about held-out video would give held-out truth away.

Axes: B windows, H rows, W columns, F factors of a token, V values of a factor, C ways to read logits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray

from harness.data.tokens import factorize
from harness.protocol.host import Prediction
from harness.spec import CHALLENGE

LEAST_GAIN = 0.5
"""Nats per token below which a better reading is not worth a word."""

NOISE = 6.0
"""Standard errors, over windows, that a gain must stand above."""

FAR_TOO_SURE = 3.0
"""Nats by which the frame that was shown must fit better, in logits that are worth less than none at all."""

_BITS = (CHALLENGE.factor_vocab - 1).bit_length()
_SWAPPED = (
    "the two factors were swapped: logits[..., 0, :] is for the least significant digit, token % 512, and "
    "logits[..., 1, :] for token // 512"
)
_TRANSPOSED = "rows and columns were swapped: logits[:, row, column] is for the token in that row and column"
_DESCENDING = "the values of a factor stood the other way round: logits[..., v] is for the value v"
_BITS_REVERSED = (
    "the bits of a factor stood the other way round: bit 0 of a value is its least significant one"
)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read logits; the first of `READINGS` is the right one.

    Attributes:
        mistakes: what an entry does that must be read like this, in words.
        swapped, transposed: factor 0 stands in the place of factor 1, row r in that of column r.
        place_V: where each value of a factor stands.
    """

    mistakes: tuple[str, ...]
    swapped: bool
    transposed: bool
    place_V: NDArray[np.int64]

    def nats_B(self, prediction: Prediction, frame_BHW: NDArray[np.uint32]) -> NDArray[np.float64]:
        """What this frame would cost, in nats per token, mean over positions."""
        factors_BHWF = factorize(frame_BHW)
        cells_BHWF = np.arange(factors_BHWF.size).reshape(factors_BHWF.shape)
        if self.swapped:
            cells_BHWF = cells_BHWF[..., ::-1]
        if self.transposed:
            cells_BHWF = cells_BHWF.swapaxes(1, 2)
        return _nats_B(prediction.log_softmax.at(cells_BHWF, self.place_V[factors_BHWF]))


def _readings() -> tuple[Reading, ...]:
    values_V = np.arange(CHALLENGE.factor_vocab)
    bits_VK = values_V[:, None] >> np.arange(_BITS) & 1
    places = {
        "": values_V,
        _DESCENDING: values_V[::-1],
        _BITS_REVERSED: (bits_VK << np.arange(_BITS)[::-1]).sum(1),
    }
    return tuple(
        Reading(
            mistakes=tuple(filter(None, (_SWAPPED * swapped, _TRANSPOSED * transposed, words))),
            swapped=swapped,
            transposed=transposed,
            place_V=place_V,
        )
        for (words, place_V), swapped, transposed in product(places.items(), (False, True), (False, True))
    )


READINGS = _readings()


@dataclass(kw_only=True)
class Listener:
    """Hears the temporally teacher-forced predictions of one entry, frame after frame of each batch.

    Attributes:
        heard: for each prediction its windows, and what readings of it cost, by name, float64 `[B]` each.
        all_probabilities: whether all logits of all frames look like probabilities.
        agreement: tokens that were compared with the logits' best ones, those that equal them, and those that do with
            their digits swapped.
    """

    heard: list[tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]] = field(default_factory=list)
    all_probabilities: bool = True
    agreement: NDArray[np.int64] = field(default_factory=lambda: np.zeros(3, np.int64))
    changed_bits: list[float] = field(default_factory=list)
    _shown: list[NDArray[np.uint32]] = field(default_factory=list)

    def record(self, prediction: Prediction) -> None:
        """Take note of one frame of some windows."""
        target_BHW = prediction.target_BHW
        costs = {
            str(number): reading.nats_B(prediction, target_BHW) for number, reading in enumerate(READINGS)
        }
        self.all_probabilities &= _look_like_probabilities(prediction.logits_BHWFV[0])
        if self.all_probabilities:
            costs["probabilities"] = _as_probabilities_B(prediction)
        if prediction.t == 1:
            self._shown.clear()
        if self._shown:
            costs["shown"] = READINGS[0].nats_B(prediction, self._shown[-1])
            self.changed_bits.append(float(np.bitwise_count(target_BHW ^ self._shown[-1]).mean()))
        if len(self._shown) > 1:
            costs["older"] = READINGS[0].nats_B(prediction, self._shown[-2])
        self._shown = [*self._shown[-1:], target_BHW]
        self.agreement += _agreement(prediction)
        self.heard.append((prediction.windows_B, costs))

    def hints(self) -> tuple[str, ...]:
        """What may be wrong, a sentence or two each; nothing where nothing stands out of the noise."""
        if not self.heard:
            return ()
        found = (self._misread() or self._tokens(), self._probabilities(), self._not_the_next())
        return tuple(hint for hint in found if hint)

    def _misread(self) -> str | None:
        costs = [self._cost(str(number)) for number in range(len(READINGS))]
        best = int(np.argmin([cost_B.mean() for cost_B in costs]))
        if not (_stands_out(costs[0] - costs[best]) and _knows_something(costs[best])):
            return None
        return (
            f"your loss would be {costs[best].mean():.2f} instead of {costs[0].mean():.2f} if "
            + ", and if ".join(READINGS[best].mistakes)
        )

    def _probabilities(self) -> str | None:
        if not self.all_probabilities:
            return None
        would_be, is_now = self._cost("probabilities").mean(), self._cost("0").mean()
        gain = f" (your loss would be {would_be:.2f} instead of {is_now:.2f})" if would_be < is_now else ""
        return (
            "your logits are probabilities: all of them lie in [0, 1] and each factor's add up to 1. Return what goes "
            f"into the softmax, or the probabilities' logarithm{gain}"
        )

    def _not_the_next(self) -> str | None:
        """Whether the logits are for a frame that was shown before, not for the one that comes."""
        shown_B, loss_B, older_B = self._cost("shown"), self._cost("0", like="shown"), self._cost("older")
        if not len(older_B):
            return None
        shown, loss, older = (cost_B.mean() for cost_B in (shown_B, loss_B, older_B))
        if _stands_out(self._cost("shown", like="older") - older_B) and _knows_something(older_B):
            return (
                f"your logits fit the last frame but one ({older:.2f} nats per token) better than the last "
                f"({shown:.2f}) or the next ({loss:.2f}): does observe keep the newest frame, and does predict use it?"
            )
        doubt = self._copying_with_the_right_doubt()
        worth_nothing = loss > 1 + max(CHALLENGE.uniform_loss, doubt)
        if not (worth_nothing and _stands_out(loss_B - shown_B, least=FAR_TOO_SURE)):
            return None
        return (
            f"your logits fit the frame that was shown last ({shown:.2f} nats per token), not the next ({loss:.2f}; a "
            f"uniform guess has {CHALLENGE.uniform_loss:.2f}): either predict is for the frame that was, not for the "
            "one that comes, or it is too sure that nothing changes. To repeat the last frame with as much doubt as "
            f"its bits do change would cost {doubt:.2f}"
        )

    def _copying_with_the_right_doubt(self) -> float:
        """Nats per token of the last frame with each bit flipped as often as bits do flip."""
        bits = CHALLENGE.factors * _BITS
        flip = float(np.clip(np.mean(self.changed_bits) / bits, 1e-9, 1 - 1e-9))
        return -bits * float(flip * np.log(flip) + (1 - flip) * np.log(1 - flip))

    def _tokens(self) -> str | None:
        compared, equal, swapped = self.agreement
        if not (compared and swapped > 0.9 * compared and equal < 0.5 * compared):
            return None
        return (
            "your tokens have their two digits in the other order than your logits: a token is "
            f"factor_0 + {CHALLENGE.factor_vocab} * factor_1"
        )

    def _cost(self, name: str, *, like: str | None = None) -> NDArray[np.float64]:
        """The mean over frames of what was noted under this name, per window; of those frames that have `like` too."""
        both = [
            (windows_B, costs[name])
            for windows_B, costs in self.heard
            if name in costs and (like is None or like in costs)
        ]
        if not both:
            return np.zeros(0)
        windows, which = np.unique(np.concatenate([windows_B for windows_B, _ in both]), return_inverse=True)
        sums = np.bincount(which, np.concatenate([nats_B for _, nats_B in both]), len(windows))
        means_B: NDArray[np.float64] = sums / np.bincount(which)
        return means_B


def _nats_B(logprobs_BHWF: NDArray[np.float64]) -> NDArray[np.float64]:
    nats_B: NDArray[np.float64] = -logprobs_BHWF.sum(-1).mean((1, 2))
    return nats_B


def _stands_out(gain_B: NDArray[np.float64], *, least: float = LEAST_GAIN) -> bool:
    """Whether windows agree that there is a gain."""
    if len(gain_B) < 2:
        return False
    noise = gain_B.std(ddof=1) / np.sqrt(len(gain_B))
    return bool(gain_B.mean() > max(least, NOISE * noise))


def _knows_something(nats_B: NDArray[np.float64]) -> bool:
    """Whether this is better than guessing; of two ways to read noise one is better too."""
    return bool(nats_B.mean() < CHALLENGE.uniform_loss - LEAST_GAIN)


def _look_like_probabilities(logits_HWFV: NDArray[np.floating]) -> bool:
    if logits_HWFV.min() < 0 or logits_HWFV.max() > 1:
        return False
    sums = logits_HWFV.sum(-1, dtype=np.float64)
    return bool(np.abs(sums - 1).max() < 0.02)  # half precision adds up badly


def _as_probabilities_B(prediction: Prediction) -> NDArray[np.float64]:
    factors_BHWF = factorize(prediction.target_BHW)
    given_BHWF = np.take_along_axis(prediction.logits_BHWFV, factors_BHWF[..., None], -1)[..., 0]
    return _nats_B(np.log(np.maximum(given_BHWF, 1e-9, dtype=np.float64)))


def _agreement(prediction: Prediction) -> NDArray[np.int64]:
    """Of one window: its tokens, those whose digits are the logits' best, and those with swapped digits that are."""
    best_HWF = prediction.logits_BHWFV[0].argmax(-1)
    digits_HWF = factorize(prediction.tokens_BHW[0])
    return np.array(
        [
            best_HWF[..., 0].size,
            (digits_HWF == best_HWF).all(-1).sum(),
            (digits_HWF[..., ::-1] == best_HWF).all(-1).sum(),
        ]
    )
