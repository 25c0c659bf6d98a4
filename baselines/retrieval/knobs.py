"""`retrieval.json`: how the entry searches, what it copies, and how it hides that."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE_NAME = "retrieval.json"
RAW_RATE = 30  # frames of a clip in a second
STRIDE = 15  # raw frames between two frames of a window
FITTED = "fitted"

_CHOICES = {
    "metric": ("last", "last_four", "coarse"),
    "weights": ("equal", "by_distance"),
    "honest": ("unigram", "ngram"),
    "frames_per_second": (2, 6, 10, 30),  # those that keep what is a stride apart
}
_RANGES = {"neighbours": (1, 1000), "blend": (0, 1), "noise": (0, 0.5), "windows": (0, 1)}


class KnobsError(ValueError):
    """Says which knob is wrong, and what it may be."""


@dataclass(frozen=True)
class Knobs:
    """One way to cheat.

    Attributes:
        metric: what is near: in bits of the `last` frame, of the `last_four`, or in the number of bits set in each
            cell of a `coarse` 4x4 grid.
        neighbours: how many training frames are looked up.
        weights: of their successors: `equal`, or less the farther away, `by_distance`.
        honest: what is mixed in: counts by position (`unigram`), and after the same cell's last value (`ngram`).
        blend: the successors' share of the mixture, or `fitted` to the training set.
        noise: share of the successors' bits that are flipped before they are used.
        windows: share of the windows in which it cheats; in the others the honest model answers alone.
        frames_per_second: kept of the training set.
    """

    metric: str = "last"
    neighbours: int = 16
    weights: str = "equal"
    honest: str = "ngram"
    blend: float | str = FITTED
    noise: float = 0.0
    windows: float = 1.0
    frames_per_second: int = RAW_RATE

    @property
    def step(self) -> int:
        """Raw frames from one kept frame to the next."""
        return RAW_RATE // self.frames_per_second

    def __post_init__(self) -> None:
        """Find that every knob is one of its values. Raises: KnobsError."""
        for name, value in asdict(self).items():
            _check(name, value)


def read_knobs(path: Path) -> Knobs:
    """The knobs in a JSON object; those that it leaves out are as they are above. Raises: KnobsError."""
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KnobsError(f"{path} cannot be read: {error}") from error
    if not isinstance(table, dict):
        raise KnobsError(f'{path} is not a JSON object such as {{"neighbours": 1}}')
    known = [field.name for field in fields(Knobs)]
    unknown = [name for name in table if name not in known]
    if unknown:
        raise KnobsError(f"{path}: {unknown[0]!r} is not a knob; the knobs are {', '.join(known)}")
    return Knobs(**table)


def _check(name: str, value: object) -> None:
    if name in _CHOICES:
        if isinstance(value, (bool, float)) or value not in _CHOICES[name]:
            raise KnobsError(f"{name} is {value!r}; it may be {', '.join(map(str, _CHOICES[name]))}")
        return
    if name == "blend" and value == FITTED:
        return
    low, high = _RANGES[name]
    kinds, called = (int, "a whole number") if name == "neighbours" else ((int, float), "a number")
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        also = f" or {FITTED!r}" if name == "blend" else ""
        raise KnobsError(f"{name} is {value!r}; it may be {called} from {low} to {high}{also}")
