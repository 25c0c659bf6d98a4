"""What `wmc grade` and `wmc check` have in common on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.data.windows import Schedule
from harness.protocol.conversation import Limits
from harness.protocol.regimes import Regime

if TYPE_CHECKING:
    from harness.grading import GradeRequest
    from harness.sandbox.contract import Sandbox


def add_grade_options(parser: argparse.ArgumentParser) -> None:
    """Everything about a grade but what is graded and where the record goes."""
    parser.add_argument(
        "--data", type=Path, required=True, help="the clip to grade on, such as data/val_v1.1"
    )
    parser.add_argument(
        "--regime",
        action="append",
        default=[],
        choices=[regime.value for regime in Regime],
        help="grade only this regime; may be repeated (default: all the entry can do)",
    )
    parser.add_argument(
        "--schedule",
        choices=[schedule.value for schedule in Schedule],
        default=Schedule.DISJOINT.value,
        help="disjoint windows, or 1X's own list for comparison with published numbers (default: disjoint)",
    )
    parser.add_argument(
        "--seed", type=_seed, default=0, help="orders windows and draws the bootstrap (default: 0)"
    )
    parser.add_argument(
        "--sandbox", choices=["docker", "process"], default="docker", help="(default: docker)"
    )
    parser.add_argument(
        "--base-image", help="image to build and run in (default: what `wmc sandbox build` makes)"
    )
    parser.add_argument(
        "--windows", type=_positive, help="grade only the first so many windows: a quick check"
    )
    parser.add_argument(
        "--reply-timeout", type=_seconds, default=Limits.reply_s, metavar="S", help="for one prediction"
    )
    parser.add_argument(
        "--start-timeout", type=_seconds, default=Limits.start_s, metavar="S", help="until READY"
    )
    parser.add_argument(
        "--regime-timeout", type=_seconds, default=Limits.regime_s, metavar="S", help="for one regime"
    )
    parser.add_argument("--json", action="store_true", help="print the record as one JSON object")


def grade_request(args: argparse.Namespace, submission: Path) -> GradeRequest:
    """What the options ask for."""
    from harness.grading import GradeRequest

    return GradeRequest(
        submission=submission,
        data=args.data,
        regimes=tuple(Regime(name) for name in args.regime),
        schedule=Schedule(args.schedule),
        seed=args.seed,
        limits=Limits(start_s=args.start_timeout, reply_s=args.reply_timeout, regime_s=args.regime_timeout),
        max_windows=args.windows,
    )


def pick_sandbox(args: argparse.Namespace, console: Console) -> Sandbox:
    """The sandbox the options name; the one without isolation says so."""
    if args.sandbox == "process":
        from harness.sandbox.process import ProcessSandbox

        console.warn(
            "No isolation: the entry runs as you, with your files and your network. Only for your own code."
        )
        return ProcessSandbox()
    from harness.sandbox.container import DockerSandbox

    return DockerSandbox(base_image=args.base_image)


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise ValueError
    return seed


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise ValueError
    return seconds
