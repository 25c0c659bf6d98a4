"""`wmc data pull`: the challenge's clips and codec from the Hugging Face Hub, and the weights of LPIPS."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.console import Console
from harness.cli.options import output_path
from harness.data.published import CODEC_FILE, REPOSITORY, REVISION, SPLITS, lpips_folder


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subcommands.add_parser(
        "pull",
        help="download a split of the challenge's data, its codec, or the weights of LPIPS",
        description=f"Download a split or the codec of {REPOSITORY}, or LPIPS' weights; run again, it continues. "
        "Needs the extra wmc[hub]; HF_ENDPOINT names a mirror, HF_TOKEN your token.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--split", choices=SPLITS, default=SPLITS[0], help=f"(default: {SPLITS[0]})")
    what.add_argument(
        "--codec",
        action="store_true",
        help=f"{CODEC_FILE} (1.15 GB), which turns tokens into images and back",
    )
    what.add_argument(
        "--lpips",
        action="store_true",
        help="AlexNet (244 MB) and the layers of LPIPS, from where they are published",
    )
    parser.add_argument(
        "--revision",
        default=REVISION,
        metavar="R",
        help=f"a commit of the dataset (default: {REVISION[:12]}, pinned)",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=output_path,
        metavar="DIR",
        help="the split's folder or the file goes in here (default: data; for --lpips the user's cache)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Pull, check, show where it is."""
    from rich.markup import escape

    from harness.data.download import pull, pull_codec, pull_lpips

    if args.lpips:
        for path in pull_lpips(args.output or lpips_folder(), progress=console):
            console.show(f"{escape(str(path))} is ready")
        return
    data = args.output or Path("data")
    if args.codec:
        path = pull_codec(data, revision=args.revision, progress=console)
        console.show(f"{escape(str(path))} is ready")
        return
    clip = pull(args.split, data, revision=args.revision, progress=console)
    console.show(f"{escape(str(clip.folder))} is ready: {clip.num_frames:,} frames")
