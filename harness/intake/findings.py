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
from harness.intake.contents import HEAD_BYTES, content_of, program_of
from harness.intake.finding import Finding, Kind, Mention, UnreadableError
from harness.intake.limits import DEFAULT_LIMITS
from harness.intake.template import shell_lines

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
    program = program_of(file.name, head)
    if program == "python":
        yield from _in_script(path, file, python_source.mentions)
    elif program == "shell":
        yield from _in_script(path, file, _own_shell)
    elif content := content_of(head):
        yield Finding(kind=Kind.BINARY, file=file.name, what=f"{content}, {file.size_bytes:,} bytes")


def _own_shell(source: bytes) -> Iterator[Mention]:
    """What is the entrant's own: a finding in what wmc hands out would be in nearly every entry, and read by nobody."""
    everybodys = shell_lines()
    return (mention for mention in shell_source.mentions(source) if mention.what not in everybodys)


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
