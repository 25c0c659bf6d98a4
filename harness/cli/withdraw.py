"""`wmc withdraw GRADE`: take a grade off the ranking, or put it back; its record stays as it is."""

from __future__ import annotations

import argparse

from harness.cli.console import Console
from harness.cli.options import add_store_option


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "withdraw",
        help="take a grade off the ranking, or put it back",
        description="The grade stays on the page, struck through and without a rank, with the day and the reason; the "
        "changes and the feed tell of it. Its record is not touched, so `wmc verify` finds it as it was. The latest "
        "grade of the same entry that counts, if there is one, has the entry's rank. Regrades of a withdrawn grade "
        "score the same answers, and are withdrawn with it; --restore puts back a single one by its own id. What was "
        "announced of private data, and what was not, stays as it was.",
    )
    parser.add_argument("grade", metavar="GRADE", help="the grade's id, as its page says")
    parser.add_argument("--by", metavar="NAME", required=True, help="who decided it; stays in the store")
    parser.add_argument(
        "--reason", metavar="TEXT", required=True, help="one line of at most 400 characters; it is published"
    )
    parser.add_argument("--restore", action="store_true", help="it counts again")
    add_store_option(parser)
    parser.add_argument("--json", action="store_true", help="print the decision as one JSON object instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Keep the decision and say what follows from it."""
    from dataclasses import asdict

    from harness.results.store import Store
    from harness.results.withdrawals import Move, Withdrawal, regrades_of, withdraw
    from harness.text import printable

    store = Store(args.store)
    decided = withdraw(
        store,
        Withdrawal(
            move=Move.RESTORED if args.restore else Move.WITHDRAWN,
            grade_id=args.grade,
            by=args.by.strip(),
            reason=args.reason.strip(),
        ),
    )
    if args.json:
        console.json({**asdict(decided), "move": decided.move.value})
        return
    console.note(f"grade {printable(decided.grade_id)} is {decided.move.value}")
    for grade_id in regrades_of(decided.grade_id, store.reports()):
        console.note(f"and with it {printable(grade_id)}, which scores the same answers again")
    console.note("the next `wmc leaderboard` shows it; its record is as it was")
