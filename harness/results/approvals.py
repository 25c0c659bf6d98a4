"""What an organiser decided about a zip after reading it: approval is of these bytes, and of no others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from harness.results.ledger import Ledger
from harness.results.moment import now
from harness.results.store import Store

_LEDGER = Ledger(
    name="reviews", columns=("decision", "submission_sha256", "user_name", "entry_name", "by_whom", "note")
)


class Verdict(str, Enum):
    """The decision; the last one about a zip counts."""

    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who decided what, and when.

    Attributes:
        submission_sha256: of the zip that was read.
        user_name, entry_name: as its manifest has them.
        by: who read it, as they call themselves.
        note: what they want remembered; may be empty.
        at: UTC.
    """

    verdict: Verdict
    submission_sha256: str
    user_name: str
    entry_name: str
    by: str
    note: str = ""
    at: str = ""


def decide(store: Store, decision: Decision) -> tuple[Decision, bool]:
    """The decision that holds from now on, with its time, and whether it did before.

    An approval of what is approved adds nothing: the first reader's stands. All else is kept, a second rejection too,
    for its note may say more.

    Raises: StoreFailed.
    """
    at = now()
    with _LEDGER.open(store) as entries:
        last = _last_about(entries, decision.submission_sha256)
        if last and last.verdict is decision.verdict is Verdict.APPROVED:
            return last, True
        entries.add(
            at=at,
            decision=decision.verdict.value,
            submission_sha256=decision.submission_sha256,
            user_name=decision.user_name,
            entry_name=decision.entry_name,
            by_whom=decision.by,
            note=decision.note,
        )
    return replace(decision, at=at), False


def last_decision(store: Store, submission_sha256: str) -> Decision | None:
    """What was decided last about a zip; None where nobody has.

    Raises: StoreFailed.
    """
    return _last_about(_LEDGER.rows(store), submission_sha256)


def approved_under(store: Store, *, user_name: str, entry_name: str) -> Decision | None:
    """The last approval of any zip of this entry: of one that was not approved it says that another was.

    Raises: StoreFailed.
    """
    wanted = (user_name.casefold(), entry_name)
    rows = [
        row
        for row in _LEDGER.rows(store)
        if (row["user_name"].casefold(), row["entry_name"]) == wanted
        if row["decision"] == Verdict.APPROVED.value
    ]
    return _decision(rows[-1]) if rows else None


def _last_about(rows: Iterable[Mapping[str, str]], submission_sha256: str) -> Decision | None:
    about = [row for row in rows if row["submission_sha256"] == submission_sha256]
    return _decision(about[-1]) if about else None


def _decision(row: Mapping[str, str]) -> Decision:
    return Decision(
        verdict=Verdict(row["decision"]),
        submission_sha256=row["submission_sha256"],
        user_name=row["user_name"],
        entry_name=row["entry_name"],
        by=row["by_whom"],
        note=row["note"],
        at=row["at"],
    )
