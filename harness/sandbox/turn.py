"""Who may run on this machine meanwhile: grades beside each other, a program that holds the truth beside none.

A container that was shown a whole clip could hand its bits on through the page cache, and to any other one that runs
at the same time.
"""

from __future__ import annotations

import fcntl
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import SandboxUnavailable
from harness.sandbox.built import writing


class Turn:
    """One sandbox's part in a lock that every sandbox of the same cache folder knows."""

    def __init__(self, cache: Path) -> None:
        self._path = cache / "runs.lock"
        self._descriptors: list[int] = []
        weakref.finalize(self, _close_all, self._descriptors)

    def share(self) -> None:
        """From now on, until this process ends or lets it go, no program that holds the truth runs beside us.

        Raises: SandboxUnavailable while one does; SandboxFailed.
        """
        if not self._descriptors:
            self._take(fcntl.LOCK_SH, "a program that was shown a whole clip runs on this machine")

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nothing else is built or run meanwhile.

        Raises: SandboxUnavailable while something is; SandboxFailed.
        """
        self.release()
        self._take(fcntl.LOCK_EX, "another grade is being made on this machine")
        try:
            yield
        finally:
            self.release()

    def release(self) -> None:
        """Take no part any more."""
        _close_all(self._descriptors)

    def _take(self, how: int, obstacle: str) -> None:
        with writing(self._path.parent):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise SandboxUnavailable(
                f"{obstacle}, and the two must not run at the same time",
                fix="wait until it is over, then grade again",
                code="sandbox.busy",
            ) from error
        self._descriptors.append(descriptor)


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())
