"""The part of the style sheet that follows from the columns: cells have no classes, for a page has thousands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from leaderboard.columns import COLUMNS, SAMPLING_COLUMNS, Column

_FIRST_LABELLED = 5
"""Before it come rank, user, entry and score, which need no label on a card."""


def column_style() -> str:
    """Figures to the right; on a narrow screen every cell with its column's title, for there is no heading."""
    tables = {"compression": COLUMNS, "sampling": SAMPLING_COLUMNS}
    aligned = ",".join(each for name, columns in tables.items() for each in _figures(name, columns))
    labels = "".join(each for name, columns in tables.items() for each in _labels(name, columns))
    return (
        f"@media print,(min-width:48rem){{{aligned}{{text-align:right}}}}\n"
        f"@media screen and (max-width:47.99rem){{{labels}}}\n"
    )


def _figures(table: str, columns: Sequence[Column]) -> Iterator[str]:
    for number, column in enumerate(columns, start=1):
        if column.figures:
            yield _cells(table, number)


def _labels(table: str, columns: Sequence[Column]) -> Iterator[str]:
    for number, column in enumerate(columns, start=1):
        if number >= _FIRST_LABELLED:
            yield f'{_cells(table, number)}::before{{content:"{column.title}"}}'
    score = columns[_FIRST_LABELLED - 2]
    yield f'{_cells(table, _FIRST_LABELLED - 1)}::before{{content:"{score.title} "}}'


def _cells(table: str, number: int) -> str:
    return f".{table} tbody tr:not(.line)>:nth-child({number})"
