"""How long work reports that it is getting on, without knowing who listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Reports that `amount` more units are done, and how it goes: a few words, none where nothing changed."""

    def __call__(self, amount: int = 1, /, *, status: str = "") -> None:
        """Report it."""
        ...


class Progress(Protocol):
    """Someone who shows steps of work; the command line's console is one."""

    def step(self, title: str, *, total: int | None = None) -> AbstractContextManager[Advance]:
        """A step of `total` units (None: unknown) that lasts as long as the context."""
        ...

    def note(self, text: str) -> None:
        """One line worth reading that is not an error."""
        ...


def unheard(_amount: int = 1, /, *, status: str = "") -> None:
    """An `Advance` that nobody listens to."""


class Silent:
    """Listens to nothing."""

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Advance]:  # noqa: ARG002 - nobody listens
        """A step nobody sees."""
        yield unheard

    def note(self, text: str) -> None:
        """Dropped."""
