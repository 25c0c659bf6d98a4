"""`wmc doctor`: whether this machine can grade, and what to do where it cannot; removes what killed harnesses left."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.options import add_store_option
from harness.errors import Blame

if TYPE_CHECKING:
    from harness.doctor.check import Check


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="check that this machine can grade; remove leftovers",
        description="Look at Python, the engine, the base image, GPUs, disks, data, the store of grades, and what "
        "killed harnesses left behind. Changes nothing without --clean, and with it nothing but leftovers whose "
        "harness is certainly gone. Exit status 3 when something is broken; warnings cost a grade something and end "
        "with 0.",
    )
    add_store_option(parser)
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a clip to grade on: its digest is compared with those on record; may be repeated",
    )
    parser.add_argument("--train", type=Path, metavar="DIR", help="the clip that entries learn from")
    parser.add_argument("--base-image", metavar="NAME", help="the image to build and run in (default: ours)")
    parser.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="ID",
        help="a GPU that entries get: it is looked for in a container too; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--clean", action="store_true", help="remove leftovers of killed harnesses")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> int:
    """Look at everything, show it as it comes; the exit code says whether something is broken."""
    from harness.doctor.checkup import Wanted, checkup
    from harness.sandbox.policy import SandboxPolicy, default_base_image

    wanted = Wanted(
        store=args.store,
        data=tuple(args.data),
        train=args.train,
        policy=SandboxPolicy(
            base_image=args.base_image or default_base_image(), gpu_device_ids=tuple(args.gpu)
        ),
        is_cleaning=args.clean,
    )
    checks = checkup(wanted, progress=console)
    return _json(list(checks), console) if args.json else _shown(checks, console)


def _json(checks: list[Check], console: Console) -> int:
    from harness.doctor.check import Health

    is_able = all(check.health is not Health.BROKEN for check in checks)
    plain = [
        {"what": check.what, "health": check.health.value, "seen": check.seen, "fix": check.fix or None}
        for check in checks
    ]
    console.json({"can_grade": is_able, "checks": plain})
    return 0 if is_able else Blame.OPERATOR.exit_code


def _shown(checks: Iterable[Check], console: Console) -> int:
    from collections import Counter

    from harness.doctor.check import Health

    counts = Counter[Health]()
    for check in checks:
        console.show(_line(check))
        counts[check.health] += 1
    warnings, faults = counts[Health.WARNING], counts[Health.BROKEN]
    console.note(f"{counts[Health.OK]} well, {warnings} with a warning, {faults} broken")
    return Blame.OPERATOR.exit_code if faults else 0


def _line(check: Check) -> str:
    from rich.markup import escape

    from harness.doctor.check import Health
    from harness.text import printable

    colour = {Health.OK: "green", Health.WARNING: "yellow", Health.BROKEN: "bold red"}[check.health]
    seen = escape(printable(f"{check.what}: {check.seen}"))
    fix = f"\n        fix: {escape(printable(check.fix))}" if check.fix else ""
    return f"[{colour}]{check.health.value:<7}[/{colour}] {seen}{fix}"
