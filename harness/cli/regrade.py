"""`wmc regrade GRADE`: score kept answers again and keep a new record that names the old one."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.console import Console
from harness.cli.grade_view import show_report
from harness.cli.options import add_store_option


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "regrade",
        help="score a grade's kept answers again, as a new record",
        description="Takes the nats, tokens and evidence that a grade kept, scores them as this version of wmc does, "
        "and appends a new record that names the old one; the old one stays. Nothing is run. Kept nats are float32, so "
        "losses may move in the seventh digit. Metrics of pictures, timing and probes are taken over.",
    )
    parser.add_argument("grade", metavar="GRADE", help="a grade by its id")
    add_store_option(parser)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the clip it was graded on: counts right tokens again too"
    )
    parser.add_argument(
        "--train",
        type=Path,
        metavar="DIR",
        help="with --data: the training clip; judges the retrieval check again",
    )
    parser.add_argument(
        "--panel",
        type=Path,
        metavar="FILE",
        help="honest entries to compare with (default: the store's panel.json)",
    )
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign the new record with this Ed25519 key, a PEM file"
    )
    parser.add_argument("--json", action="store_true", help="print the new record as one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Score, keep, show."""
    from harness.recomputing.regrading import RegradeRequest, regrade
    from harness.results.signing import read_private_key, sign_record
    from harness.results.store import Store
    from harness.results.withdrawals import withdrawals, withdrawn

    key = read_private_key(args.sign) if args.sign else None
    store = Store(args.store)
    request = RegradeRequest(grade_id=args.grade, data=args.data, train=args.train, panel=args.panel)
    report = regrade(request, store=store, progress=console)
    if key:
        sign_record(store, report.grade_id, key)
    if report.grade_id in withdrawn(withdrawals(store), store.reports()):
        console.warn(
            f"{args.grade} is withdrawn, and so is this regrade, for it scores the same answers: `wmc withdraw "
            f"{report.grade_id} --restore --by NAME --reason TEXT` puts it on the ranking"
        )
    return show_report(report, console, as_json=args.json)
