"""The organiser's decisions, held against the rows among which they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from harness.results import moment
from harness.results.approvals import Verdict
from harness.results.chain import Row
from harness.results.checks import Check, different, unchecked
from harness.results.old_ledgers import TAKEN_OVER
from harness.results.report import GradeReport

_CLOCK_STEP = timedelta(hours=1)
"""A clock that was set right may go back so far, and two that write at once finish in either order."""


def decision_checks(rows: Sequence[Row]) -> Iterator[Check]:
    """Decisions that say they were made before the row after which they were written; and those that came from outside.

    Whoever may write can add a row that says anything, but not in the place where it would have been.
    """
    strangers = _taken_over(rows)
    for before, row in zip((None, *rows), rows, strict=False):
        if row.ledger is None or row.number in strangers:
            continue
        if TAKEN_OVER in _content(row):
            yield different(
                "decisions",
                f"row {row.number} ({in_words(row)}) says that it was taken over from before decisions stood in the "
                "chain, and does not stand where those do: first of all decisions, one after another, of one moment",
            )
        elif before and (was := _time(before)) and (said := _time(row)) and said < was - _CLOCK_STEP:
            yield different(
                "decisions",
                f"row {row.number} ({in_words(row)}) says it was made at {said.isoformat()}, and was written after row "
                f"{before.number} of {was.isoformat()}: it was dated back, or the clock was wrong",
            )
    if strangers:
        yield unchecked(
            "decisions",
            f"{len(strangers)} are from before decisions stood in the chain: as they were when they were taken over",
        )


def approval_checks(
    rows: Sequence[Row], reports: Sequence[GradeReport], outside: Sequence[tuple[str, dict[str, str]]]
) -> Iterator[Check]:
    """Grades whose record names an approval that does not stand before it; `outside` are decisions in no chain yet."""
    place = {row.grade_id.decode("utf-8", "replace"): at for at, row in enumerate(rows)}
    given: dict[tuple[str, ...], int] = {
        _approval(row): -1 for ledger, row in outside if ledger == "reviews" and _approval(row)
    }
    strangers = _taken_over(rows)
    for at, row in enumerate(rows):
        if row.ledger == "reviews" and (key := _approval(_content(row))):
            given.setdefault(key, -1 if row.number in strangers else at)
    for report in reports:
        admission = report.provenance.admission
        if admission is None or admission.approved_by is None:
            continue
        key = (str(report.provenance.submission_sha256), admission.approved_by, str(admission.approved_at))
        if given.get(key, len(rows)) >= place.get(report.grade_id, -1):
            yield different(
                "decisions",
                f"{report.grade_id} was approved by {admission.approved_by} at {admission.approved_at}, as its record "
                "says, and no such approval stands before it",
            )


def in_words(row: Row) -> str:
    """What a row is: the record of a grade, or a decision."""
    name = row.grade_id.decode("utf-8", "replace")
    return f"grade {name}" if row.ledger is None else name


def _taken_over(rows: Sequence[Row]) -> frozenset[int]:
    """The numbers of the rows that were taken over: all at once, before any other decision could be written."""
    decisions = (row for row in rows if row.ledger is not None)
    first = next(decisions, None)
    stamp = first and _content(first).get(TAKEN_OVER)
    if first is None or stamp is None:
        return frozenset()
    marked = takewhile(lambda row: _content(row).get(TAKEN_OVER) == stamp, decisions)
    together = takewhile(
        lambda each: each[0] == each[1].number, enumerate((first, *marked), start=first.number)
    )
    return frozenset(number for number, _ in together)


def _approval(row: dict[str, Any]) -> tuple[str, ...]:
    if row.get("decision") != Verdict.APPROVED.value:
        return ()
    return tuple(str(row.get(name)) for name in ("submission_sha256", "by_whom", "at"))


def _content(row: Row) -> dict[str, Any]:
    """A decision's values; nothing of a record, nor of what is none."""
    try:
        value = json.loads(row.report) if row.ledger is not None else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _time(row: Row) -> datetime | None:
    try:
        return moment.read(row.finished_at.decode("ascii"))
    except ValueError:
        return None
