"""Which ranks cannot be told apart: a rank is a place in a list, a band is what the windows say.

From the best entry on: whoever cannot be told from the first of a band is in the band, and the first who can begins
the next one. Where everybody has the data, the losses of the same windows are compared by a paired bootstrap; each of
the k entries behind the first is told from it with a chance of `ERROR` / k to be wrong (Bonferroni), so that a band is
cut short for nothing with a chance of `ERROR`. Of private data bands are made of what is published and nothing else,
as are those of records without losses by window: two entries are apart where their published intervals are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.results.regime_report import RegimeReport
from harness.scoring.bootstrap import Pairs

ERROR = 0.05
"""The chance that a band ends too early."""

Apart = Callable[[int, int, float], bool]
"""Whether the second of two entries, by their places from 0 on, is worse than the first, wrongly so with this chance
at most."""


@dataclass(frozen=True, kw_only=True, order=True)
class Band:
    """The ranks `first` to `last` cannot be told apart."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}\N{EN DASH}{self.last}"


def bands(ranks: Sequence[int], apart: Apart) -> list[Band]:
    """The band of each entry; `ranks` come best first, and equal ones are never parted."""
    begins: list[int] = []
    for place, rank in enumerate(ranks):
        first = begins[-1] if begins else 0
        tied = place > 0 and rank == ranks[place - 1]
        parted = place > 0 and not tied and apart(first, place, ERROR / (len(ranks) - 1 - first))
        begins.append(place if parted else first)
    size = {begin: begins.count(begin) for begin in set(begins)}
    return [Band(first=begin + 1, last=begin + size[begin]) for begin in begins]


def by_intervals(intervals: Sequence[tuple[float, float]]) -> Apart:
    """Apart where the published intervals are, lower being better."""

    def apart(better: int, worse: int, _chance: float) -> bool:
        return intervals[better][1] < intervals[worse][0]

    return apart


def by_windows(results: Sequence[RegimeReport]) -> Apart:
    """Apart by the losses of the same windows; by the intervals where a record has none."""
    intervals = by_intervals([result.loss_ci for result in results])
    known = [place for place, result in enumerate(results) if len(result.loss_by_window) == result.windows]
    if len(known) < 2:
        return intervals
    column = {place: number for number, place in enumerate(known)}
    losses_BN = np.array([results[place].loss_by_window for place in known]).T
    pairs = Pairs(losses_BN, np.random.default_rng(0))

    def apart(better: int, worse: int, chance: float) -> bool:
        if better not in column or worse not in column:
            return intervals(better, worse, chance)
        return pairs.low(column[worse], column[better], chance=chance) > 0

    return apart
