"""`wmc grade --protocol open`: run a program by 1X's own rules and keep what it says of itself."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.grade_options import grade_request, pick_sandbox
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.open_rules.grading import OpenRequest
    from harness.results.report import GradeReport
    from harness.results.store import Store

PROTOCOLS = ("gate", "open")


def add_open_options(parser: argparse.ArgumentParser) -> None:
    """What the open protocol needs besides the options of every grade."""
    options = parser.add_argument_group(
        "open protocol",
        "for an evaluate.py that was written for 1X's own rules: it is shown the whole clip and prints its own "
        "figures. Such a grade is marked and never ranked; docs/open-protocol.md says what it is worth",
    )
    options.add_argument(
        "--protocol", choices=PROTOCOLS, default=PROTOCOLS[0], help="how the entry is asked (default: gate)"
    )
    options.add_argument(
        "--save-outputs",
        action="store_true",
        help="its evaluate.py takes --save_outputs_dir, as 1X's does: the logits that it saves are scored by us",
    )
    options.add_argument(
        "--expose-held-out-truth",
        action="store_true",
        help="show the entry's code all of a private clip; no figure of such a grade is published",
    )


def refuse_open_options(args: argparse.Namespace) -> None:
    """Nothing, unless what only the open protocol knows was asked of the gate. Raises: UsageError."""
    given = {
        "--save-outputs": args.save_outputs,
        "--expose-held-out-truth": args.expose_held_out_truth,
    }
    _refuse(given, "only --protocol open knows", "add --protocol open, or leave that out")


def graded_openly(args: argparse.Namespace, store: Store, console: Console, *, grade_id: str) -> GradeReport:
    """The record of the grade that the options ask for."""
    from harness.open_rules.grading import grade_openly

    request = _request(args)
    sandbox = pick_sandbox(args, console)
    return grade_openly(request, sandbox=sandbox, store=store, progress=console, grade_id=grade_id)


def _request(args: argparse.Namespace) -> OpenRequest:
    from harness.admission import Rules
    from harness.open_rules.grading import OpenRequest

    given = {
        "--regime": args.regime,
        "--windows": args.windows,
        "--samples": args.samples > 1,
        "--train": args.train,
        "--panel": args.panel,
        "--codec": args.codec,
    }
    _refuse(given, "a program that is not asked frame by frame cannot be held to", "leave that out")
    usual = grade_request(args, args.submission)
    return OpenRequest(
        submission=usual.submission,
        data=usual.data,
        seed=usual.seed,
        limits=usual.limits,
        saves_outputs=args.save_outputs,
        exposes_truth=args.expose_held_out_truth,
        rules=Rules(review=not args.no_review, limit=not args.no_limit),
    )


def _refuse(given: dict[str, object], why: str, fix: str) -> None:
    if refused := [option for option, value in given.items() if value]:
        raise UsageError(f"{why} {', '.join(refused)}", code="usage.open_options", fix=fix)
