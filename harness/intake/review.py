"""What an organiser reads before an entry is approved, safe to show on a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from harness.intake.archive import Entry, EntryFile
from harness.intake.finding import Finding
from harness.intake.findings import findings
from harness.intake.manifest import EntryManifest
from harness.intake.required import SCRIPTS
from harness.text import spelled_out

_NUM_LARGEST = 10
_MAX_LINE = 2000


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
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]


def review(entry: Entry) -> Review:
    """What there is to know about `entry` without running it."""
    by_size = sorted(entry.files, key=lambda file: (-file.size_bytes, file.name))
    return Review(
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
        unpacked_bytes=entry.unpacked_bytes,
        manifest=entry.manifest,
        files=entry.files,
        largest=tuple(by_size[:_NUM_LARGEST]),
        scripts=tuple((name, _readable((entry.folder / name).read_bytes())) for name in SCRIPTS),
        notes=entry.notes,
        findings=findings(entry),
    )


def _readable(text: bytes) -> str:
    """`text` line by line; only line ends and tabs survive unescaped, and they are where they seem to be."""
    lines = text.decode("utf-8", "backslashreplace").split("\n")
    return "\n".join(spelled_out(line.replace("\t", "    "), limit=_MAX_LINE) for line in lines)
