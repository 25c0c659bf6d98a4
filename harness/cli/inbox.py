"""`wmc inbox REPO`: the submissions that were uploaded to a dataset of the Hub."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.options import output_path
from harness.errors import Blame

if TYPE_CHECKING:
    from harness.intake.inbox import Inbox


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "inbox",
        help="fetch what entrants sent with `wmc submit --upload`",
        description="Fetch the submissions in a dataset of the Hugging Face Hub that are not in DIR yet, check each "
        "against its name and open it as the grader does. Runs nothing. Needs the extra wmc[hub]; exits with 1 if "
        "one is refused now, with 3 if one could not be fetched, or ended the command that opened it.",
    )
    parser.add_argument("repository", metavar="REPO", help="OWNER/NAME of the dataset")
    parser.add_argument(
        "-o",
        "--output",
        type=output_path,
        metavar="DIR",
        default=Path("inbox"),
        help="where the zips go, each named after its entry and its sha256 (default: inbox)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Fetch, show, and say by the exit code whether somebody must act."""
    from harness.intake.inbox import fetch_submissions

    inbox = fetch_submissions(args.repository, args.output, progress=console)
    for refused in inbox.refused:
        if refused.is_new:
            console.warn(f"{refused.place}: {refused.message} ({refused.code})\n  {refused.fix}")
    if args.json:
        console.json({"repository": args.repository, "folder": str(args.output), **asdict(inbox)})
    else:
        _show(inbox, args.output, console)
    if any(refused.comes_again or refused.is_unfinished for refused in inbox.refused):
        return Blame.OPERATOR.exit_code
    return Blame.ENTRY.exit_code if any(refused.is_new for refused in inbox.refused) else 0


def _show(inbox: Inbox, folder: Path, console: Console) -> None:
    from rich.markup import escape

    new = [received for received in inbox.received if received.is_new]
    for received in new:
        console.show(escape(str(folder / received.file)))
    console.note(
        f"{len(new)} new, {len(inbox.received) - len(new)} here already, {len(inbox.refused)} not taken"
    )
