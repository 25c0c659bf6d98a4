"""What every submission that was reviewed or graded is made of: its files by digest, so that a later one shows what it
shares with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.disk.whole_file import whole_file
from harness.errors import StoreFailed
from harness.intake.archive import Entry
from harness.plain import from_plain, to_plain
from harness.results.moment import now
from harness.results.register import Person
from harness.results.store import Store

_FOLDER = "submissions"
_LEAST_BYTES = 64
"""Of a file that says something about where it comes from."""
_COMMON = 3
"""Other entrants that have a file before it is one that everybody has."""


@dataclass(frozen=True, kw_only=True)
class ListedFile:
    """A file's path below the entry's folder, size and digest."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A zip by its digest; `seen_at` is when it was first reviewed or graded, not when it was sent."""

    sha256: str
    user_name: str
    email_sha256: str
    entry_name: str
    seen_at: str
    files: tuple[ListedFile, ...]

    def is_by(self, person: Person) -> bool:
        """Whether it is by this entrant."""
        return self.email_sha256 == person.email_sha256 or self.user_name.casefold() == person.spelling


@dataclass(frozen=True, kw_only=True)
class SharedFile:
    """A file that is there byte for byte, and how it is called in the other submission."""

    name: str
    other_name: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """What an entry shares with one submission of another entrant.

    Attributes:
        share: of the entry's bytes, files that everybody has left out on both sides of the fraction.
        files: the largest first.
    """

    sha256: str
    user_name: str
    entry_name: str
    seen_at: str
    share: float
    files: tuple[SharedFile, ...]


def remember(store: Store, entry: Entry) -> None:
    """Keep what `entry` is made of, unless it is known. Raises: StoreFailed."""
    path = store.folder / _FOLDER / f"{entry.sha256}.json"
    manifest = entry.manifest
    submission = Submission(
        sha256=entry.sha256,
        user_name=manifest.user_name,
        email_sha256=manifest.email_sha256,
        entry_name=manifest.entry_name,
        seen_at=now(),
        files=tuple(
            ListedFile(name=file.name, size_bytes=file.size_bytes, sha256=file.sha256) for file in entry.files
        ),
    )
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as file:
                file.write(json.dumps(to_plain(submission)).encode())
    except OSError as error:
        raise StoreFailed(
            f"{path}: {error}", fix="name a folder that can be written, with free space, in --store"
        ) from error


def submissions(store: Store) -> list[Submission]:
    """All that are known, the oldest first.

    Raises: StoreFailed.
    """
    found = [_read(path) for path in (store.folder / _FOLDER).glob("[!.]*.json")]
    return sorted(found, key=lambda each: (each.seen_at, each.sha256))


def likenesses(entry: Entry, earlier: Iterable[Submission], ours: Collection[str]) -> tuple[Likeness, ...]:
    """What `entry` shares with submissions of other entrants, the most alike first; those that share nothing are none.

    Left out are the files with a digest in `ours`, which wmc itself hands out, those that several other entrants have,
    and tiny ones. A file that was changed by one byte is another file.
    """
    manifest = entry.manifest
    person = Person(user_name=manifest.user_name, email_sha256=manifest.email_sha256)
    others = [each for each in earlier if not each.is_by(person)]
    holders = Counter(
        digest for files in _by_entrant(others).values() for digest in {file.sha256 for file in files}
    )
    own = [
        file
        for file in entry.files
        if file.size_bytes >= _LEAST_BYTES and file.sha256 not in ours and holders[file.sha256] < _COMMON
    ]
    total = sum(file.size_bytes for file in own)
    found = []
    for other in others:
        names = {file.sha256: file.name for file in other.files}
        shared = [
            SharedFile(name=file.name, other_name=names[file.sha256], size_bytes=file.size_bytes)
            for file in own
            if file.sha256 in names
        ]
        if shared:
            found.append(_likeness(other, shared, total))
    return tuple(sorted(found, key=lambda each: (-each.share, each.seen_at, each.sha256)))


def _likeness(other: Submission, shared: Sequence[SharedFile], total: int) -> Likeness:
    return Likeness(
        sha256=other.sha256,
        user_name=other.user_name,
        entry_name=other.entry_name,
        seen_at=other.seen_at,
        share=sum(file.size_bytes for file in shared) / total,
        files=tuple(sorted(shared, key=lambda file: (-file.size_bytes, file.name))),
    )


def _by_entrant(every: Iterable[Submission]) -> dict[str, list[ListedFile]]:
    files: dict[str, list[ListedFile]] = {}
    for each in every:
        files.setdefault(each.email_sha256, []).extend(each.files)
    return files


def _read(path: Path) -> Submission:
    try:
        return from_plain(Submission, json.loads(path.read_text("utf-8")))
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreFailed(
            f"{path} is no list of a submission's files: {error!r}",
            code="store.bad_submission",
            fix="restore it from a copy, or remove it: it is made again when its zip is reviewed or graded",
        ) from error
