"""What a reviewer reads of an entry: its text files, programs first, as many as a person reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from harness.intake import required
from harness.intake.archive import Entry, EntryFile
from harness.intake.contents import content_of, head_of, program_of
from harness.text import spelled_out

SHOWN_BYTES = 100_000
"""Of text beside build.sh and evaluate.py, some 2,500 lines: the sources of a model, and not all that it vendors."""

_LEAST_BYTES = 200
"""That a file counts as: thousands of empty ones are too much, too."""
_MAX_LINE = 2000


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The text files of an entry beside build.sh, evaluate.py and wmc.toml.

    Attributes:
        shown: (name, text); what does not print is shown as an escape.
        handed_out: names of those that are no program and byte for byte what wmc hands out.
        left_out: names of those for which no room was left.
    """

    shown: tuple[tuple[str, str], ...]
    handed_out: tuple[str, ...]
    left_out: tuple[str, ...]


def sources(entry: Entry, *, handed_out: Collection[str]) -> Sources:
    """Programs before other text, what is nearest to the root first, while they are `SHOWN_BYTES` together.

    `handed_out` are digests of files.
    """
    shown, ours, left_out, room = [], [], [], SHOWN_BYTES
    for is_other, file in sorted(_texts(entry), key=lambda each: (each[0], each[1].reading_order)):
        if is_other and file.sha256 in handed_out:
            ours.append(file.name)
        elif (needed := max(file.size_bytes, _LEAST_BYTES)) > room:
            left_out.append(file.name)
        else:
            room -= needed
            shown.append((file.name, readable((entry.folder / file.name).read_bytes())))
    return Sources(shown=tuple(shown), handed_out=tuple(ours), left_out=tuple(left_out))


def _texts(entry: Entry) -> Iterator[tuple[bool, EntryFile]]:
    """Each such file, and whether it is no program that we know."""
    for file in entry.files:
        if file.name in required.REQUIRED:
            continue
        head = head_of(entry.folder / file.name)
        if content_of(head) is None:
            yield program_of(file.name, head) is None, file


def readable(text: bytes) -> str:
    """`text` line by line; only line ends and tabs survive unescaped, and they are where they seem to be."""
    lines = text.decode("utf-8", "backslashreplace").split("\n")
    return "\n".join(spelled_out(line.replace("\t", "    "), limit=_MAX_LINE) for line in lines)
