"""Grades that the organiser took off the ranking: a mistake, a copier. The records stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from harness.errors import UsageError
from harness.results.ledger import Ledger
from harness.results.moment import now
from harness.results.store import Store

_LEDGER = Ledger(name="withdrawals", columns=("decision", "grade_id", "by_whom", "reason"))


class Move(str, Enum):
    """The decision; the last one about a grade counts."""

    WITHDRAWN = "withdrawn"
    RESTORED = "restored"


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """Who withdrew or restored which grade, and when.

    Attributes:
        by: who decided it, as they call themselves; stays in the store.
        reason: as it is published.
        at: UTC.
    """

    move: Move
    grade_id: str
    by: str
    reason: str
    at: str = ""


def withdraw(store: Store, decision: Withdrawal) -> Withdrawal:
    """Keep this decision; returns it with its time.

    Raises: UsageError where no such grade is in the store, or it stands as decided already; StoreFailed.
    """
    if decision.grade_id not in {report.grade_id for report in store.reports()}:
        raise UsageError(
            f"no grade {decision.grade_id!r} is in {store.folder}",
            code="usage.withdraw_unknown",
            fix="name it as its page does: `wmc leaderboard --json` lists the grades' ids",
        )
    is_withdrawn = decision.grade_id in withdrawn(withdrawals(store))
    if is_withdrawn is (decision.move is Move.WITHDRAWN):
        raise UsageError(
            f"grade {decision.grade_id} is {'withdrawn' if is_withdrawn else 'not withdrawn'} already",
            code="usage.withdraw_again",
            fix="nothing to do; `--restore` takes a withdrawal back",
        )
    at = now()
    with _LEDGER.open(store) as entries:
        entries.add(
            at=at,
            decision=decision.move.value,
            grade_id=decision.grade_id,
            by_whom=decision.by,
            reason=decision.reason,
        )
    return _decision({**vars(decision), "decision": decision.move, "by_whom": decision.by, "at": at})


def withdrawals(store: Store) -> tuple[Withdrawal, ...]:
    """Every decision, the oldest first.

    Raises: StoreFailed.
    """
    return tuple(_decision(row) for row in _LEDGER.rows(store))


def withdrawn(decisions: tuple[Withdrawal, ...]) -> Mapping[str, Withdrawal]:
    """What is withdrawn after all of them (oldest first), by the grades' ids."""
    last = {decision.grade_id: decision for decision in decisions}
    return {grade_id: each for grade_id, each in last.items() if each.move is Move.WITHDRAWN}


def _decision(row: Mapping[str, str]) -> Withdrawal:
    return Withdrawal(
        move=Move(row["decision"]),
        grade_id=row["grade_id"],
        by=row["by_whom"],
        reason=row["reason"],
        at=row["at"],
    )
