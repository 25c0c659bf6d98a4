"""Rows in a chain: every row's hash covers its own bytes and the hash of the row before, so that edits show.

A row is a record of a grade, or a decision of the organiser's (`harness.results.ledger`): one chain holds both in the
order in which they were written.

Whoever can write the store can hash it all anew. That shows only beside something out of their reach: a published
copy of `chain.head`, or a signature.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

GENESIS = "0" * 64
"""The hash before the first row."""

_PURPOSE = b"wmc record 1\n"  # so that no other thing we hash or sign can pass for a record


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row as it lies in the database; `previous` and `sha256` are None where wmc did not hash yet.

    `grade_id` of a decision is the name of its ledger and its number in it, such as withdrawals/3; `finished_at` is
    when it was written down, and `report` what was decided.
    """

    number: int
    grade_id: bytes
    finished_at: bytes
    report: bytes
    previous: str | None = None
    sha256: str | None = None

    @property
    def ledger(self) -> str | None:
        """The ledger that a decision stands in; None of a record, for no grade's id has a stroke."""
        ledger, stroke, _ = self.grade_id.partition(b"/")
        return ledger.decode("utf-8", "replace") if stroke else None

    def hashed_after(self, previous: str) -> str:
        """The hash of this row if the one before has the hash `previous`. The number is not in it: order is."""
        digest = hashlib.sha256(_PURPOSE)
        for part in (previous.encode(), self.grade_id, self.finished_at, self.report):
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Head:
    """How far the chain went when the last row was written: that row's number and hash."""

    rows: int
    sha256: str

    def to_bytes(self) -> bytes:
        """One line of JSON."""
        return json.dumps({"rows": self.rows, "sha256": self.sha256}).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> Head:
        """The inverse; from a published leaderboard.json, what it carries of the chain.

        Raises: ValueError.
        """
        value = json.loads(content)
        if isinstance(value, dict) and isinstance(published := value.get("chain"), dict):
            value = published
        if not isinstance(value, dict):
            raise ValueError("it is not an object")
        rows, sha256 = value.get("rows"), value.get("sha256")
        if not isinstance(rows, int) or not 0 <= rows < 1 << 63 or not isinstance(sha256, str):
            raise ValueError("it names no row and no hash")
        return cls(rows=rows, sha256=sha256)


class Kind(str, Enum):
    """What is wrong."""

    EDITED = "edited"
    MISSING = "missing"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    UNHASHED = "unhashed"
    HEAD = "head"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something wrong with the row of this number; None where no single row is meant."""

    kind: Kind
    row: int | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What a look at all rows gave.

    Attributes:
        rows: how many there are.
        unhashed: how many of them, the oldest, are from before rows were hashed. No row's hash is its own among them;
            the first hashed row covers them together.
        lag: rows that `chain.head` does not know yet: a crash right after a commit leaves one. No reason for alarm.
        head: of the rows that are there.
        findings: all that is wrong, by row; empty where nothing is.
    """

    rows: int
    unhashed: int
    lag: int
    head: Head
    findings: tuple[Finding, ...]


def running_hash(rows: Iterable[Row], before: str = GENESIS) -> str:
    """The hash that the row after these is chained to."""
    for row in rows:
        before = row.sha256 or row.hashed_after(before)
    return before


def contradiction(rows: Sequence[Row], head: Head) -> str | None:
    """Why these rows, in the order of their numbers, do not go on from where `head` was kept; None where they do."""
    last = rows[-1].number if rows else 0
    if head.rows > last:
        return f"{_rows(last + 1, head.rows)} missing at the end"
    if running_hash(row for row in rows if row.number <= head.rows) != head.sha256:
        return f"row {head.rows}, or one before it, is not the one that was there"
    return None


def check_chain(rows: Sequence[Row], head: Head | None) -> Chain:
    """What is wrong with these rows, in the order of their numbers; `head` is None where its file is not there."""
    walk = _Walk(rows=rows)
    for place in range(len(rows)):
        walk.look_at(place)
    last = Head(rows=rows[-1].number if rows else 0, sha256=walk.before)
    unhashed = next((place for place, row in enumerate(rows) if row.sha256), len(rows))
    findings = (*walk.findings, *_head_findings(walk, last, head, is_hashed=unhashed < len(rows)))
    return Chain(
        rows=len(rows),
        unhashed=unhashed,
        lag=max(0, last.rows - head.rows) if head else 0,
        head=last,
        findings=findings,
    )


@dataclass(kw_only=True)
class _Walk:
    """Looks at one row after the other; `before` is the hash of the last one."""

    rows: Sequence[Row]
    before: str = GENESIS
    hashes: dict[int, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    seen: dict[bytes | str, int] = field(default_factory=dict)
    _trusted: bool = True  # whether `before` is what the row before was written with

    def __post_init__(self) -> None:
        self.number_of = {row.sha256: row.number for row in reversed(self.rows) if row.sha256}
        self.ranks = _ranks(self.rows)

    def look_at(self, place: int) -> None:
        """Check the row at this place against itself and the one before."""
        row = self.rows[place]
        expected = self.rows[place - 1].number + 1 if place else 1
        if row.number > expected:
            self._add(Kind.MISSING, expected, f"{_rows(expected, row.number - 1)} missing", by_name=False)
            self._trusted = False
        if row.sha256 is None:
            if any(earlier.sha256 for earlier in self.rows[:place]):
                self._add(
                    Kind.UNHASHED,
                    row.number,
                    "has no hash although rows before it have one: added by other means",
                )
            self._trusted = True
        else:
            self._check_hashed(place, row)
        self.before = row.sha256 or row.hashed_after(self.before)
        self.hashes[row.number] = self.before
        for key in (row.grade_id, row.sha256):
            if key is not None:
                self.seen.setdefault(key, row.number)

    def _check_hashed(self, place: int, row: Row) -> None:
        twin = self.seen.get(row.sha256 or "", self.seen.get(row.grade_id))
        is_whole = row.hashed_after(row.previous or "") == row.sha256
        if twin is not None:
            self._add(Kind.DUPLICATED, row.number, f"repeats row {twin}")
        elif not is_whole:
            self._add(Kind.EDITED, row.number, "does not have its hash any more: its text was edited")
        elif row.previous != self.before and self._trusted:
            self._misplaced(place, row)
        self._trusted = twin is None and is_whole

    def _misplaced(self, place: int, row: Row) -> None:
        """The row is as it was written, and the one before it is not the one it was written after."""
        follows = self.number_of.get(row.previous or "")
        if follows is not None:
            if self.ranks.get(row.number) != place:
                self._add(Kind.REORDERED, row.number, f"was written after what is now row {follows}")
        elif place and self.rows[place - 1].sha256 is None:
            message = f"was written after other rows than the {place} without a hash that are now before it"
            self._add(Kind.EDITED, row.number, message)
        else:
            self._add(Kind.MISSING, row.number, "was written after a row that is not there any more")

    def _add(self, kind: Kind, number: int, message: str, *, by_name: bool = True) -> None:
        text = f"row {number} {message}" if by_name else message
        self.findings.append(Finding(kind=kind, row=number, message=text))


def _ranks(rows: Sequence[Row]) -> dict[int, int]:
    """The place that each row had when it was written, by its number, as far as hashes lead."""
    first = next((place for place, row in enumerate(rows) if row.sha256), len(rows))
    after = {row.previous: row for row in reversed(rows[first:])}
    before = running_hash(rows[:first])
    ranks: dict[int, int] = {}
    while (row := after.pop(before, None)) and row.sha256:
        ranks[row.number] = first + len(ranks)
        before = row.sha256
    return ranks


def _head_findings(walk: _Walk, last: Head, head: Head | None, *, is_hashed: bool) -> Iterable[Finding]:
    if head is None:
        if is_hashed:
            yield Finding(
                kind=Kind.HEAD, row=None, message="chain.head is not there: rows at the end may be missing"
            )
    elif head.rows > last.rows:
        message = f"{_rows(last.rows + 1, head.rows)} missing at the end: chain.head was written after them"
        yield Finding(kind=Kind.MISSING, row=last.rows + 1, message=message)
    elif head.sha256 != (walk.hashes.get(head.rows) if head.rows else GENESIS):
        message = f"row {head.rows} is not the one that chain.head was written after"
        yield Finding(kind=Kind.HEAD, row=head.rows, message=message)


def _rows(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"
