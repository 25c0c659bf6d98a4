"""`wmc sandbox`: make the base image, see which sandbox a grade would use here, remove what was built."""

from __future__ import annotations

import argparse

from harness.cli.console import Console


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `sandbox build`, `sandbox status` and `sandbox clean`."""
    parser = commands.add_parser("sandbox", help="prepare and inspect the sandbox entries run in")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    build = actions.add_parser(
        "build", help="make the base image (Ubuntu 22.04, CUDA 12.3); about 10 GB to download"
    )
    build.add_argument(
        "--base-image", metavar="NAME", help="tag of the new image (default: WMC_BASE_IMAGE or ours)"
    )
    build.set_defaults(run=run_build)

    status = actions.add_parser("status", help="which sandbox a grade would use, and how to switch Docker on")
    status.add_argument("--base-image", metavar="NAME", help="look for this image instead")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    status.set_defaults(run=run_status)

    clean = actions.add_parser("clean", help="remove what was built for grades and is not in use")
    clean.add_argument(
        "--days",
        type=_days,
        default=0.0,
        metavar="N",
        help="keep what a grade used in the last N days (default: 0, keep only what is in use now)",
    )
    clean.set_defaults(run=run_clean)


def run_build(args: argparse.Namespace, console: Console) -> None:
    """Make the base image and say what it is called."""
    from harness.sandbox.image import build_base_image
    from harness.sandbox.policy import default_base_image

    name = args.base_image or default_base_image()
    digest = build_base_image(name, progress=console)
    console.show(f"{name} is ready: {digest}")


def run_clean(args: argparse.Namespace, console: Console) -> None:
    """Remove built entries and say how many; without an engine the folders of the process sandbox only."""
    from harness.disk.places import cache_folder
    from harness.errors import SandboxUnavailable
    from harness.sandbox.clean import clean_docker, clean_process

    unused_s = args.days * 24 * 3600
    process = clean_process(cache_folder(), unused_s=unused_s)
    console.show(f"process: {process.removed} built folders removed, {process.in_use} in use")
    try:
        docker = clean_docker(cache_folder(), unused_s=unused_s)
    except SandboxUnavailable as error:
        console.warn(f"Docker's volumes stay as they are: {error.message}")
        return
    console.show(f"docker: {docker.removed} volumes removed, {docker.in_use} in use")


def _days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of days of at least 0")
    return days


def run_status(args: argparse.Namespace, console: Console) -> None:
    """Say which sandbox is there; never fails, since the answer may be `process`."""
    from harness.sandbox.choose import NO_ISOLATION, choose
    from harness.sandbox.policy import SandboxPolicy, default_base_image

    choice = choose(SandboxPolicy(base_image=args.base_image or default_base_image()))
    name = choice.sandbox.name
    if args.json:
        console.json(
            {
                "sandbox": name,
                "reason": choice.reason,
                "switch_on": list(choice.switch_on),
                "details": choice.sandbox.details,
                "policy": choice.sandbox.in_force,
            }
        )
        return
    if choice.switch_on:
        console.warn(f"{NO_ISOLATION}\nNot Docker, because {choice.reason}. To switch it on:")
        for command in choice.switch_on:
            console.warn(f"  {command}")
    else:
        console.note(choice.reason)
    console.show(name)
