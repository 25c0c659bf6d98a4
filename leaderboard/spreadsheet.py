"""The standings as a CSV table that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import asdict

from harness.protocol.regimes import Regime
from harness.results.report import GradeReport
from leaderboard.open_rows import OpenRow
from leaderboard.references import PUBLISHED, Reference
from leaderboard.standings import Board, Row, Standings

# What makes a cell a formula, full-width forms included; tabs and line ends were removed with all control characters.
_FORMULA = re.compile(r"(^|;)(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20])")
_COLUMNS = (
    "kind", "data_name", "data_sha256", "schedule", "windows", "rank", "band_first", "band_last", "user",
    "entry", "loss", "loss_low", "loss_high",
    "token_accuracy", "lpips", "seconds_per_frame", "fully_autoregressive_loss", "fully_teacher_forced_loss",
    "training_flops", "external_data", "claimed_val_loss", "measured_val_loss", "origin", "sandbox",
    "marks", "retrieval", "retrieval_delta",
    "finished_at", "grade_id", "submission_sha256",
)  # fmt: skip


def to_csv(standings: Standings) -> str:
    """A row per entry of every board, then those of the open protocol and those published elsewhere, without a rank.

    Text that could be a formula begins with `'`.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for board in standings.boards:
        writer.writerows(_cells(_flat(board, row)) for row in board.rows)
    writer.writerows(_cells(_flat_open(row)) for row in standings.opened)
    writer.writerows(_cells(_flat_reference(reference)) for reference in PUBLISHED)
    return text.getvalue()


def _flat(board: Board, row: Row) -> dict[str, object]:
    report, result, contest = row.report, row.result, board.contest
    return {
        "kind": "graded",
        "data_name": board.data_name,
        "data_sha256": contest.data_sha256,
        "schedule": contest.schedule,
        "windows": contest.windows,
        "rank": row.rank,
        "band_first": row.band and row.band.first,
        "band_last": row.band and row.band.last,
        "user": report.entry.user_name,
        "entry": report.entry.entry_name,
        "loss": result.loss,
        "loss_low": result.loss_ci[0],
        "loss_high": result.loss_ci[1],
        "token_accuracy": result.token_accuracy,
        "lpips": result.lpips,
        "seconds_per_frame": result.seconds_per_frame,
        "fully_autoregressive_loss": _loss(report, Regime.FULLY_AUTOREGRESSIVE),
        "fully_teacher_forced_loss": _loss(report, Regime.FULLY_TEACHER_FORCED),
        "training_flops": report.entry.training_flops,
        "external_data": "; ".join(report.entry.external_data),
        "claimed_val_loss": report.entry.claimed_val_loss,
        "measured_val_loss": row.measured_val_loss,
        "origin": row.origin.value,
        "sandbox": report.provenance.sandbox,
        "marks": " ".join(mark.value for mark in row.marks),
        "retrieval": row.badge.value,
        "retrieval_delta": report.retrieval and report.retrieval.delta,
        "finished_at": report.finished_at,
        "grade_id": report.grade_id,
        "submission_sha256": report.provenance.submission_sha256,
    }


def _flat_open(row: OpenRow) -> dict[str, object]:
    report, origin = row.report, row.report.provenance
    return {
        "kind": "open",
        "data_name": origin.data_name,
        "data_sha256": origin.data_sha256,
        "schedule": origin.schedule,
        "user": report.entry.user_name,
        "entry": report.entry.entry_name,
        "loss": row.loss,
        "token_accuracy": row.token_accuracy,
        "lpips": row.lpips,
        "seconds_per_frame": row.seconds_per_frame,
        "sandbox": origin.sandbox,
        "marks": " ".join(mark.value for mark in row.marks),
        "finished_at": report.finished_at,
        "grade_id": report.grade_id,
        "submission_sha256": origin.submission_sha256,
    }


def _flat_reference(reference: Reference) -> dict[str, object]:
    values = asdict(reference)
    return {"kind": "published", **{name: values[name] for name in _COLUMNS if name in values}}


def _loss(report: GradeReport, regime: Regime) -> float | None:
    result = report.regimes.get(regime)
    return result.loss if result else None


def _cells(values: dict[str, object]) -> dict[str, object]:
    return {name: _inert(value) if isinstance(value, str) else value for name, value in values.items()}


def _inert(text: str) -> str:
    """`text` that no spreadsheet runs, also where `;` separates columns; numbers never pass through here."""
    return _FORMULA.sub(r"\1\2'\3", text)
