"""`wmc check`: the grader itself, on the entrant's own data, and what may be wrong; no record is kept."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.check_logs import forget_logs, keep_logs, show_log_ends
from harness.cli.check_view import memory_of_processes, notes_in_logs, show_forecasts
from harness.cli.console import Console
from harness.cli.grade_options import add_grade_options, grade_request, pick_sandbox
from harness.cli.grade_view import show_report
from harness.errors import SandboxUnavailable, UsageError
from harness.protocol.regimes import Regime
from harness.text import printable

if TYPE_CHECKING:
    from harness.checking.forecast import Forecast
    from harness.checking.hints import Listener
    from harness.request import GradeRequest
    from harness.results.report import GradeReport
    from harness.results.store import Store
    from harness.sandbox.contract import Sandbox

QUICK_WINDOWS = 8


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "check",
        help="grade your own entry on your own data; keeps no record",
        description="The grader itself, on data of your own, with hints about what may be wrong. Keeps nothing but, of "
        "a check that failed, what your entry wrote.",
    )
    parser.add_argument(
        "entry", type=Path, metavar="FOLDER|ZIP", help="an entry's folder, or what `wmc submit` made"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_WINDOWS} windows and no pictures, and how long all of it would take",
    )
    add_grade_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Pack if need be, grade, show; on a failure show what the entry itself wrote too."""
    from harness.checking.hints import Listener
    from harness.disk import scratch
    from harness.results.store import Store

    listener = Listener()
    with scratch.folder("check") as folder:
        store = Store(folder / "store")
        request = _request(args, _packed(args.entry, folder))
        sandbox = _sandbox(args, console, cache=folder / "cache")
        report = _graded(request, sandbox, store, console, listener)
        logs = store.grade_folder(report.grade_id)
        if report.failure:
            show_log_ends(logs, console, said=report.failure.message)
            kept = keep_logs(logs, args.entry)
            return show_report(report, console, as_json=args.json, logs=kept)
        forget_logs(args.entry)
        hints = (*listener.hints(), *notes_in_logs(logs))
    code = _show(report, request, hints, console, args)
    if not args.json:
        _show_next(args, request, console)
    return code


def _show(
    report: GradeReport,
    request: GradeRequest,
    hints: Sequence[str],
    console: Console,
    args: argparse.Namespace,
) -> int:
    """The scores, how long all windows would take, and what looks wrong; returns the exit code."""
    from harness.plain import to_plain

    forecasts = _forecasts(request, report)
    beside = {"hints": hints, "forecast": to_plain(forecasts)}
    code = show_report(report, console, as_json=args.json, beside=beside, is_kept=False)
    if forecasts:
        show_forecasts(forecasts, console, data=printable(request.data.resolve().name), as_json=args.json)
        if args.sandbox == "process":
            console.note(memory_of_processes())
    for hint in hints:
        console.warn(f"hint: {hint}")
    return code


def _packed(entry: Path, folder: Path) -> Path:
    """The zip that is graded: `entry` itself, or made of it below `folder`."""
    from harness.intake.pack import pack, read_manifest

    return pack(entry, folder / read_manifest(entry).zip_name).path if entry.is_dir() else entry


def _graded(
    request: GradeRequest, sandbox: Sandbox, store: Store, console: Console, listener: Listener
) -> GradeReport:
    """The whole grade; its answers of the leaderboard's regime are heard, and nothing built is kept."""
    from harness.grading import grade

    try:
        return grade(
            request,
            sandbox=sandbox,
            store=store,
            progress=console,
            listening=lambda regime: listener.record if regime is Regime.TEMPORALLY_TEACHER_FORCED else None,
        )
    finally:
        sandbox.discard_builds()


def _sandbox(args: argparse.Namespace, console: Console, *, cache: Path) -> Sandbox:
    """The one that is asked for; who has no Docker is told that one's own code runs without it."""
    try:
        return pick_sandbox(args, console, cache=cache)
    except SandboxUnavailable as error:
        if not (args.gpu or args.runtime or args.base_image):  # a plain process has none of these
            error.fix += "; or check without a box, for it is your own code: add --sandbox process"
        raise


def _forecasts(request: GradeRequest, report: GradeReport) -> tuple[tuple[Forecast, ...], ...]:
    """Of all windows of this data and of 1X's val; nothing where all were graded."""
    from harness.checking.forecast import PUBLIC_VAL_WINDOWS, forecast
    from harness.exam import set_exam

    if request.max_windows is None:
        return ()
    all_windows = set_exam(request.data, request.schedule, request.seed).num_windows
    return tuple(forecast(report, windows=count) for count in sorted({all_windows, PUBLIC_VAL_WINDOWS}))


def _show_next(args: argparse.Namespace, request: GradeRequest, console: Console) -> None:
    """The command an entrant gives now; whoever checked a zip has nothing more to type."""
    entry = shlex.quote(str(args.entry))
    if request.max_windows is not None:
        console.note("these were only the first windows; the command below grades all of them")
        console.next(f"wmc check {entry} --data {shlex.quote(str(args.data))}{_where(args)}")
    elif args.entry.is_dir():
        console.next(f"wmc submit {entry}")
    else:
        console.note(f"checked; where no hint above speaks against it, send {entry}")


def _where(args: argparse.Namespace) -> str:
    """The options without which the same machine could not check again."""
    said = {
        "--sandbox": [args.sandbox] if args.sandbox == "process" else [],
        "--base-image": [args.base_image] if args.base_image else [],
        "--gpu": args.gpu,
        "--runtime": [args.runtime] if args.runtime else [],
        "--build-network": [args.build_network] if args.build_network == "open" else [],
        "--max-entry-bytes": [str(args.max_entry_bytes)] if args.max_entry_bytes else [],
        "--codec": [args.codec] if args.codec else [],
    }
    return "".join(f" {option} {shlex.quote(value)}" for option, values in said.items() for value in values)


def _request(args: argparse.Namespace, submission: Path) -> GradeRequest:
    if args.quick and args.windows:
        raise UsageError(
            f"--quick is --windows {QUICK_WINDOWS} --no-pictures; --windows {args.windows} contradicts it",
            fix="leave one of them out",
            code="usage.quick",
        )
    request = grade_request(args, submission)
    return replace(request, max_windows=QUICK_WINDOWS, pictures=False) if args.quick else request
