"""`wmc grade`: grade one submission on a held-out clip and keep the record."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import grade_resume
from harness.cli.console import Console
from harness.cli.grade_open import add_open_options, graded_openly, refuse_open_options
from harness.cli.grade_options import add_grade_options, grade_request, pick_sandbox
from harness.cli.grade_view import show_report
from harness.cli.interruption import telling_what_is_left
from harness.cli.options import add_store_option
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.request import GradeRequest
    from harness.results.report import GradeReport
    from harness.results.store import Store


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "grade",
        help="grade a submission on held-out data; keeps the record",
        usage="wmc grade ZIP --data DIR [options]\n       wmc grade --resume [GRADE] [--store STORE]\n"
        "       wmc grade --abandon GRADE [--store STORE]",
    )
    parser.add_argument("submission", type=Path, nargs="?", metavar="ZIP", help="what `wmc submit` made")
    add_store_option(parser)
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign the record with this Ed25519 key, a PEM file"
    )
    grade_resume.add_options(parser)
    _add_admission_options(parser)
    _add_retrieval_options(parser)
    add_open_options(parser)
    add_grade_options(parser, needs_data=False)
    parser.set_defaults(run=partial(run, parser=parser))


def run(args: argparse.Namespace, console: Console, *, parser: argparse.ArgumentParser) -> int:
    """Grade, or go on with a grade, keep, show; the exit code says whose turn it is."""
    from harness.results.next_commands import notice_command
    from harness.results.signing import read_private_key, sign_record
    from harness.results.store import Store

    key = read_private_key(args.sign) if args.sign else None
    store = Store(args.store)
    if args.abandon:
        report = grade_resume.abandoned(args, store)
    elif args.resume is not None:
        report = grade_resume.resumed(args, store, console, request_of=_request, unsaid=parser.parse_args([]))
    else:
        report = _graded(args, store, console, parser)
    if key:
        sign_record(store, report.grade_id, key)
    if args.abandon:
        return grade_resume.show_abandoned(report, console, as_json=args.json)
    command = _next(report, store)
    logs = store.grade_folder(report.grade_id)
    code = show_report(report, console, as_json=args.json, logs=logs, command=command)
    if report.is_of_nobody:
        console.note(
            f"the zip, sha256 {(report.provenance.submission_sha256 or 'unknown')[:12]}, does not say who sent it: it "
            "counts for nobody, and is not on the page"
        )
    if not report.failure:
        console.note(f"for its entrant: {notice_command(store, report.grade_id)}")
    return code


def _next(report: GradeReport, store: Store) -> str | None:
    """The command that comes after this record; None where nothing was done that could go on."""
    from harness.errors import Blame, WmcError
    from harness.results.journal import OURS, read_history
    from harness.results.next_commands import notice_command, resume_command

    if report.failure is None or report.failure.blame is Blame.ENTRY:
        return notice_command(store, report.grade_id)
    try:
        history = read_history(store, report.grade_id)
    except WmcError:  # the open protocol keeps none
        return None
    can_go_on = report.failure.blame in OURS and history.stages
    return resume_command(store, report.grade_id) if can_go_on else None


def _graded(
    args: argparse.Namespace, store: Store, console: Console, parser: argparse.ArgumentParser
) -> GradeReport:
    from harness.grading import grade
    from harness.results.record import new_grade_id

    if args.submission is None or args.data is None:
        parser.error("the following arguments are required: ZIP, --data (or --resume)")
    grade_id = new_grade_id()
    with telling_what_is_left(store, grade_id):
        if args.protocol == "open":
            return graded_openly(args, store, console, grade_id=grade_id)
        request = _request(args)
        sandbox = pick_sandbox(args, console)
        return grade(request, sandbox=sandbox, store=store, progress=console, grade_id=grade_id)


def _request(args: argparse.Namespace) -> GradeRequest:
    """What the options ask for.

    Raises: UsageError for options that contradict each other.
    """
    from dataclasses import replace

    from harness.admission import Rules

    refuse_open_options(args)
    if args.panel and not args.train:
        raise UsageError(
            "--panel judges the retrieval check, which needs the training clip",
            code="usage.train",
            fix="add --train DIR, or leave --panel out",
        )
    return replace(
        grade_request(args, args.submission),
        train=args.train,
        panel=args.panel,
        rules=Rules(review=not args.no_review, limit=not args.no_limit),
    )


def _add_admission_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group(
        "private data",
        "whatever does not lie in a folder called val or val_v1.1: a submission must have been approved "
        "(`wmc review`), and an entrant has three grades in seven days on the same data, failures of ours not counted; "
        "fairness.toml in the store sets other numbers",
    )
    options.add_argument(
        "--no-review", action="store_true", help="grade what nobody has approved; the record says so"
    )
    options.add_argument(
        "--no-limit", action="store_true", help="grade beyond the limit of attempts; the record says so"
    )


def _add_retrieval_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group(
        "retrieval check",
        "whether the entry copies the training clip (rule 5); it calls a person, never decides",
    )
    options.add_argument(
        "--train", type=Path, metavar="DIR", help="the clip that entries learn from (default: no check)"
    )
    options.add_argument(
        "--panel",
        type=Path,
        metavar="FILE",
        help="honest entries to compare with, as `wmc retrieval calibrate` makes it (default: the store's panel.json)",
    )
