"""The closed table of outcomes: what each code of a `WmcError` means, whose turn it is, and what to do.

The rows stand in `outcomes.toml`, which is the file to edit. Their texts are fixed, and so hold nothing that an entry
said or was shown: an error's own message may (a size, a token), and is the organiser's alone. See `harness.notice`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import Blame

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TABLE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One code.

    Attributes:
        blame: whose turn it is.
        counts_as_attempt: whether a grade that ends so is one of its sender's attempts: what is the entry's, or what an
            entry could bring about at will.
        cause: what happened, in one sentence.
        next_step: what to do about it.
    """

    code: str
    blame: Blame
    counts_as_attempt: bool
    cause: str
    next_step: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """The outcomes whose codes begin alike, in the order of the table.

    Attributes:
        title: what they are about.
        blame: whose turn it is where a row does not say otherwise.
    """

    prefix: str
    title: str
    blame: Blame
    outcomes: tuple[Outcome, ...]


@cache
def groups() -> tuple[Group, ...]:
    """The whole table."""
    table = tomllib.loads(TABLE.read_text("utf-8"))
    return tuple(_group(prefix, rows) for prefix, rows in table.items())


@cache
def outcomes() -> dict[str, Outcome]:
    """Every outcome by its code."""
    return {outcome.code: outcome for group in groups() for outcome in group.outcomes}


def outcome_of(code: str, blame: Blame) -> Outcome:
    """The outcome that a record names; one that the table does not know is told by whose turn it is, without its code.

    A record may be of another version of wmc.
    """
    return outcomes().get(code) or Outcome(
        code="unlisted",
        blame=blame,
        counts_as_attempt=blame is Blame.ENTRY,
        cause="This version of wmc has no words for how the command ended.",
        next_step="Read the record with the version of wmc that wrote it: `wmc explain CODE`.",
    )


def counts_as_attempt(code: str, blame: Blame) -> bool:
    """Whether a grade that failed so is one of its sender's attempts."""
    return outcome_of(code, blame).counts_as_attempt


def _group(prefix: str, rows: dict[str, Any]) -> Group:
    blame = Blame(rows["blame"])
    found = tuple(
        _outcome(f"{prefix}.{name}", row, blame) for name, row in rows.items() if isinstance(row, dict)
    )
    return Group(prefix=prefix, title=rows["title"], blame=blame, outcomes=found)


def _outcome(code: str, row: dict[str, Any], usual_blame: Blame) -> Outcome:
    blame = Blame(row.get("blame", usual_blame))
    return Outcome(
        code=code,
        blame=blame,
        counts_as_attempt=row.get("counts_as_attempt", blame is Blame.ENTRY),
        cause=row["cause"],
        next_step=row["next_step"],
    )
