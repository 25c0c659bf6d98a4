"""What stands in a grade's journal, line by line, and what it comes to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.plain import from_plain, to_plain
from harness.protocol.regimes import Regime
from harness.results.artifacts import Artifact
from harness.results.regime_report import RegimeReport
from harness.results.report import EntryFacts, Provenance, Status

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The first line: all that is needed to ask for the same grade again.

    Attributes:
        request: the `GradeRequest`, plain, with absolute paths.
        policy: the `SandboxPolicy`, plain.
        provenance: as far as it is known before anything was looked at.
    """

    grade_id: str
    begun_at: str
    request: Mapping[str, Any]
    policy: Mapping[str, Any]
    provenance: Provenance
    version: int = VERSION


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A stage before the entry's first answer is done; everything known by then.

    Attributes:
        probes: what the retrieval check asks: digests of the training clip and of the probes; None without a check.
    """

    stage: str
    provenance: Provenance
    entry: EntryFacts = field(default_factory=EntryFacts)
    durations_s: Mapping[str, float] = field(default_factory=dict)
    probes: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A regime is done: these are its figures, and all that later stages need of it is on disk.

    Attributes:
        report: as it will be in the record, but for its pictures.
        answers: what the entry thinks of the retrieval check's probes; None for a regime it does not listen to.
        sandbox_details: what its sandbox said of itself once it was over; empty in older journals.
    """

    regime: Regime
    report: RegimeReport
    durations_s: Mapping[str, float]
    answers: Artifact | None = None
    sandbox_details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """Another process goes on; `sandbox_details` are those it found."""

    at: str
    sandbox_details: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The terminal record is in the store."""

    status: Status


@dataclass(frozen=True, kw_only=True)
class GivenUp:
    """It has its record, and nobody will go on from there: it is offered no more."""

    at: str


Line = Asked | Learned | Finished | Resumed | Ended | GivenUp
_KINDS: Mapping[str, type[Line]] = {
    "asked": Asked,
    "learned": Learned,
    "finished": Finished,
    "resumed": Resumed,
    "ended": Ended,
    "given_up": GivenUp,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True, kw_only=True)
class History:
    """What a journal says, altogether."""

    asked: Asked
    learned: Learned
    stages: tuple[str, ...] = ()
    finished: Mapping[Regime, Finished] = field(default_factory=dict)
    durations_s: Mapping[str, float] = field(default_factory=dict)
    resumes: int = 0
    has_ended: bool = False
    is_given_up: bool = False

    @property
    def grade_id(self) -> str:
        """Of the grade it is the journal of."""
        return self.asked.grade_id

    @property
    def stage(self) -> str:
        """How far it came, in words."""
        if self.finished:
            return f"after {list(self.finished)[-1].in_words}"
        return f"after {self.learned.stage}" if self.stages else "at its beginning"

    def after(self, line: Line) -> History:
        """The same and one more line."""
        if isinstance(line, Learned):
            stages = (*self.stages, line.stage)
            return replace(self, learned=line, stages=stages, durations_s=line.durations_s)
        if isinstance(line, Finished):
            finished = {**self.finished, line.regime: line}
            return replace(self, finished=finished, durations_s=line.durations_s)
        if isinstance(line, Resumed):
            return replace(self, resumes=self.resumes + 1)
        if isinstance(line, GivenUp):
            return replace(self, is_given_up=True)
        return replace(self, has_ended=True) if isinstance(line, Ended) else self


def beginning(asked: Asked) -> History:
    """What a journal of this one line says."""
    learned = Learned(stage="", provenance=asked.provenance)
    return History(asked=asked, learned=learned, resumes=asked.provenance.resumes)


def to_bytes(line: Line) -> bytes:
    """The line as it stands in the file, with its digest, without the end of line."""
    entry = {"kind": _NAMES[type(line)], "value": to_plain(line)}
    return json.dumps({**entry, "sha256": _digest(entry)}, allow_nan=False).encode()


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, allow_nan=False).encode()).hexdigest()


def from_bytes(line: bytes) -> Line:
    """The inverse of `to_bytes`.

    Raises: ValueError where it is not what that made.
    """
    entry = json.loads(line)
    try:
        sha256 = entry.pop("sha256")
        if _digest(entry) != sha256:
            raise ValueError("its digest is another one")
        return from_plain(_KINDS[entry["kind"]], entry["value"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"it is no line of a journal: {error!r}") from error
