"""The pictures of graded windows that are published: found in the store, intact, and copied into the site."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import StoreFailed
from harness.protocol.regimes import Regime
from harness.results.regime_report import Strip
from harness.results.report import GradeReport
from harness.retrieval.report import SourcePicture
from harness.spec import CHALLENGE
from leaderboard.disclosure import Disclosure
from leaderboard.site_files import put

FOLDER = "samples"
"""Of the site."""

_FILE_NAME = re.compile(r"[0-9a-f]{64}\.(webp|png)|\.[0-9a-f]{64}\.(webp|png)(\.[0-9a-f]+)?\.unfinished")
"""What `copy_samples` writes, finished or not."""
_SUFFIXES = (".webp", ".png")
"""Of pictures; nothing else in the store is one."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One strip that may be published.

    Attributes:
        regime, window: which prediction of which graded window it shows, the window counted from 0.
        path: where it is in the site; a page at the site's top may name it so.
        alt: what it shows, for those who cannot see it.
        width, height: in pixels.
        source, sha256: where it is in the store, and what it must be.
    """

    regime: Regime
    window: int
    path: str
    alt: str
    width: int
    height: int
    source: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class SourceSample:
    """Prediction, truth and suspected training frame side by side, as they may be published.

    Attributes:
        window, frame, train_frame: see `harness.retrieval.report.Source`.
        path, alt, width, height, source, sha256: as in `Sample`.
    """

    window: int
    frame: int
    train_frame: int
    path: str
    alt: str
    width: int
    height: int
    source: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """The pictures of every grade that may be published, by grade_id, regimes in the order of the record.

    Attributes:
        samples: strips; a grade without any has no key.
        sources: pictures of suspected sources, likewise.
        disclosure: of which data anything is shown, and of which not.
        lost: pictures that a record names and the store does not hold as they were.
    """

    samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    sources: Mapping[str, tuple[SourceSample, ...]] = field(default_factory=dict)
    disclosure: Disclosure = field(default_factory=Disclosure)
    lost: tuple[str, ...] = ()


def open_gallery(reports: Iterable[GradeReport], store: Path, disclosure: Disclosure) -> Gallery:
    """What may be published of these records, as they are in the store's folder; nothing is copied yet."""
    samples: dict[str, tuple[Sample, ...]] = {}
    sources: dict[str, tuple[SourceSample, ...]] = {}
    lost: list[str] = []
    for report in filter(disclosure.covers, reports):
        found = []
        for regime, result in report.regimes.items():
            for strip in result.strips if result else ():
                source = _picture(strip, store)
                if source:
                    found.append(_sample(regime, strip, source))
                else:
                    lost.append(strip.file)
        if found:
            samples[report.grade_id] = tuple(found)
        pictures = report.retrieval.pictures if report.retrieval else ()
        if side_by_side := tuple(_side_by_side(pictures, store, lost)):
            sources[report.grade_id] = side_by_side
    return Gallery(samples=samples, sources=sources, disclosure=disclosure, lost=tuple(lost))


def copy_samples(samples: Iterable[Sample | SourceSample], site: Path) -> None:
    """Put these into the site's folder.

    Raises: StoreFailed when one is no longer what was recorded; OSError.
    """
    for sample in samples:
        content = sample.source.read_bytes()
        if hashlib.sha256(content).hexdigest() != sample.sha256:
            raise StoreFailed(
                f"{sample.source} was changed while the site was written",
                code="store.picture_changed",
                fix="run the command again",
            )
        (site / FOLDER).mkdir(exist_ok=True)
        put(site / sample.path, content)


def remove_other_samples(samples: Iterable[Sample | SourceSample], site: Path) -> None:
    """Remove what `copy_samples` once put there and is not one of these: what was public may not be any more.

    Raises: OSError.
    """
    kept = {Path(sample.path).name for sample in samples}
    for path in (site / FOLDER).glob("*"):
        if _FILE_NAME.fullmatch(path.name) and path.name not in kept:
            path.unlink()


def _picture(strip: Strip | SourcePicture, store: Path) -> Path | None:
    """Where the recorded picture is; None if it is gone, is another one, or lies outside the store.

    A record is a text file: whoever can write one must not be able to name any file of this host.
    """
    try:
        path = (store / strip.file).resolve()
        if not path.is_relative_to(store.resolve()) or path.suffix not in _SUFFIXES:
            return None
        content = path.read_bytes()
    except (OSError, ValueError):
        return None
    return path if hashlib.sha256(content).hexdigest() == strip.sha256 else None


def _sample(regime: Regime, strip: Strip, source: Path) -> Sample:
    given = regime.first_target()
    frames = f"{given} given frame{'s' if given > 1 else ''}, then {CHALLENGE.window - given}"
    return Sample(
        regime=regime,
        window=strip.window,
        path=f"{FOLDER}/{strip.sha256}{source.suffix}",
        alt=f"Window {strip.window}, {regime.in_words}: {frames} frames as they happened (above) and as predicted "
        "(below), half a second apart",
        width=strip.width,
        height=strip.height,
        source=source,
        sha256=strip.sha256,
    )


def _side_by_side(pictures: Iterable[SourcePicture], store: Path, lost: list[str]) -> Iterator[SourceSample]:
    """Those that the store holds as they were recorded; the files of the others are added to `lost`."""
    for picture in pictures:
        source = _picture(picture, store)
        if source is None:
            lost.append(picture.file)
            continue
        yield SourceSample(
            window=picture.window,
            frame=picture.frame,
            train_frame=picture.train_frame,
            path=f"{FOLDER}/{picture.sha256}{source.suffix}",
            alt=f"Window {picture.window}, frame {picture.frame}: as the entry predicted it (left), as it happened "
            f"(middle), and training frame {picture.train_frame}, which is suspected to be its source (right)",
            width=picture.width,
            height=picture.height,
            source=source,
            sha256=picture.sha256,
        )
