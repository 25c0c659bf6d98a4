"""Who leads a board, by how much, and whether that is certain: what a visitor wants to know first."""

from __future__ import annotations

from dataclasses import dataclass

from leaderboard.figures import FULL, Figure, decimals_of
from leaderboard.standings import Board, Row


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The head of a board.

    Attributes:
        first: the row with the lowest loss.
        equals: the others that cannot be told apart from it.
        behind: the best row that can, None where there is none; `margin` its distance in nats per token.
    """

    first: Row
    equals: tuple[Row, ...]
    behind: Row | None
    margin: float | None


def lead_of(board: Board) -> Lead | None:
    """The lead as it is published; None on a board where nothing has a rank."""
    if not board.contenders:
        return None
    first, *others = board.contenders
    equals = tuple(row for row in others if row.band == first.band)
    behind = next((row for row in others if row.band != first.band), None)
    return Lead(first=first, equals=equals, behind=behind, margin=_margin(first, behind) if behind else None)


def _margin(first: Row, behind: Row) -> float:
    loss = first.result.loss
    return Figure(behind.result.loss - loss, decimals_of(loss, FULL.loss))
