"""`wmc sandbox`: make the base image, or see which sandbox a grade would use here."""

from __future__ import annotations

import argparse

from harness.cli.console import Console


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `sandbox build` and `sandbox status`."""
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
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument(
        "--pick", action="store_true", help="print only `docker` or `process`; the rest goes to stderr"
    )
    status.set_defaults(run=run_status)


def run_build(args: argparse.Namespace, console: Console) -> None:
    """Make the base image and say what it is called."""
    from harness.sandbox.image import build_base_image
    from harness.sandbox.policy import default_base_image

    name = args.base_image or default_base_image()
    digest = build_base_image(name, progress=console)
    console.show(f"{name} is ready: {digest}")


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
