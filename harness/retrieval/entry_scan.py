"""What a built entry holds, and whether training frames lie in its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from harness.progress import Progress
from harness.retrieval.frame_index import FrameIndex
from harness.retrieval.report import EntryScan


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
    """What the entry's files hold; files that cannot be read are said to be `missing`, nothing is raised for them.

    `size_bytes` and `num_files` are those of the built entry, `sent_bytes` what the submission unpacked to.
    """
    raise NotImplementedError
