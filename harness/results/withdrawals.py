"""Grades that the organiser took off the ranking: a mistake, a copier. The records stay as they are.

A decision is about the answers of a grade. Whoever scores them again with `wmc regrade` takes nothing back: a regrade
of a withdrawn grade is withdrawn with it, until it is restored by its own id. The last decision about a grade, or about
one whose answers it scores again, counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from harness.errors import UsageError
from harness.results.ledger import TEXT_LIMIT, Ledger
from harness.results.moment import now
from harness.results.next_commands import NAME, list_command
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.text import fault_of_line

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

    Raises: UsageError where the reason or the name is no line of text, no such grade is in the store, or it stands as
    decided already; StoreFailed.
    """
    _check_texts(decision)
    reports = store.reports()
    if decision.grade_id not in {report.grade_id for report in reports}:
        raise UsageError(
            f"no grade {decision.grade_id!r} is in {store.folder}",
            code="usage.withdraw_unknown",
            fix="name it as its page does; the command below lists the ids of all that are on the page",
            command=list_command(store),
        )
    is_withdrawn = decision.grade_id in withdrawn(withdrawals(store), reports)
    if is_withdrawn is (decision.move is Move.WITHDRAWN):
        raise UsageError(
            f"grade {decision.grade_id} is {'withdrawn already' if is_withdrawn else 'not withdrawn'}",
            code="usage.withdraw_again",
            fix="leave it as it is; `--restore` takes a withdrawal back"
            if is_withdrawn
            else "leave it as it is",
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


def withdrawn(decisions: Iterable[Withdrawal], reports: Iterable[GradeReport]) -> Mapping[str, Withdrawal]:
    """What is withdrawn after all of them (both oldest first), by the grades' ids; regrades with what they score again.

    The decision about a regrade may name the grade whose answers they are.
    """
    number_of = dict(enumerate(decisions))
    last = {decision.grade_id: number for number, decision in number_of.items()}
    for report in reports:
        inherited = last.get(report.regrade_of or "")
        if inherited is not None:
            last[report.grade_id] = max(inherited, last.get(report.grade_id, inherited))
    standing = {grade_id: number_of[number] for grade_id, number in last.items()}
    return {grade_id: each for grade_id, each in standing.items() if each.move is Move.WITHDRAWN}


def regrades_of(grade_id: str, reports: Iterable[GradeReport]) -> tuple[str, ...]:
    """The ids of the grades (oldest first) that score its answers again, directly or not."""
    found = [grade_id]
    for report in reports:
        if report.regrade_of in found:
            found.append(report.grade_id)
    return tuple(found[1:])


def _check_texts(decision: Withdrawal) -> None:
    """Refuse what would be published changed: cut, or without characters that steer a terminal or a reader's eye."""
    if decision.by == NAME:
        raise UsageError(
            f"--by {NAME} stands for a name: who decided it?",
            code="usage.withdraw_why",
            fix="write your own name there: it is kept for good",
        )
    for option, text in (("--reason", decision.reason), ("--by", decision.by)):
        if wrong := fault_of_line(text, limit=TEXT_LIMIT):
            raise UsageError(
                f"{option} {wrong}",
                code="usage.withdraw_why",
                fix=f"write it in one line of at most {TEXT_LIMIT} characters",
            )


def _decision(row: Mapping[str, str]) -> Withdrawal:
    return Withdrawal(
        move=Move(row["decision"]),
        grade_id=row["grade_id"],
        by=row["by_whom"],
        reason=row["reason"],
        at=row["at"],
    )
