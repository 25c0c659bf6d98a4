"""What a reviewer is told to read, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """What a finding is about; the value is its name in JSON, the order is that in which they are shown."""

    UNREAD = "unread"
    NETWORK = "network"
    PROCESS = "process"
    PICKLE = "pickle"
    CODE = "code"
    SHELL = "shell"
    BINARY = "binary"
    LARGE = "large"

    @property
    def in_words(self) -> str:
        """As a reviewer reads it."""
        return {
            Kind.UNREAD: "scripts that were NOT searched: what is in them is not below",
            Kind.NETWORK: "opens network",
            Kind.PROCESS: "starts programs, or calls native code",
            Kind.PICKLE: "loads pickles, which run code",
            Kind.CODE: "makes code, or picks modules, while it runs",
            Kind.SHELL: "shell that fetches, installs, decodes or runs what it was given",
            Kind.BINARY: "no text: nobody reads it",
            Kind.LARGE: "very large files: one could hold a good part of the training set",
        }[self]


@dataclass(frozen=True, kw_only=True)
class Mention:
    """A place in one script: its line, counted from 1, and a name as Python resolves it, or a line of shell."""

    kind: Kind
    line: int
    what: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something to read in an entry.

    Attributes:
        file: where, below the entry's folder.
        line: the first line there, counted from 1; None where the whole file is meant.
        what: text of the entrant's or about a file; to be escaped.
        times: how often it is there.
    """

    kind: Kind
    file: str
    what: str
    line: int | None = None
    times: int = 1


class UnreadableError(Exception):
    """A script that cannot be searched, and why."""
