"""`wmc data pull`: the challenge's clips from the Hugging Face Hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.console import Console
from harness.data.published import REPOSITORY, REVISION, SPLITS


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subcommands.add_parser(
        "pull",
        help="download a split of the challenge's data",
        description=f"Download a split of {REPOSITORY}; run again, it continues. "
        "Needs the extra wmc[hub]; HF_ENDPOINT names a mirror, HF_TOKEN your token.",
    )
    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0], help=f"(default: {SPLITS[0]})")
    parser.add_argument(
        "--revision",
        default=REVISION,
        metavar="R",
        help=f"a commit of the dataset (default: {REVISION[:12]}, pinned)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("data"),
        metavar="DIR",
        help="the split's folder goes in here (default: data)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Pull, check, show where it is."""
    from rich.markup import escape

    from harness.data.download import pull

    clip = pull(args.split, args.output, revision=args.revision, progress=console)
    console.show(f"{escape(str(clip.folder))} is ready: {clip.num_frames:,} frames")
