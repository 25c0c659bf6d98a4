"""What an organiser reads before an entry is approved, safe to show on a terminal."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from harness.intake.archive import Entry, EntryFile
from harness.intake.finding import Finding
from harness.intake.findings import findings
from harness.intake.manifest import EntryManifest
from harness.intake.required import SCRIPTS
from harness.intake.sources import Sources, readable, sources

_NUM_LARGEST = 10


@dataclass(frozen=True, kw_only=True)
class Review:
    """An entry at a glance.

    Attributes:
        sha256, size_bytes: of the zip; approval is of these bytes and no others.
        unpacked_bytes: of all files.
        manifest: as declared.
        files: all files, sorted by name.
        largest: the ten largest, largest first.
        scripts: (name, text) of build.sh and evaluate.py; what does not print is shown as an escape.
        sources: the other text files, as many as a person reads.
        notes: what intake found worth knowing.
        findings: where to read first, see `harness.intake.findings`.
    """

    sha256: str
    size_bytes: int
    unpacked_bytes: int
    manifest: EntryManifest
    files: tuple[EntryFile, ...]
    largest: tuple[EntryFile, ...]
    scripts: tuple[tuple[str, str], ...]
    sources: Sources
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


def review(entry: Entry, *, handed_out: Collection[str]) -> Review:
    """What there is to know about `entry` without running it; `handed_out` are digests of what wmc hands out."""
    by_size = sorted(entry.files, key=lambda file: (-file.size_bytes, file.name))
    return Review(
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
        unpacked_bytes=entry.unpacked_bytes,
        manifest=entry.manifest,
        files=entry.files,
        largest=tuple(by_size[:_NUM_LARGEST]),
        scripts=tuple((name, readable((entry.folder / name).read_bytes())) for name in SCRIPTS),
        sources=sources(entry, handed_out=handed_out),
        notes=entry.notes,
        findings=findings(entry),
    )
