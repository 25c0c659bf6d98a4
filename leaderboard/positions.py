"""Where in the frame an entry's losses lie, from the per-token losses that its grade kept."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.disk.whole_file import whole_file
from harness.protocol.regimes import Regime
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport
from harness.spec import CHALLENGE
from leaderboard.figures import LARGEST

SHADES = 12
"""Steps of colour."""
_DECIMALS = 2
"""A map is looked at. Two digits still carry out what an entry hides there: held-out data has no public map."""
_KEPT = "maps"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_WORDS = (("upper", "middle", "lower"), ("left", "centre", "right"))


@dataclass(frozen=True, kw_only=True)
class PositionMap:
    """Mean loss at each position of the frame in nats per token, over windows and predicted frames.

    `losses_HW` has a row of the frame in each tuple, the uppermost first.
    """

    losses_HW: tuple[tuple[float, ...], ...]

    @property
    def low(self) -> float:
        """The smallest of them."""
        return min(map(min, self.losses_HW))

    @property
    def high(self) -> float:
        """The largest of them."""
        return max(map(max, self.losses_HW))

    @property
    def in_words(self) -> str:
        """For those who do not see it: the extremes, and where they lie."""
        where = {loss: (h, w) for h, row in enumerate(self.losses_HW) for w, loss in enumerate(row)}
        return "; ".join(
            f"{word} {loss:.{_DECIMALS}f} at row {where[loss][0] + 1}, column {where[loss][1] + 1}"
            for word, loss in (("lowest", self.low), ("highest", self.high))
        )

    def ninths(self) -> Iterator[tuple[str, float]]:
        """The mean loss of each ninth of the frame, by name: the map for those who do not see it."""
        losses_HW = np.array(self.losses_HW)
        for vertical, rows_HW in zip(_WORDS[0], np.array_split(losses_HW, 3), strict=True):
            for horizontal, ninth_HW in zip(_WORDS[1], np.array_split(rows_HW, 3, axis=1), strict=True):
                yield f"{vertical} {horizontal}", float(ninth_HW.mean())


@dataclass(frozen=True, kw_only=True)
class Shading:
    """What the same colours mean in all maps of a page: losses from `low` to `high`."""

    low: float
    high: float

    def squares(self, position_map: PositionMap) -> Iterator[tuple[int, str]]:
        """For each shade that occurs, an SVG path of the positions that have it, one unit each."""
        span = max(self.high - self.low, 10.0**-_DECIMALS)
        paths: dict[int, list[str]] = {}
        for h, row in enumerate(position_map.losses_HW):
            for w, loss in enumerate(row):
                shade = min(SHADES - 1, int((loss - self.low) / span * SHADES))
                paths.setdefault(shade, []).append(f"M{w} {h}h1v1h-1z")
        yield from ((shade, "".join(paths[shade])) for shade in sorted(paths))


def shading(maps: Iterable[PositionMap]) -> Shading:
    """The colours that hold all of these maps."""
    every = list(maps)
    return Shading(low=min(each.low for each in every), high=max(each.high for each in every))


def position_maps(report: GradeReport, store: Path) -> Mapping[Regime, PositionMap]:
    """A map for each regime whose losses are in the store at this folder, as they were recorded."""
    found = {regime: result and loss_by_position(result, store) for regime, result in report.regimes.items()}
    return {regime: position_map for regime, position_map in found.items() if position_map}


def loss_by_position(result: RegimeReport, store: Path) -> PositionMap | None:
    """The regime's map; None where its file is gone, or is not the one that the record names.

    A map that was made once is kept in the store under its file's digest, for reading all losses takes long; it can
    be removed, and is made again. Where nothing can be written nothing is kept.
    """
    if not _DIGEST.fullmatch(result.tokens_sha256):
        return None
    kept = store / _KEPT / f"{result.tokens_sha256}.json"
    with suppress(OSError, ValueError, TypeError):
        found = _checked(np.array(json.loads(kept.read_text("utf-8")), np.float64))
        if found:
            return found
    made = _made(result, store)
    if made:
        with suppress(OSError):
            kept.parent.mkdir(exist_ok=True)
            with whole_file(kept, durable=False) as file:
                file.write(json.dumps(made.losses_HW).encode())
    return made


def _made(result: RegimeReport, store: Path) -> PositionMap | None:
    path = (store / result.tokens_file).resolve()
    if not path.is_relative_to(store.resolve()):
        return None
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != result.tokens_sha256:
        return None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            nats_BTHW = np.asarray(kept["nats"])
    except (ValueError, KeyError, zipfile.BadZipFile):
        return None
    if nats_BTHW.ndim != 4:
        return None
    return _checked(np.minimum(nats_BTHW, LARGEST).mean(axis=(0, 1), dtype=np.float64))


def _checked(losses_HW: NDArray[np.float64]) -> PositionMap | None:
    """The map of these losses; None if they are not of one frame."""
    if losses_HW.shape != (CHALLENGE.height, CHALLENGE.width) or not np.isfinite(losses_HW).all():
        return None
    return PositionMap(losses_HW=tuple(tuple(map(float, row)) for row in losses_HW.round(_DECIMALS)))
