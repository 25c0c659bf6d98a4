"""How a grade of the open protocol is shown: what a program said of itself, apart from what was scored by us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli.tables import figure, number_table
from harness.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from harness.results.report import GradeReport, OpenRun

UNPROVEN = "open protocol: the entry had the truth before it, so its figures prove nothing and never rank"
_NOTHING = "-"


def open_table(report: GradeReport, found: OpenRun) -> Table:
    """A row for what it printed, one for what its saved logits are worth, and its other figures below."""
    seconds = report.provenance.durations_s.get("open", 0.0)
    windows = f"{found.rescored.windows} windows, " if found.rescored else ""
    table = number_table(
        printable(f"{report.entry.user_name}/{report.entry.entry_name} on {report.provenance.data_name}"),
        first="by 1X's own rules",
        numbers=("loss", "95% interval", "accuracy"),
        caption=f"grade {report.grade_id}: {windows}{seconds:.1f} s, loss in nats per token",
    )
    claimed = found.self_reported
    table.add_row("self-reported", *(_figure(claimed.get(key)) for key in ("loss", "", "acc")))
    if result := found.rescored:
        interval = " to ".join(map(figure, result.loss_ci or ()))
        table.add_row("rescored", figure(result.loss), interval, f"{result.token_accuracy:.4f}")
    for name, value in claimed.items():
        if name not in {"loss", "acc"}:
            table.add_row(f"self-reported {name}", _figure(value), style="dim")
    return table


def _figure(value: float | None) -> str:
    return _NOTHING if value is None else figure(value)
