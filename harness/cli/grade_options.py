"""What `wmc grade` and `wmc check` have in common on the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.data.windows import Schedule
from harness.errors import UsageError
from harness.protocol.conversation import Limits
from harness.protocol.regimes import Regime

if TYPE_CHECKING:
    from harness.request import GradeRequest
    from harness.sandbox.contract import Sandbox
    from harness.sandbox.policy import SandboxPolicy


def add_grade_options(parser: argparse.ArgumentParser, *, needs_data: bool = True) -> None:
    """Everything about a grade but what is graded and where the record goes."""
    parser.add_argument(
        "--data", type=Path, required=needs_data, help="the clip to grade on, such as data/val_v1.1"
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
    _add_picture_options(parser)
    _add_sandbox_options(parser)


def grade_request(args: argparse.Namespace, submission: Path) -> GradeRequest:
    """What the options ask for.

    Raises: UsageError for options that contradict each other.
    """
    from harness.data.published import lpips_folder
    from harness.request import GradeRequest

    drawn = Regime.FULLY_AUTOREGRESSIVE
    if args.samples > 1 and args.regime and drawn.value not in args.regime:
        raise UsageError(
            f"--samples {args.samples} asks for several draws of a regime that is not graded ({drawn.value})",
            code="usage.samples",
            fix=f"add --regime {drawn.value}, or leave --samples out",
        )

    return GradeRequest(
        submission=submission,
        data=args.data,
        regimes=tuple(Regime(name) for name in args.regime),
        schedule=Schedule(args.schedule),
        seed=args.seed,
        limits=Limits(start_s=args.start_timeout, reply_s=args.reply_timeout, regime_s=args.regime_timeout),
        max_windows=args.windows,
        samples=args.samples,
        pictures=not args.no_pictures,
        codec=args.codec,
        lpips_weights=args.lpips or lpips_folder(),
    )


def pick_sandbox(args: argparse.Namespace, console: Console, *, cache: Path | None = None) -> Sandbox:
    """The sandbox the options name; the one without isolation says so.

    Raises: SandboxUnavailable; UsageError for an option that the named sandbox cannot keep.
    """
    from harness.sandbox.choose import NO_ISOLATION, open_sandbox

    policy = sandbox_policy(args)
    if args.sandbox == "process":
        console.warn(NO_ISOLATION)
    return open_sandbox(args.sandbox, policy, cache=cache)


def sandbox_policy(args: argparse.Namespace) -> SandboxPolicy:
    """What the options say of the sandbox.

    Raises: UsageError for an option that the named sandbox cannot keep.
    """
    from harness.sandbox.policy import SandboxPolicy, default_base_image

    if args.sandbox == "process":
        _refuse_docker_options(args)
    return SandboxPolicy(
        base_image=args.base_image or default_base_image(),
        entry_bytes=args.max_entry_bytes or SandboxPolicy.entry_bytes,
        gpu_device_ids=tuple(args.gpu),
        runtime=args.runtime,
        block_private_networks=args.build_network == "public",
    )


def _add_picture_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group(
        "pictures", "predictions are decoded and compared with the decoded truth: LPIPS, PSNR, SSIM"
    )
    options.add_argument("--codec", metavar="PATH", help="what decodes (default: the codec the data names)")
    options.add_argument(
        "--lpips",
        type=Path,
        metavar="DIR",
        help="where `wmc data pull --lpips` put the weights of LPIPS (default: where it does unless told otherwise)",
    )
    options.add_argument("--no-pictures", action="store_true", help="decode nothing, measure tokens alone")
    options.add_argument(
        "--samples",
        type=_positive,
        default=1,
        metavar="K",
        help="ask the fully autoregressive regime K times, for entries that draw at random: the mean over draws and "
        "the best of them (default: 1)",
    )


def _add_sandbox_options(parser: argparse.ArgumentParser) -> None:
    options = parser.add_argument_group("sandbox")
    options.add_argument(
        "--sandbox", choices=["docker", "process"], default="docker", help="(default: docker)"
    )
    options.add_argument(
        "--base-image",
        metavar="NAME",
        help="image to build and run in (default: what `wmc sandbox build` makes)",
    )
    options.add_argument(
        "--gpu",
        action="append",
        default=[],
        metavar="ID",
        help="index or UUID of a GPU the entry gets, as nvidia-smi -L shows it; may be repeated (default: none)",
    )
    options.add_argument(
        "--runtime",
        metavar="NAME",
        help="the engine's OCI runtime, such as runsc (default: the engine's own)",
    )
    options.add_argument(
        "--build-network",
        choices=["public", "open"],
        default="public",
        help="what build.sh may reach: the internet without this host and private networks, or all that "
        "this host reaches, as for a package index of your own (default: public)",
    )
    options.add_argument(
        "--max-entry-bytes",
        type=_size,
        metavar="SIZE",
        help="how much the entry's folder may hold after build.sh, in bytes or as in 512M or 4G: the packed training "
        "split is 6.2 GB (default: 32G)",
    )


def _refuse_docker_options(args: argparse.Namespace) -> None:
    given = {"--gpu": args.gpu, "--runtime": args.runtime, "--base-image": args.base_image}
    if refused := [option for option, value in given.items() if value]:
        raise UsageError(
            f"the process sandbox cannot keep {', '.join(refused)}: an entry in it sees what you see",
            code="usage.sandbox_options",
            fix="leave that out, or use --sandbox docker",
        )


def _seed(text: str) -> int:
    return _whole_number(text, least=0)


def _positive(text: str) -> int:
    return _whole_number(text, least=1)


def _whole_number(text: str, *, least: int) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= least):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}")
    return int(text)


def _size(text: str) -> int:
    """Bytes; K, M and G count in 1024s."""
    power = "_KMG".find(text[-1:].upper())
    number = text[:-1] if power > 0 else text
    if not (number.isascii() and number.isdigit() and int(number)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500000, 512M or 4G")
    return int(number) << 10 * max(power, 0)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return seconds
