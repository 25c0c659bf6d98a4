"""What the organiser withdrew, as strangers may read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.results.withdrawals import Move, Withdrawal
from leaderboard.plain_text import REASON_LIMIT, one_line
from leaderboard.publishable import day_of


@dataclass(frozen=True, kw_only=True)
class Struck:
    """A decision about a grade: the day, and the reason in publishable form. Who decided it stays in the store."""

    grade_id: str
    at: str
    reason: str
    restored: bool = False


def published_decisions(decisions: Iterable[Withdrawal]) -> tuple[Struck, ...]:
    """Every decision, the oldest first."""
    return tuple(
        Struck(
            grade_id=each.grade_id,
            at=day_of(each.at),
            reason=one_line(each.reason, limit=REASON_LIMIT) or "no reason given",
            restored=each.move is Move.RESTORED,
        )
        for each in decisions
    )


def struck_out(decisions: Iterable[Struck]) -> Mapping[str, Struck]:
    """What is withdrawn after all of them (oldest first), by the grades' ids."""
    last = {each.grade_id: each for each in decisions}
    return {grade_id: each for grade_id, each in last.items() if not each.restored}
