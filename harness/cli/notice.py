"""`wmc notice GRADE`: what an organiser sends back to the entrant, and nothing that the entrant must not see."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.options import add_store_option, output_path
from harness.errors import Blame, OutputFailed, UsageError

if TYPE_CHECKING:
    from harness.notice import Notice
    from harness.results.report import GradeReport

_FEW_WINDOWS = 8


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "notice",
        help="make what the entrant of a grade is told",
        description="Show what may be sent back to the entrant: how the grade ended, in the fixed words of "
        "`wmc explain`, or its figures, rounded; of private data only announced ones, and no verdict on copying "
        "without them; and that it was withdrawn, when "
        "and why. With -o the entry's logs go along where the grade was on public val (a folder named val or val_v1.1) "
        "and in a container; those of held-out data never do.",
    )
    parser.add_argument("grade", metavar="GRADE", help="a grade by its id")
    add_store_option(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=output_path,
        metavar="DIR",
        help="a new folder for the notice, as text and as JSON, and logs",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Show the notice; write it where it was asked for; tell the organiser how to get logs that may be sent."""
    from rich.markup import escape

    from harness.cli.notice_text import notice_text
    from harness.notice import notice_of
    from harness.plain import to_plain
    from harness.results.store import Store
    from harness.results.withdrawals import withdrawals, withdrawn
    from leaderboard.ladder import announced_in

    store = Store(args.store)
    report, records = store.report(args.grade), store.reports()
    announced = announced_in(store)
    notice = notice_of(
        report,
        records,
        is_announced=announced.ranks_by_loss(report),
        pictures_told=announced.ranks_by_pictures(report),
        withdrawal=withdrawn(withdrawals(store), records).get(report.grade_id),
    )
    folder = store.grade_folder(notice.grade_id)
    if args.output:
        _write(notice, args.output, logs=folder)
    if args.json:
        console.json(to_plain(notice))
    else:
        console.show(escape(notice_text(notice)))
    _tell_of_verdict(report, notice, console)
    _tell_organiser(notice, console, store=args.store, folder=folder, output=args.output)


def _write(notice: Notice, output: Path, *, logs: Path) -> None:
    """The notice and what goes along, in a new folder.

    Raises: UsageError, OutputFailed.
    """
    from harness.cli.notice_text import notice_text
    from harness.notice import shared_logs
    from harness.plain import to_plain

    if output.exists():
        raise UsageError(
            f"{output} is there already", code="usage.output_exists", fix="name a new folder in -o"
        )
    files = {
        "notice.txt": notice_text(notice) + "\n",
        "notice.json": json.dumps(to_plain(notice), indent=2, allow_nan=False) + "\n",
    }
    try:
        files |= {f"logs/{name}": text for name, text in shared_logs(notice, logs.glob("*.log"))}
        for name, text in files.items():
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            (output / name).write_text(text, "utf-8")
    except OSError as error:
        raise OutputFailed(
            f"the notice cannot be written: {error}",
            fix="name a folder that can be written, with free space, in -o",
        ) from error


def _tell_of_verdict(report: GradeReport, notice: Notice, console: Console) -> None:
    from harness.retrieval.report import Verdict

    found = report.retrieval
    if found and not notice.retrieval and found.verdict in {Verdict.REVIEW, Verdict.COPIED}:
        console.note(
            f"its verdict on copying, {found.verdict.value}, is not in the notice: an entry can choose it, and no "
            "figure of this grade is announced. If its entrant has to answer it, write to them yourself"
        )


def _tell_organiser(
    notice: Notice, console: Console, *, store: Path, folder: Path, output: Path | None
) -> None:
    if output:
        console.note(f"to send: {output}")
    if notice.has_logs:
        if not output:
            console.note("the entry's logs may go along: add -o DIR")
        return
    if notice.outcome and notice.outcome.blame is Blame.ENTRY:
        console.note(f"the entry's logs are yours alone: {folder}")
        console.note(
            "for logs that may be sent, grade it on public val, and send that grade's notice:\n"
            f"  wmc grade ZIP --data DATA/val_v1.1 --windows {_FEW_WINDOWS} --sandbox docker "
            f"--store {shlex.quote(str(store))}"
        )
