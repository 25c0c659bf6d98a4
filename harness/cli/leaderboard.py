"""`wmc leaderboard`: write the public page from the store of grades, and show the ranking."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.tables import number_table
from harness.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from leaderboard.standings import Board, Row, Standings


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("leaderboard", help="write the leaderboard page from the kept records")
    parser.add_argument(
        "--store", type=Path, default=Path("store"), help="where records are kept (default: store)"
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("site"),
        metavar="SITE",
        help="folder of the page (default: site)",
    )
    parser.add_argument("--json", action="store_true", help="print what leaderboard.json holds")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Write the site; show its tables on stdout and where it lies on stderr."""
    from harness.results.store import Store
    from leaderboard.exports import to_json
    from leaderboard.publish import publish

    standings = publish(Store(args.store).reports(), args.output)
    if args.json:
        console.json(to_json(standings))
    else:
        for board in standings.boards:
            console.show(_table(board))
        if not standings.boards:
            console.note(f"No ranked grade in {args.store} yet: `wmc grade ZIP --data DIR` makes the first.")
    _tell_organiser(standings, console)
    console.note(f"page: {args.output / 'index.html'}")


def _tell_organiser(standings: Standings, console: Console) -> None:
    """What the page does not say, and what should be looked at before it is put up."""
    from leaderboard.marks import Mark

    if standings.failed:
        console.note(
            f"{len(standings.failed)} grade(s) stopped by their entry: listed on the page, not ranked"
        )
    if standings.not_charged:
        console.note(
            f"{standings.not_charged} grade(s) stopped for another reason: not on the page; grade again"
        )
    for row in (row for board in standings.boards for row in board.rows if Mark.OTHER_SENDER in row.marks):
        entry = row.report.entry
        console.warn(
            f"{entry.user_name}/{entry.entry_name} (grade {row.report.grade_id}) came from another e-mail address "
            f"than the first entry of {entry.user_name}: it stands apart, marked; ask who sent it"
        )


def _table(board: Board) -> Table:
    from rich.markup import escape

    contest = board.contest
    table = number_table(
        printable(f"{board.data_name}: {contest.windows} windows, {contest.schedule} schedule"),
        first=" #  user/entry",
        numbers=("loss", "95% interval", "accuracy", "AR loss", "FTF loss"),
        caption="nats per token, lower is better; AR autoregressive, FTF fully teacher-forced",
    )
    for row in board.rows:
        table.add_row(*(escape(printable(cell)) for cell in _cells(row)))
    return table


def _cells(row: Row) -> tuple[str, ...]:
    from harness.protocol.regimes import Regime
    from leaderboard import figures

    entry, regimes, result = row.report.entry, row.report.regimes, row.result
    low, high = result.loss_ci
    others = (regimes.get(Regime.FULLY_AUTOREGRESSIVE), regimes.get(Regime.FULLY_TEACHER_FORCED))
    return (
        f"{row.rank:2}  {entry.user_name}/{entry.entry_name}",
        figures.loss(result.loss),
        f"{figures.loss(low)} to {figures.loss(high)}",
        figures.loss(result.token_accuracy),
        *(figures.loss(other.loss if other else None) for other in others),
    )
