"""`wmc retrieval calibrate`: make the panel of honest entries that later grades are judged by."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.options import add_store_option, output_path
from harness.cli.tables import number_table
from harness.errors import UsageError
from harness.retrieval.report import Verdict
from harness.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from harness.retrieval.panel import Panel
    from harness.retrieval.verdict import Judgement


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `retrieval calibrate`."""
    parser = commands.add_parser("retrieval", help="calibrate the check for copies of the training set")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    calibrate = actions.add_parser(
        "calibrate",
        help="make a panel of honest graded entries",
        description="A grade with --train keeps evidence. This measures the evidence of entries that you know to be "
        "honest, all with the same references, and writes what they show; later grades are judged by it. Name the "
        "entries: one copier taken in by accident lets every later one pass. Take different kinds, those that learn "
        "among them, each made independently: the checkpoints of one run are alike, and beside them another honest "
        "entry looks strange.",
    )
    add_store_option(calibrate)
    calibrate.add_argument("--data", type=Path, required=True, help="the clip that they were graded on")
    calibrate.add_argument("--train", type=Path, required=True, help="the training clip")
    _add_member_options(calibrate)
    calibrate.add_argument(
        "-o",
        "--output",
        type=output_path,
        metavar="PANEL",
        help="where to write it (default: STORE/panel.json)",
    )
    calibrate.add_argument("--json", action="store_true", help="print the panel, as it is written")
    calibrate.set_defaults(run=run)


def _add_member_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--entry",
        action="append",
        default=[],
        metavar="GRADE",
        help="the grade of an honest entry, by its id; may be repeated, at least three are needed",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="take every entry of the store that is not under suspicion; only where you know all of them",
    )
    parser.add_argument(
        "--reference",
        action="append",
        default=[],
        metavar="GRADE",
        help="an honest entry that every other is adjusted for; may be repeated (default: the best two and the "
        "median by loss)",
    )
    parser.add_argument(
        "--private",
        action="append",
        default=[],
        metavar="GRADE",
        help="another reference, which no report and no page names; may be repeated",
    )


def run(args: argparse.Namespace, console: Console) -> None:
    """Write the panel; show who is in it and what is too much."""
    from harness.copying.calibration import calibrate
    from harness.results.members import Request
    from harness.results.store import Store
    from harness.retrieval.leave_one_out import judged_by_the_others

    request = Request(
        entries=tuple(args.entry),
        everything=args.all,
        references=tuple(args.reference),
        private=tuple(args.private),
    )
    store = Store(args.store)
    panel = calibrate(request, data=args.data, train=args.train, store=store, progress=console)
    path = args.output or store.panel_file
    judged = judged_by_the_others(panel)
    if args.all:
        _refuse_copiers(panel, judged)
    _write(panel, path)
    if args.json:
        console.json(panel.to_json())
    else:
        console.show(_table(panel, judged))
        console.show(_too_much(panel))
    for entry in panel.honest:
        for reason in judged[entry.grade_id].reasons if entry.grade_id in judged else ():
            console.warn(f"{entry.entry_name} ({entry.grade_id}) stands out among the others: {reason}")
    console.note(f"panel: {path}")


def _refuse_copiers(panel: Panel, judged: Mapping[str, Judgement]) -> None:
    """Nobody has said of an entry by its name that it is honest: the others' word counts. Raises: UsageError."""
    copiers = [
        f"{printable(entry.entry_name)} ({entry.grade_id})"
        for entry in panel.honest
        if entry.grade_id in judged and judged[entry.grade_id].verdict is Verdict.COPIED
    ]
    if copiers:
        raise UsageError(
            f"by the others of the panel these entries copy: {', '.join(copiers)}",
            code="usage.panel_copier",
            fix="name the entries that you know to be honest, each with --entry GRADE",
        )


def _write(panel: Panel, path: Path) -> None:
    from harness.disk.whole_file import whole_file
    from harness.errors import OutputFailed

    try:
        with whole_file(path) as file:
            file.write(json.dumps(panel.to_json(), allow_nan=False).encode() + b"\n")
    except OSError as error:
        raise OutputFailed(
            f"{path} cannot be written: {error.strerror or error}",
            fix="name a file in a folder that can be written, with free space, in -o",
        ) from error


def _table(panel: Panel, judged: Mapping[str, Judgement]) -> Table:
    from rich.markup import escape

    table = number_table(
        "honest entries",
        first="entry",
        numbers=("loss", "delta", "95% interval", "train gap", "verdict"),
        caption="* reference; delta: adjusted for the others of them; verdict: of all others",
    )
    references = {each.grade_id for each in panel.references}
    for entry in panel.honest:
        low, high = entry.delta_ci
        judgement = judged.get(entry.grade_id)
        mark = " *" if entry.grade_id in references else ""
        table.add_row(
            escape(printable(f"{entry.entry_name}{mark}\n{entry.grade_id}")),
            f"{entry.loss:.4f}",
            f"{entry.delta:+.3f}",
            f"{low:+.3f} to {high:+.3f}",
            f"{entry.train_gap.gap:+.3f}" if entry.train_gap else "-",
            judgement.verdict.value if judgement else "-",
        )
    return table


def _too_much(panel: Panel) -> str:
    those = panel.thresholds
    gap = "not measured" if those.train_gap is None else f"{those.train_gap:+.3f}"
    return (
        f"copied: delta above {those.delta_copied:+.3f}, its interval above {those.delta_max:+.3f}\n"
        f"review: windows above {those.window_delta:+.3f}, at p < {those.windows_p:g}; train gap above {gap}; "
        f"over {those.near_share:.1%} of frames closer than {those.near_bits:.0f} bits to a training frame"
    )
