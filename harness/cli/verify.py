"""`wmc verify [GRADE]`: whether records are what was written, and their figures what the kept answers say."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.options import add_store_option
from harness.errors import Blame, UsageError
from harness.text import printable

if TYPE_CHECKING:
    from harness.results.checks import Check


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "verify",
        help="check kept records: nothing edited, figures as recorded",
        description="Without GRADE: the database, the chain of its rows, and every file that a record names. With "
        "GRADE: also each of its figures, computed again from the kept nats and tokens. Writes nothing. Whoever can "
        "write the store can make it all anew: --head holds it against what was published, --key against signatures.",
    )
    parser.add_argument(
        "grade", nargs="?", metavar="GRADE", help="a grade by its id (default: the whole store)"
    )
    add_store_option(parser)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="the clip it was graded on: checks accuracies too"
    )
    parser.add_argument(
        "--train",
        type=Path,
        metavar="DIR",
        help="with --data: the training clip; checks the retrieval check too",
    )
    parser.add_argument(
        "--panel",
        type=Path,
        metavar="FILE",
        help="the panel that judged it (default: the store's panel.json)",
    )
    parser.add_argument(
        "--key", type=Path, metavar="PUB", help="the public key of whoever signs records, an Ed25519 PEM file"
    )
    parser.add_argument(
        "--head",
        type=Path,
        metavar="FILE",
        help="a copy of chain.head, or the leaderboard.json of a published page: nothing before it was made anew",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Show every check; the exit code says whether all is as recorded."""
    from harness.results.audit import audit_store
    from harness.results.signing import read_public_key
    from harness.results.store import Store

    _check_usage(args)
    key = read_public_key(args.key) if args.key else None
    store = Store(args.store)
    if args.grade is None:
        checks = audit_store(store, key=key, progress=console, kept=args.head)
    else:
        from harness.recomputing.verification import Means, verify_grade

        means = Means(data=args.data, train=args.train, panel=args.panel, key=key)
        checks = verify_grade(store, args.grade, means, progress=console)
    return _show(checks, console, as_json=args.json)


def _check_usage(args: argparse.Namespace) -> None:
    if args.grade is None and (args.data or args.train or args.panel):
        raise UsageError(
            "--data, --train and --panel are for the figures of one grade",
            code="usage.verify",
            fix="name the grade, or leave them out",
        )
    if args.grade is not None and args.head:
        raise UsageError(
            "--head is for the whole store", code="usage.verify", fix="leave the grade or --head out"
        )
    if args.train and not args.data:
        raise UsageError(
            "the retrieval check is of two clips, and --train is only one of them",
            code="usage.train",
            fix="add --data DIR, or leave --train out",
        )


def _show(checks: Sequence[Check], console: Console, *, as_json: bool) -> int:
    from rich.markup import escape

    from harness.results.checks import Outcome

    wrong = [check for check in checks if check.outcome is Outcome.DIFFERENT]
    if as_json:
        plain = [
            {"what": check.what, "outcome": check.outcome.value, "detail": check.detail} for check in checks
        ]
        console.json({"as_recorded": not wrong, "checks": plain})
    else:
        for check in checks:
            line = escape(printable(f"{check.outcome.value:<12} {check.what}: {check.detail}"))
            console.show(f"[red]{line}[/red]" if check in wrong else line)
    if not wrong:
        return 0
    console.failure(
        "store.not_as_recorded",
        f"{len(wrong)} of {len(checks)} checks: the store is not as it was recorded, first: "
        f"{wrong[0].what}: {wrong[0].detail}",
        "restore the store from a copy; where only figures differ, ask the version of wmc that the record names",
    )
    return Blame.OPERATOR.exit_code
