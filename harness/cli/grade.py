"""`wmc grade`: grade one submission on a held-out clip and keep the record."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from harness.cli.console import Console
from harness.cli.grade_options import add_grade_options, grade_request, pick_sandbox
from harness.cli.grade_view import show_report
from harness.errors import UsageError


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("grade", help="grade a submission on held-out data and keep the record")
    parser.add_argument("submission", type=Path, metavar="ZIP", help="what `wmc submit` made")
    parser.add_argument(
        "--store", type=Path, default=Path("store"), help="where records are kept (default: store)"
    )
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign the record with this Ed25519 key, a PEM file"
    )
    _add_admission_options(parser)
    _add_retrieval_options(parser)
    add_grade_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Grade, keep, show; the exit code says whose turn it is."""
    from dataclasses import replace

    from harness.admission import Rules
    from harness.grading import grade
    from harness.results.signing import read_private_key, sign_record
    from harness.results.store import Store

    if args.panel and not args.train:
        raise UsageError(
            "--panel judges the retrieval check, which needs the training clip",
            code="usage.train",
            fix="add --train DIR, or leave --panel out",
        )
    key = read_private_key(args.sign) if args.sign else None
    store = Store(args.store)
    request = replace(
        grade_request(args, args.submission),
        train=args.train,
        panel=args.panel,
        rules=Rules(review=not args.no_review, limit=not args.no_limit),
    )
    report = grade(request, sandbox=pick_sandbox(args, console), store=store, progress=console)
    if key:
        sign_record(store, report.grade_id, key)
    code = show_report(report, console, as_json=args.json, logs=store.grade_folder(report.grade_id))
    console.note(f"for its entrant: wmc notice {report.grade_id} --store {shlex.quote(str(args.store))}")
    return code


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
