"""What the organiser withdrew, as strangers may read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.results.ledger import TEXT_LIMIT
from harness.results.report import GradeReport
from harness.results.withdrawals import Move, Withdrawal, withdrawn
from leaderboard.plain_text import one_line
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
    return tuple(map(_published, decisions))


def struck_out(decisions: Iterable[Withdrawal], reports: Iterable[GradeReport]) -> Mapping[str, Struck]:
    """What is withdrawn after all of them (both oldest first), by the grades' ids.

    Where the decision names another grade, that is the one whose answers were scored again.
    """
    return {grade_id: _published(each) for grade_id, each in withdrawn(decisions, reports).items()}


def _published(decision: Withdrawal) -> Struck:
    return Struck(
        grade_id=decision.grade_id,
        at=day_of(decision.at),
        reason=one_line(decision.reason, limit=TEXT_LIMIT) or "no reason given",
        restored=decision.move is Move.RESTORED,
    )
