"""How exact a published figure is, and how it is written.

Figures are rounded before they leave the store: the last digits of a held-out loss help nobody but those who probe
the held-out data by submitting often.
"""

from __future__ import annotations

import math

from harness.scoring.perceptual import Metric
from harness.spec import CHALLENGE

DECIMALS = 4
"""Of losses in nats per token and of accuracies."""
FRAME_DECIMALS = 2
"""Of losses frame by frame: each is a figure that an entry can choose."""
METRIC_DECIMALS = {Metric.LPIPS: 4, Metric.PSNR: 2, Metric.SSIM: 4}
"""Of what pictures are worth; PSNR in decibels."""
DELTA_DECIMALS = 3
"""Of what an entry gives to a source's mistakes, in spreads of its answers."""
SHARE_DECIMALS = 4
LARGEST = float(math.ceil(2 * CHALLENGE.uniform_loss))
"""Nats per token; beyond it a loss is only called larger, or one absurd entry would flatten every chart."""
_BEYOND = 2 * LARGEST
"""Stands for all larger ones."""
NOTHING = "\N{EN DASH}"
"""Stands where there is no figure."""


def rounded(value: float) -> float:
    """A loss or an accuracy as it is published; what is absurd is cut off, for its digits would be anything at all."""
    return round(min(value, _BEYOND), DECIMALS)


def rounded_frame(value: float) -> float:
    """The loss of one frame as it is published."""
    return round(min(value, LARGEST), FRAME_DECIMALS)


def two_figures(seconds: float) -> float:
    """A time as it is published."""
    return float(f"{seconds:.2g}")


def loss(value: float | None) -> str:
    """`9.4312`, or `>25` far beyond guessing."""
    if value is not None and value > LARGEST:
        return f">{LARGEST:.0f}"
    return NOTHING if value is None else f"{value:.{DECIMALS}f}"


def signed(value: float) -> str:
    """`+0.8100`: a difference of losses, with its sign; beyond guessing only the sign is certain."""
    return f"{_sign(value)}{loss(abs(value))}"


def signed_frame(value: float) -> str:
    """`+0.81`: the same of one frame."""
    return f"{_sign(value)}{short_loss(abs(value))}"


def of_metric(value: float | None, metric: Metric) -> str:
    """`0.2071` for LPIPS and SSIM, `21.35` for PSNR."""
    return NOTHING if value is None else f"{value:.{METRIC_DECIMALS[metric]}f}"


def delta(value: float | None) -> str:
    """`+0.123`: extra nats given to a source's mistakes."""
    return NOTHING if value is None else f"{_sign(value)}{abs(value):.{DELTA_DECIMALS}f}"


def share(value: float | None) -> str:
    """`0.12%`."""
    return NOTHING if value is None else f"{100 * value:.{SHARE_DECIMALS - 2}f}%"


def probability(value: float) -> str:
    """`0.012`, or `<0.0001`."""
    return "<0.0001" if value < 1e-4 else f"{value:.2g}"


def short_loss(value: float | None) -> str:
    """`8.79`, for figures that are published with two decimals."""
    return NOTHING if value is None else f"{value:.2f}"


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
