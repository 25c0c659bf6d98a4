"""`wmc grade`: grade one submission on a held-out clip and keep the record."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.console import Console
from harness.cli.grade_options import add_grade_options, grade_request, pick_sandbox
from harness.cli.grade_view import show_report


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("grade", help="grade a submission on held-out data and keep the record")
    parser.add_argument("submission", type=Path, metavar="ZIP", help="what `wmc submit` made")
    parser.add_argument(
        "--store", type=Path, default=Path("store"), help="where records are kept (default: store)"
    )
    parser.add_argument(
        "--train", type=Path, help="the training clip, for the retrieval check (not built yet: ignored)"
    )
    add_grade_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Grade, keep, show; the exit code says whose turn it is."""
    from harness.grading import grade
    from harness.results.store import Store

    if args.train:
        console.warn(
            "--train is ignored: this version has no retrieval check, and the record says nothing of copying"
        )
    store = Store(args.store)
    request = grade_request(args, args.submission)
    report = grade(request, sandbox=pick_sandbox(args, console), store=store, progress=console)
    return show_report(report, console, as_json=args.json, logs=store.grade_folder(report.grade_id))
