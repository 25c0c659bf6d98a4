"""Figures that stand beside the ranked ones but were not graded here."""

from __future__ import annotations

from dataclasses import dataclass

from harness.spec import CHALLENGE


@dataclass(frozen=True, kw_only=True)
class Line:
    """A loss worth knowing, drawn through the ranked list at its place.

    Attributes:
        name: its name in the exports and in the stylesheet.
        loss: nats per token.
    """

    name: str
    title: str
    loss: float
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A result somebody published; units as in `harness.results.regime_report.RegimeReport`, LPIPS without one."""

    user: str
    entry: str
    data_name: str
    source: str
    loss: float
    token_accuracy: float
    lpips: float
    seconds_per_frame: float


PRIZE = Line(
    name="prize",
    title="Prize line",
    loss=CHALLENGE.prize_loss,
    meaning="a loss below it wins on the private held-out set only; on other data it is no more than a mark",
)
UNIFORM = Line(
    name="uniform",
    title="Uniform guessing",
    loss=CHALLENGE.uniform_loss,
    meaning=f"every token equally likely: {CHALLENGE.factors} ln {CHALLENGE.factor_vocab}",
)
LINES = (PRIZE, UNIFORM)

_HUB = "https://huggingface.co/1x-technologies/"

PUBLISHED = (
    Reference(
        user="1X",
        entry="GENIE_138M",
        data_name="val_v1.1",
        source=f"{_HUB}GENIE_138M",
        loss=8.79,
        token_accuracy=0.0320,
        lpips=0.207,
        seconds_per_frame=0.075,
    ),
    Reference(
        user="1X",
        entry="GENIE_35M",
        data_name="val_v1.1",
        source=f"{_HUB}GENIE_35M",
        loss=8.99,
        token_accuracy=0.0301,
        lpips=0.217,
        seconds_per_frame=0.030,
    ),
)
