"""`wmc visualize`: windows of a clip as GIFs and comic strips."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.console import Console
from harness.cli.options import output_path
from harness.text import printable

_WINDOWS = 4


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "visualize",
        help="show windows of a clip as GIFs and comic strips",
        description="Show windows of a clip: what `wmc generate` made beside what happened, the prompt marked, or a "
        "split alone. OUT becomes a folder with files for each window; named OUT.gif or OUT.png it is "
        "one file with all of them. Needs wmc[pictures].",
    )
    parser.add_argument(
        "clip", type=Path, metavar="DIR", help="a folder that `wmc generate` wrote, or a split's"
    )
    parser.add_argument(
        "-o", "--output", type=output_path, required=True, metavar="OUT", help="a new folder, .gif or .png"
    )
    parser.add_argument("--gif", action="store_true", help="animations (default: both)")
    parser.add_argument(
        "--comic", action="store_true", help="strips: truth above, generated below (default: both)"
    )
    parser.add_argument(
        "--fps", type=_rate, default=2.0, metavar="N", help="of animations; 2 is real time (default: 2)"
    )
    parser.add_argument("--codec", metavar="PATH", help="what decodes (default: the codec the clip names)")
    parser.add_argument(
        "--windows",
        type=_positive,
        metavar="N",
        help=f"show the first so many (default: {_WINDOWS})",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Open, draw, say what was written."""
    from rich.markup import escape

    from harness.codec.choose import open_codec
    from harness.codec.picture_files import Kind, write_pictures
    from harness.codec.scenes import open_reel
    from harness.data.generated import refuse_to_overwrite

    refuse_to_overwrite(args.output)
    with console.step(f"checking {args.clip}"):
        reel = open_reel(args.clip)
    asked = [kind for kind, wanted in ((Kind.GIF, args.gif), (Kind.COMIC, args.comic)) if wanted]
    named = [kind for kind in Kind if kind.value == args.output.suffix.lower()]
    paths = write_pictures(
        reel,
        open_codec(args.clip, args.codec),
        args.output,
        kinds=asked or named or list(Kind),
        windows=args.windows or _WINDOWS,
        fps=args.fps,
        progress=console,
    )
    for path in paths:
        console.show(escape(printable(str(path))))
    if args.windows is None and len(reel.windows) > _WINDOWS:
        console.note(f"{_WINDOWS} of {len(reel.windows):,} windows shown: --windows N shows more")


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _rate(text: str) -> float:
    from harness.codec.video import FASTEST_FPS, SLOWEST_FPS

    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not SLOWEST_FPS <= rate <= FASTEST_FPS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {SLOWEST_FPS} to {FASTEST_FPS}")
    return rate
