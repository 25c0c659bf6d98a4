"""`wmc grade --resume` and `--abandon`: what becomes of a grade that was killed or interrupted."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.console import Console
from harness.cli.grade_options import sandbox_policy
from harness.cli.interruption import telling_what_is_left
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.request import GradeRequest
    from harness.results.report import GradeReport
    from harness.results.store import Store
    from harness.resuming.resumable import Resumable
    from harness.sandbox.contract import Sandbox
    from harness.sandbox.policy import SandboxPolicy

RequestOf = Callable[[argparse.Namespace], "GradeRequest"]

_THE_ONLY_ONE = ""
_MOVED = ("submission", "data", "train")
"""What may lie elsewhere by now: its digest says whether it is the same."""
_OPTIONS = {
    "submission": "ZIP",
    "regimes": "--regime",
    "limits": "--start-timeout, --reply-timeout or --regime-timeout",
    "max_windows": "--windows",
    "pictures": "--no-pictures",
    "lpips_weights": "--lpips",
    "rules": "--no-review or --no-limit",
    "entry_bytes": "--max-entry-bytes",
    "gpu_device_ids": "--gpu",
    "block_private_networks": "--build-network",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Both, of which one can be given."""
    group = parser.add_argument_group(
        "after a crash or Ctrl-C",
        "a grade's journal says what was asked and what is done; nothing is charged to the entry",
    )
    options = group.add_mutually_exclusive_group()
    options.add_argument(
        "--resume",
        nargs="?",
        const=_THE_ONLY_ONE,
        metavar="GRADE",
        help="finish a grade from its last finished regime, as it was asked for: one that was killed, interrupted, or "
        "stopped by no fault of the entry (default: the only one)",
    )
    options.add_argument(
        "--abandon",
        metavar="GRADE",
        help="close a grade that was killed or interrupted, and that nobody will finish",
    )


def resumed(
    args: argparse.Namespace,
    store: Store,
    console: Console,
    *,
    request_of: RequestOf,
    unsaid: argparse.Namespace,
) -> GradeReport:
    """The finished grade; `unsaid` has every option as it is where nothing is said.

    Raises: UsageError where the options ask for something else than the journal does.
    """
    from harness.resuming.going_on import resume
    from harness.resuming.resumable import find_resumable
    from harness.sandbox.choose import NO_ISOLATION, open_sandbox

    def opened(name: str, policy: SandboxPolicy) -> Sandbox:
        if name == "process":
            console.warn(NO_ISOLATION)
        return open_sandbox(name, policy)

    found = find_resumable(store, args.resume or None)
    if found.history.is_given_up:
        console.note(f"grade {found.grade_id} was given up; it is taken up again")
    wishes, nothing = (request_of(_with_places(each)).anywhere for each in (args, unsaid))
    moved = {name: getattr(wishes, name) for name in _said(wishes, nothing) if _may_move(name, found)}
    found = replace(found, request=replace(found.request, **moved))
    others = _contradicted(wishes, nothing, found.request)
    if args.sandbox not in {unsaid.sandbox, found.sandbox}:
        others.append("--sandbox")
    others += _contradicted(sandbox_policy(args), sandbox_policy(unsaid), found.policy)
    if others:
        raise UsageError(
            f"grade {found.grade_id} was not asked for like this: {', '.join(others)}",
            code="usage.resume",
            fix="leave that out: a grade is resumed as it was begun",
        )
    console.note(f"resuming grade {found.grade_id}, {found.history.stage}")
    with telling_what_is_left(store, found.grade_id):
        return resume(found, store=store, open_sandbox=opened, progress=console)


def abandoned(args: argparse.Namespace, store: Store) -> GradeReport:
    """The record of a grade that was given up."""
    from harness.resuming.abandoning import abandon

    return abandon(store, args.abandon)


def show_abandoned(report: GradeReport, console: Console, *, as_json: bool) -> int:
    """Say that it is closed; that was what was asked for."""
    if as_json:
        console.json(report.to_json())
    if report.failure:
        console.note(f"grade {report.grade_id} is closed: {report.failure.message} ({report.failure.code})")
    return 0


def _with_places(args: argparse.Namespace) -> argparse.Namespace:
    """The same, with paths where none need be given."""
    nowhere = Path()
    return argparse.Namespace(
        **{**vars(args), "submission": args.submission or nowhere, "data": args.data or nowhere}
    )


def _said(wishes: Any, nothing: Any) -> list[str]:
    """The fields that options were given for, as far as it shows."""
    names = (field.name for field in fields(wishes))
    return [name for name in names if getattr(wishes, name) != getattr(nothing, name)]


def _may_move(name: str, found: Resumable) -> bool:
    return name in _MOVED and getattr(found.request, name) is not None


def _contradicted(wishes: Any, nothing: Any, asked: Any) -> list[str]:
    """The options that ask for something else than the journal."""
    different = [name for name in _said(wishes, nothing) if getattr(wishes, name) != getattr(asked, name)]
    return [_OPTIONS.get(name, "--" + name.replace("_", "-")) for name in different]
