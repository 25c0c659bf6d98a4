"""How exact a published figure is, and how it is written.

Figures are rounded before they leave the store: the last digits of a held-out loss help nobody but those who probe
the held-out data by submitting often.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.notice import PRIVATE, PUBLIC, clamped, two_figures
from harness.scoring.perceptual import Metric
from harness.spec import CHALLENGE


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How many decimals are published.

    Attributes:
        loss: of losses in nats per token.
        accuracy: of the share of tokens that are right.
        frame: of losses frame by frame: each is a figure that an entry can choose.
        metric: of what pictures are worth; PSNR in decibels.
        delta: of what an entry gives to a source's mistakes, in spreads of its answers.
        share: of shares of frames and predictions.
        gap: of the train gap, which is measured on answers that cost an entry no score: it could choose them.
        probe: of what the second serving gave, which costs nothing either; None where it is not told.
    """

    loss: int
    accuracy: int
    frame: int
    metric: Mapping[Metric, int]
    delta: int
    share: int
    gap: int
    probe: int | None

    @property
    def step(self) -> float:
        """The smallest difference between two losses that can be seen."""
        return float(10.0**-self.loss)

    @property
    def lpips_step(self) -> float:
        """The same of LPIPS."""
        return float(10.0 ** -self.metric[Metric.LPIPS])


FULL = Precision(
    loss=PUBLIC.loss, accuracy=PUBLIC.accuracy, metric=PUBLIC.metrics, frame=2, delta=3, share=4, gap=4, probe=4
)  # fmt: skip
"""Of data that everybody has."""
COARSE = Precision(
    loss=PRIVATE.loss, accuracy=PRIVATE.accuracy, metric=PRIVATE.metrics, frame=1, delta=2, share=3, gap=1, probe=None
)  # fmt: skip
"""Of private data."""
LARGEST = float(math.ceil(2 * CHALLENGE.uniform_loss))
"""Nats per token; beyond it a loss is only called larger, or one absurd entry would flatten every chart."""
_SMALLEST_CHANCE = 1e-6
_BEYOND = 2 * LARGEST
"""Stands for all larger ones."""
_MOST_SPREADS = 10.0
"""Of delta; copiers were seen at one or two."""
NOTHING = "\N{EN DASH}"
"""Stands where there is no figure."""


class Figure(float):
    """A published figure, which knows how many of its decimals say something, and so is written with no more."""

    decimals: int

    def __new__(cls, value: float, decimals: int) -> Figure:
        """`value` rounded to these decimals."""
        made = float.__new__(cls, round(value, decimals))  # not super(): there are hundreds on every page
        made.decimals = decimals
        return made

    def __deepcopy__(self, _memo: Any) -> Figure:
        return self


def rounded(value: float, precision: Precision = FULL) -> Figure:
    """A loss as it is published; what is absurd is one figure, for its digits would be anything at all."""
    return Figure(_BEYOND if value > LARGEST else clamped(value, 0, LARGEST), precision.loss)


def rounded_frame(value: float, precision: Precision = FULL) -> Figure:
    """The loss of one frame as it is published."""
    return Figure(clamped(value, 0, LARGEST), precision.frame)


def rounded_gap(value: float, precision: Precision = FULL) -> Figure:
    """A difference of losses of the train gap's windows, or one of these losses."""
    return Figure(clamped(value, -LARGEST, LARGEST), precision.gap)


def rounded_probe(value: float, precision: Precision = FULL) -> float:
    """What the second serving gave; not a number where that is not told."""
    if precision.probe is None:
        return math.nan
    return Figure(clamped(value, -LARGEST, LARGEST), precision.probe)


def rounded_delta(value: float, precision: Precision = FULL) -> Figure:
    """Extra nats for a source's mistakes, in spreads."""
    return Figure(clamped(value, -_MOST_SPREADS, _MOST_SPREADS), precision.delta)


def rounded_share(value: float, decimals: int) -> Figure:
    """A share, from 0 to 1."""
    return Figure(clamped(value, 0, 1), decimals)


def rounded_chance(value: float) -> float:
    """A probability, to two figures; a millionth stands for all smaller ones."""
    return two_figures(clamped(value, _SMALLEST_CHANCE, 1))


def rounded_metric(value: float, metric: Metric, precision: Precision = FULL) -> Figure:
    """What pictures are worth."""
    return Figure(clamped(value, *metric.bounds), precision.metric[metric])


def decimals_of(value: float, otherwise: int) -> int:
    """How many decimals a figure is written with."""
    return value.decimals if isinstance(value, Figure) else otherwise


def figure(value: float, otherwise: int) -> str:
    """The figure with its own decimals."""
    return f"{value:.{decimals_of(value, otherwise)}f}"


def loss(value: float | None) -> str:
    """`9.4312`, of private data `9.43`, or `>25` far beyond guessing; a dash for one that is not announced."""
    if value is not None and value > LARGEST:
        return f">{LARGEST:.0f}"
    return NOTHING if value is None or math.isnan(value) else figure(value, FULL.loss)


def bits(nats: float) -> str:
    """`13.61 bits`; nothing far beyond guessing."""
    return f"{nats / math.log(2):.2f} bits" if nats <= LARGEST else ""


def signed(value: float) -> str:
    """`+0.8100`: a difference of losses, with its sign; beyond guessing only the sign is certain. A dash for none."""
    if math.isnan(value):
        return NOTHING
    return f"{_sign(value)}{loss(Figure(abs(value), decimals_of(value, FULL.loss)))}"


def signed_frame(value: float) -> str:
    """`+0.81`: the same of one frame."""
    return f"{_sign(value)}{short_loss(Figure(abs(value), decimals_of(value, FULL.frame)))}"


def of_metric(value: float | None, metric: Metric) -> str:
    """`0.2071` for LPIPS and SSIM, `21.35` for PSNR."""
    return NOTHING if value is None else figure(value, FULL.metric[metric])


def delta(value: float | None) -> str:
    """`+0.123`: extra nats given to a source's mistakes."""
    if value is None:
        return NOTHING
    return f"{_sign(value)}{abs(value):.{decimals_of(value, FULL.delta)}f}"


def share(value: float | None) -> str:
    """`0.12%`."""
    if value is None:
        return NOTHING
    return f"{100 * value:.{decimals_of(value, FULL.share) - 2}f}%"


def probability(value: float) -> str:
    """`0.012`, or `<0.0001`."""
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def short_loss(value: float | None) -> str:
    """`8.79`, for figures that are published with two decimals, or fewer."""
    return NOTHING if value is None else figure(value, FULL.frame)


def seconds(value: float | None) -> str:
    """`0.075`, `1.2` or `120`: two figures, never an exponent."""
    if value is None:
        return NOTHING
    if value <= 0:
        return "0"
    published = two_figures(value)
    return f"{published:.{max(0, 1 - math.floor(math.log10(published)))}f}"


def power_of_ten(value: float) -> tuple[str, int]:
    """Mantissa and exponent: 1.5e19 -> ("1.5", 19)."""
    mantissa, exponent = f"{value:.1e}".split("e")
    return mantissa.removesuffix(".0"), int(exponent)


def _sign(value: float) -> str:
    return "+" if value >= 0 else "\N{MINUS SIGN}"
