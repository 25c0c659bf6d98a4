"""Of which data strangers may see pictures, maps of losses and figures of single windows. This one place decides it.

Not of held-out data: an entry that was shown its frames can draw them, and can write them into its losses, position by
position and window by window.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from harness.data.published import PUBLIC_VAL
from harness.results.public_data import PublicData
from harness.results.report import GradeReport

_WITH_DIGEST = re.compile(r"(?P<name>.+)@(?P<digest>[0-9a-f]{8,64})")


@dataclass(frozen=True, kw_only=True, order=True)
class Dataset:
    """What entries were graded on: anybody can give a folder any name, so the digest counts too."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """What the organiser shows; as it is made here, nothing.

    Attributes:
        shown: what pictures, maps and figures of single windows may be published of.
        withheld: whatever else was graded on.
        ambiguous: what was to be shown and fits several data sets, with their digests: none of them is.
        private: what was to be shown by its name alone and is not what everybody has, with the reason.
        unknown: what was to be shown and no grade is of.
    """

    shown: frozenset[Dataset] = frozenset()
    withheld: tuple[Dataset, ...] = ()
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    private: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    def covers(self, report: GradeReport) -> bool:
        """Whether the pictures and maps of this grade, as it was recorded, may be published."""
        return _dataset(report) in self.shown


def disclose(reports: Iterable[GradeReport], splits: Iterable[str] = PUBLIC_VAL) -> Disclosure:
    """What is shown where these records are all there is and the organiser named `splits`, as NAME or NAME@SHA256.

    Of the digest its first 8 hexadecimal digits suffice. A name alone shows public data only (`PublicData`): a copy of
    held-out data in a folder named val must not be published, nor may anybody have to notice it first.
    """
    reports = list(reports)
    public = PublicData(reports)
    digests: dict[str, set[str]] = defaultdict(set)
    for report in reports:
        if any(report.regimes.values()) or report.open_run:
            graded_on = _dataset(report)
            digests[graded_on.name].add(graded_on.sha256)
    shown: set[Dataset] = set()
    ambiguous: dict[str, tuple[str, ...]] = {}
    private: dict[str, str] = {}
    unknown: list[str] = []
    for split in splits:
        found = _WITH_DIGEST.fullmatch(split)
        name, begin = (found["name"], found["digest"]) if found else (split, "")
        fitting = sorted(digest for digest in digests.get(name, ()) if digest.startswith(begin))
        if not fitting:
            unknown.append(split)
        elif len(fitting) > 1:
            ambiguous[split] = tuple(fitting)
        elif not found and (reason := public.why_private(name, fitting[0])):
            private[split] = reason
        elif fitting[0]:  # a record that does not say what it was graded on is shown to nobody
            shown.add(Dataset(name=name, sha256=fitting[0]))
    every = {Dataset(name=name, sha256=digest) for name, each in digests.items() for digest in each}
    return Disclosure(
        shown=frozenset(shown),
        withheld=tuple(sorted(every - shown)),
        ambiguous=ambiguous,
        private=private,
        unknown=tuple(unknown),
    )


def _dataset(report: GradeReport) -> Dataset:
    origin = report.provenance
    return Dataset(name=origin.data_name or "", sha256=origin.data_sha256 or "")
