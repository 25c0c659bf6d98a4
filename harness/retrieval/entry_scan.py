"""What a built entry holds, and whether training frames lie in its files.

Searched for: runs of training frames as little-endian integers of 32 or 64 bits, or packed to 18 bits a token in one
of three orders, at any offset, so that headers do not hide them, and in any order of the frames. What is found is equal
to the training split in every bit. Not seen: frames that are compressed, encrypted, split into factors, turned,
changed in some tokens or kept apart by other bytes, and single ones. Files only: an entry that learned the frames by
heart holds none.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from harness.errors import SandboxFailed, SandboxUnavailable
from harness.progress import Progress
from harness.retrieval.frame_index import FrameIndex
from harness.retrieval.frame_search import Run, find_runs
from harness.retrieval.report import EntryFile, EntryScan, TrainingRun
from harness.text import spelled_out

LARGEST = 10
"""Files that a report names."""

MOST_RUNS = 100
"""Runs that a report names."""

_SHOWN_PATH = 200
_Item = TypeVar("_Item", bound=tuple[object, ...])


class ScannedFile(Protocol):
    """A file of the entry; its path is the entrant's own text."""

    @property
    def path(self) -> str: ...  # noqa: D102 - above

    @property
    def size_bytes(self) -> int: ...  # noqa: D102

    @property
    def chunks(self) -> Iterator[bytes]: ...  # noqa: D102


def scan_entry(
    files: AbstractContextManager[Iterable[ScannedFile]],
    index: FrameIndex,
    *,
    size_bytes: int,
    num_files: int,
    sent_bytes: int,
    parameters: float | None,
    progress: Progress,
) -> EntryScan:
    """What the entry's files hold. Where they cannot be read, `missing` says why, and nothing is raised.

    `size_bytes` and `num_files` are those of the built entry, `sent_bytes` what the submission unpacked to. Paths are
    spelled out: they can be shown anywhere.
    """
    scan = EntryScan(size_bytes=size_bytes, num_files=num_files, sent_bytes=sent_bytes, parameters=parameters)
    findings = _Findings()
    try:
        with files as opened, progress.step("scanning the entry's files", total=size_bytes) as advance:
            for file in opened:
                findings.look_at(file, index, advance)
    except (SandboxFailed, SandboxUnavailable) as error:
        # What was found before stays found.
        return replace(
            scan,
            largest=findings.largest,
            runs=findings.runs or None,
            missing=spelled_out(error.message, limit=500),
        )
    return replace(scan, largest=findings.largest, runs=findings.runs)


@dataclass(kw_only=True)
class _Findings:
    """What was found so far, never more than a report names."""

    _files: list[tuple[int, str]] = field(default_factory=list)
    _runs: list[tuple[int, int, str, Run]] = field(default_factory=list)
    _number: int = 0

    def look_at(self, file: ScannedFile, index: FrameIndex, advance: Callable[[int], None]) -> None:
        """Add one file."""
        path = spelled_out(file.path, limit=_SHOWN_PATH)
        _keep(self._files, (file.size_bytes, path), LARGEST)
        for run in find_runs(_counted(file.chunks, advance), index):
            self._number += 1
            _keep(self._runs, (run.frames, -self._number, path, run), MOST_RUNS)

    @property
    def largest(self) -> tuple[EntryFile, ...]:
        """The largest files, the largest first."""
        return tuple(
            EntryFile(path=path, size_bytes=size) for size, path in sorted(self._files, reverse=True)
        )

    @property
    def runs(self) -> tuple[TrainingRun, ...]:
        """The longest runs, the longest first."""
        return tuple(
            TrainingRun(
                path=path,
                offset=run.begin,
                layout=run.layout,
                frames=run.frames,
                train_frame=run.first_frame,
            )
            for _, _, path, run in sorted(self._runs, key=lambda item: item[:2], reverse=True)
        )


def _keep(heap: list[_Item], item: _Item, most: int) -> None:
    """`item` on the heap, unless there are enough larger ones."""
    heapq.heappush(heap, item)
    if len(heap) > most:
        heapq.heappop(heap)


def _counted(chunks: Iterable[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    for chunk in chunks:
        advance(len(chunk))
        yield chunk
