"""Where a reviewer should look: what an entry's files say of network, programs, pickles and code made while it runs.

Nothing here is a verdict. Honest entries start programs and load pickles, and one that wants to hide can. These lines
say where to read first; what cannot be searched, or read by a person at all, says so itself: an entry that is too much
for the search is one that was not searched, and never one in which nothing was found.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from harness.intake import python_source, shell_source
from harness.intake.archive import Entry, EntryFile
from harness.intake.contents import content_of, head_of, program_of
from harness.intake.finding import Finding, Kind, Mention, UnreadableError
from harness.intake.limits import DEFAULT_LIMITS
from harness.intake.template import shell_lines

VERY_LARGE_BYTES = 1 << 30
SEARCHED_BYTES = 1 << 22
"""Of an entry's scripts, some 100,000 lines: nobody reads more, and the worst ones that are known take 80 seconds."""
MOST_MENTIONS = 10_000
"""Of one script: more are made to be too many."""

_Search = Callable[[bytes], Iterator[Mention]]


def findings(entry: Entry) -> tuple[Finding, ...]:
    """All of them by kind, file and line; nothing of the entry is run or imported."""
    found: list[Finding] = []
    scripts: list[tuple[EntryFile, _Search]] = []
    for file in entry.files:
        head = head_of(entry.folder / file.name)
        if file.size_bytes >= VERY_LARGE_BYTES:
            found.append(Finding(kind=Kind.LARGE, file=file.name, what=f"{file.size_bytes:,} bytes"))
        if search := _search_of(file.name, head):
            scripts.append((file, search))
        elif content := content_of(head):
            found.append(
                Finding(kind=Kind.BINARY, file=file.name, what=f"{content}, {file.size_bytes:,} bytes")
            )
    found.extend(_in_scripts(entry.folder, scripts))
    order = list(Kind)
    found.sort(key=lambda each: (order.index(each.kind), each.file, each.line or 0, each.what))
    return tuple(found)


def _search_of(name: str, head: bytes) -> _Search | None:
    """How a script is searched; None for what is none."""
    searches: dict[str | None, _Search] = {"python": python_source.mentions, "shell": _own_shell}
    return searches.get(program_of(name, head))


def _own_shell(source: bytes) -> Iterator[Mention]:
    """What is the entrant's own: a finding in what wmc hands out would be in nearly every entry, and read by nobody."""
    everybodys = shell_lines()
    return (mention for mention in shell_source.mentions(source) if mention.what not in everybodys)


def _in_scripts(folder: Path, scripts: list[tuple[EntryFile, _Search]]) -> Iterator[Finding]:
    """What all scripts mention: those nearest to the root first, of one folder the smallest first, while they are few
    enough; each of the others is named.
    """
    room = SEARCHED_BYTES
    for file, search in sorted(scripts, key=lambda each: each[0].reading_order):
        if file.size_bytes > DEFAULT_LIMITS.script_bytes:
            yield _unread(file, f"{file.size_bytes:,} bytes are too long to be searched: read it by hand")
        elif file.size_bytes > room:
            yield _unread(
                file, f"the entry has more than {SEARCHED_BYTES:,} bytes of scripts: read it by hand"
            )
        else:
            room -= file.size_bytes
            try:
                yield from _in_script(file, search((folder / file.name).read_bytes()))
            except UnreadableError as error:
                yield _unread(file, str(error))


def _unread(file: EntryFile, why: str) -> Finding:
    return Finding(kind=Kind.UNREAD, file=file.name, what=why)


def _in_script(file: EntryFile, mentions: Iterator[Mention]) -> Iterator[Finding]:
    """What a script mentions, each name once: where first, and how often.

    Raises: UnreadableError where it is too much.
    """
    every = sorted(islice(mentions, MOST_MENTIONS + 1), key=lambda mention: mention.line)
    if len(every) > MOST_MENTIONS:
        raise UnreadableError(f"more than {MOST_MENTIONS:,} places to look at: read it by hand")
    times = Counter((mention.kind, mention.what) for mention in every)
    for mention in every:
        if count := times.pop((mention.kind, mention.what), 0):
            yield Finding(
                kind=mention.kind, file=file.name, line=mention.line, what=mention.what, times=count
            )
