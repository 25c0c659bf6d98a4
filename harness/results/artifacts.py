"""The files that a record names: which they are, and whether they are still what was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StoreFailed
from harness.results.regime_report import RegimeReport
from harness.results.report import GradeReport

_RESTORE = "restore the store from a copy, or grade the entry again"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file below the store, and the sha256 that its record gives it."""

    file: str
    sha256: str


def artifacts_of(report: GradeReport) -> tuple[Artifact, ...]:
    """Every file that this record names, once."""
    return tuple(dict.fromkeys(_named(report)))


def artifacts_of_regime(result: RegimeReport) -> Iterator[Artifact]:
    """The files that this regime's figures name, one of them perhaps twice."""
    yield Artifact(file=result.tokens_file, sha256=result.tokens_sha256)
    if result.samples:
        pairs = zip(result.samples.tokens_files, result.samples.tokens_sha256, strict=True)
        yield from (Artifact(file=file, sha256=sha256) for file, sha256 in pairs)
    yield from (Artifact(file=strip.file, sha256=strip.sha256) for strip in result.strips)


def read_artifact(store: Path, artifact: Artifact) -> bytes:
    """What is in the file, which is what was written.

    Raises: StoreFailed where it is not, or lies outside the store: a record that someone wrote must not be able to
    name any file of this host.
    """
    try:
        path = (store / artifact.file).resolve()
        if not path.is_relative_to(store.resolve()):
            raise _lost(artifact, "lies outside the store", "store.artifact_outside")
        content = path.read_bytes()
    except OSError as error:
        raise _lost(artifact, f"cannot be read: {error.strerror}", "store.artifact_missing") from error
    except ValueError as error:
        raise _lost(artifact, f"is no file's name: {error}", "store.artifact_missing") from error
    if hashlib.sha256(content).hexdigest() != artifact.sha256:
        raise _lost(artifact, "is not the file that its record names", "store.artifact_damaged")
    return content


def _named(report: GradeReport) -> Iterator[Artifact]:
    origin = report.provenance
    if origin.inventory_file and origin.inventory_sha256:
        yield Artifact(file=origin.inventory_file, sha256=origin.inventory_sha256)
    for result in filter(None, report.regimes.values()):
        yield from artifacts_of_regime(result)
    if report.open_run and (rescored := report.open_run.rescored):
        yield Artifact(file=rescored.tokens_file, sha256=rescored.tokens_sha256)
    check = report.retrieval
    if check:
        if check.evidence_file and check.evidence_sha256:
            yield Artifact(file=check.evidence_file, sha256=check.evidence_sha256)
        yield from (Artifact(file=picture.file, sha256=picture.sha256) for picture in check.pictures)


def _lost(artifact: Artifact, what: str, code: str) -> StoreFailed:
    return StoreFailed(f"{artifact.file} {what}", code=code, fix=_RESTORE)
