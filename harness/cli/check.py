"""`wmc check`: the grader itself, on the entrant's own data; nothing is kept."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.console import Console
from harness.cli.grade_options import add_grade_options, grade_request, pick_sandbox
from harness.cli.grade_view import show_log_tails, show_report


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("check", help="grade your own folder or zip on your own data; keeps nothing")
    parser.add_argument(
        "entry", type=Path, metavar="FOLDER|ZIP", help="an entry's folder, or what `wmc submit` made"
    )
    add_grade_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Pack if need be, grade, show; on a failure show the end of the entry's own output too."""
    from harness import scratch
    from harness.grading import grade
    from harness.intake.pack import pack
    from harness.results.store import Store

    with scratch.folder("check") as folder:
        submission = args.entry
        if args.entry.is_dir():
            submission = pack(args.entry, folder / "entry.zip").path
        store = Store(folder / "store")
        request = grade_request(args, submission)
        sandbox = pick_sandbox(args, console, cache=folder / "cache")
        try:
            report = grade(request, sandbox=sandbox, store=store, progress=console)
        finally:
            sandbox.discard_builds()
        if report.failure:
            show_log_tails(store.grade_folder(report.grade_id), console)
        return show_report(report, console, as_json=args.json)
