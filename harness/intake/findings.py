"""Where a reviewer should look: what an entry's files say of network, programs, pickles and code made while it runs.

Nothing here is a verdict. Honest entries start programs and load pickles, and one that wants to hide can. These lines
say where to read first; what cannot be searched, or read by a person at all, says so itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.intake import python_source, shell_source
from harness.intake.archive import Entry, EntryFile
from harness.intake.contents import HEAD_BYTES, content_of
from harness.intake.finding import Finding, Kind, Mention, UnreadableError
from harness.intake.limits import DEFAULT_LIMITS

VERY_LARGE_BYTES = 1 << 30


def findings(entry: Entry) -> tuple[Finding, ...]:
    """All of them by kind, file and line; nothing of the entry is run or imported."""
    found = [each for file in entry.files for each in _in_file(entry.folder / file.name, file)]
    order = list(Kind)
    found.sort(key=lambda each: (order.index(each.kind), each.file, each.line or 0, each.what))
    return tuple(found)


def _in_file(path: Path, file: EntryFile) -> Iterator[Finding]:
    if file.size_bytes >= VERY_LARGE_BYTES:
        yield Finding(kind=Kind.LARGE, file=file.name, what=f"{file.size_bytes:,} bytes")
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if file.name.endswith(".py") or _runs_in(head, b"python"):
        yield from _in_script(path, file, python_source.mentions)
    elif file.name.endswith((".sh", ".bash")) or _runs_in(head, b"sh"):
        yield from _in_script(path, file, shell_source.mentions)
    elif content := content_of(head):
        yield Finding(kind=Kind.BINARY, file=file.name, what=f"{content}, {file.size_bytes:,} bytes")


def _runs_in(head: bytes, program: bytes) -> bool:
    """Whether the first line names a program like this."""
    return head.startswith(b"#!") and program in head.split(b"\n", 1)[0]


def _in_script(
    path: Path, file: EntryFile, mentions: Callable[[bytes], Iterator[Mention]]
) -> Iterator[Finding]:
    """What a script mentions, each name once: where first, and how often."""
    if file.size_bytes > DEFAULT_LIMITS.script_bytes:
        yield Finding(
            kind=Kind.UNREAD, file=file.name, what=f"{file.size_bytes:,} bytes are too long to be read"
        )
        return
    try:
        every = sorted(mentions(path.read_bytes()), key=lambda mention: mention.line)
    except UnreadableError as error:
        yield Finding(kind=Kind.UNREAD, file=file.name, what=str(error))
        return
    times = Counter((mention.kind, mention.what) for mention in every)
    for mention in every:
        if count := times.pop((mention.kind, mention.what), 0):
            yield Finding(
                kind=mention.kind, file=file.name, line=mention.line, what=mention.what, times=count
            )
