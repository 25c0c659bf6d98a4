"""`wmc review ZIP`: what an organiser reads before approving a submission, and the decision; nothing in it is run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.options import add_store_option
from harness.errors import UsageError
from harness.text import fault_of_line

if TYPE_CHECKING:
    from harness.results.approvals import Verdict


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "review",
        help="show a submission without running it, and approve it",
        description="Open a submission as the grader does; show its manifest, scripts and files, where to read first, "
        "and what it shares with earlier submissions. Runs nothing. Approval is of the zip's bytes: `wmc grade` takes "
        "no others on private data.",
    )
    parser.add_argument("zip", type=Path, help="a submission")
    add_store_option(parser, keeps="decisions and earlier submissions")
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument("--approve", action="store_true", help="these bytes may be graded on private data")
    decision.add_argument(
        "--reject", action="store_true", help="they may not; takes an earlier approval back"
    )
    parser.add_argument("--by", metavar="NAME", help="who has read it; needed for a decision")
    parser.add_argument("--note", default="", metavar="TEXT", help="kept with the decision")
    parser.add_argument(
        "--transfer",
        action="store_true",
        help="with --approve: the user name belongs to this e-mail address from now on, and to no other",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Show the review, with the decision that was asked for."""
    from harness.cli.review_view import plain, show_decision, show_review
    from harness.results.store import Store
    from harness.reviewing import decided, reviewed

    verdict = _verdict(args)
    store = Store(args.store)
    seen = reviewed(args.zip, store, progress=console)
    if verdict:
        seen = decided(seen, store, verdict, by=args.by, note=args.note, take_over=args.transfer)
    if args.json:
        console.json(plain(seen))
    elif verdict:
        show_decision(seen, store, console)
    else:
        show_review(seen, store, console)


def _verdict(args: argparse.Namespace) -> Verdict | None:
    """The decision that is asked for; None for a look.

    Raises: UsageError.
    """
    from harness.results.approvals import Verdict
    from harness.results.ledger import TEXT_LIMIT
    from harness.results.next_commands import NAME

    decides = args.approve or args.reject
    if decides and not (args.by or "").strip():
        raise UsageError(
            "a decision needs a name: who has read the submission?",
            code="usage.by",
            fix="add --by NAME",
        )
    if not decides and (args.by or args.note):
        raise UsageError(
            "--by and --note go with a decision, and there is none",
            code="usage.by",
            fix="add --approve or --reject, or leave them out for a look",
        )
    if args.transfer and not args.approve:
        raise UsageError(
            "--transfer gives the user name away, which only an approval may do",
            code="usage.transfer",
            fix="add --approve --by NAME, or leave it out",
        )
    if not decides:
        return None
    if args.by.strip() == NAME:
        raise UsageError(
            f"--by {NAME} stands for a name: who has read the submission?",
            code="usage.by",
            fix="write your own name there: it is kept for good",
        )
    for option, text in (("--by", args.by), ("--note", args.note or "-")):
        if wrong := fault_of_line(text, limit=TEXT_LIMIT):
            raise UsageError(
                f"{option} {wrong}",
                code="usage.by",
                fix=f"write it in one line of at most {TEXT_LIMIT} characters: it is kept as it is, for good",
            )
    return Verdict.APPROVED if args.approve else Verdict.REJECTED
