"""How a grade's record is shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from harness.cli.console import Console
from harness.cli.open_view import UNPROVEN, open_table
from harness.cli.picture_view import picture_table, why_missing
from harness.cli.retrieval_view import show_retrieval
from harness.cli.tables import figure, number_table
from harness.protocol.regimes import Regime
from harness.spec import CHALLENGE
from harness.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from harness.results.report import GradeReport
    from harness.scoring.state_probe import StateProbe


def show_report(
    report: GradeReport,
    console: Console,
    *,
    as_json: bool,
    logs: Path | None = None,
    command: str | None = None,
    beside: Mapping[str, Any] = MappingProxyType({}),
    is_kept: bool = True,
) -> int:
    """Show the record on stdout, whose turn it is on stderr; returns the exit code.

    `command` comes next where it failed; `beside` are more keys of the JSON object. What is not kept has no name that
    one could ask for it by.
    """
    if as_json:
        console.json({**report.to_json(), **beside})
    elif report.open_run:
        console.show(open_table(report, report.open_run))
    elif not report.failure:
        console.show(_regime_table(report, is_kept=is_kept))
        if pictures := picture_table(report):
            console.show(pictures)
    if not report.failure:
        for line in why_missing(report):
            console.note(line)
        if supply := report.provenance.supply:
            console.note(supply.in_words)
        _show_warnings(report, console)
        if report.retrieval:
            show_retrieval(report.retrieval, console, as_json=as_json)
        return 0
    failure = report.failure
    if logs:
        console.note(f"logs: {logs}")
    console.failure(failure.code, failure.message, failure.fix, blame=failure.blame, command=command)
    return report.failure.blame.exit_code


def without_record(failure: dict[str, Any]) -> dict[str, Any]:
    """What `--json` prints for a grade that stopped before there was a record: a record's shape, and the failure."""
    return {
        "status": "failed",
        "entry": None,
        "regimes": {regime.value: None for regime in Regime},
        "failure": failure,
        "provenance": None,
        "retrieval": None,
    }


def _regime_table(report: GradeReport, *, is_kept: bool) -> Table:
    windows = max(result.windows for result in report.regimes.values() if result)
    name = f"grade {report.grade_id}: " if is_kept else ""
    table = number_table(
        printable(f"{report.entry.user_name}/{report.entry.entry_name} on {report.provenance.data_name}"),
        first="regime",
        numbers=("loss", "95% interval", "accuracy", "s/frame"),
        caption=f"{name}{windows} windows, loss in nats per token{_clean_probes(report)}",
        is_dense=True,
    )
    for regime, result in report.regimes.items():
        if result:
            table.add_row(
                regime.in_words,
                figure(result.loss),
                " to ".join(map(figure, result.loss_ci)),
                f"{result.token_accuracy:.4f}",
                f"{result.seconds_per_frame:.4f}",
            )
    table.add_row("uniform guessing", f"{CHALLENGE.uniform_loss:.4f}", style="dim")
    return table


def _clean_probes(report: GradeReport) -> str:
    """A line of its own where every probe finished and found nothing; what one found is a warning."""
    probes = [result.state_probe for result in report.regimes.values() if result]
    if any(probe.failure or probe.carried_state or probe.depends_on_neighbours for probe in probes):
        return ""
    largest = max(probe.largest_change for probe in probes)
    return f"\nserved again, no window shows carried state; largest change {figure(largest)}"


def _show_warnings(report: GradeReport, console: Console) -> None:
    if report.open_run:
        console.warn(UNPROVEN)
    elif report.provenance.order_leaks:
        console.warn("order leaks: these windows interleave, so the numbers are for comparison only")
    for regime, result in report.regimes.items():
        if result is None:
            continue
        _show_probe(regime.in_words, result.state_probe, console)


def _show_probe(name: str, probe: StateProbe, console: Console) -> None:
    """What the second serving showed. Where state was carried, a change says nothing of batch neighbours."""
    if probe.failure:
        console.warn(f"{name}: the entry failed ({probe.failure}) while windows were served a second time")
    elif probe.carried_state:
        console.warn(f"{name}: windows served twice got better; the entry carries state between batches")
    elif probe.depends_on_neighbours:
        console.warn(f"{name}: a window's loss changes with its batch neighbours")
