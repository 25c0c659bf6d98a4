"""`wmc tokenize`: external video or images as a clip that entries can be trained on."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

from harness.cli.console import Console
from harness.cli.options import output_path
from harness.data.published import CODEC_FILE
from harness.data.windows import Schedule
from harness.spec import CHALLENGE
from harness.text import printable

_DEFAULT_CODEC = f"data/{CODEC_FILE}"
_SLOWEST_HZ, _FASTEST_HZ = Fraction("0.1"), Fraction(1000)
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9}|/[0-9]{1,9})?")
"""Without exponents: the digits of 1e999999999 alone would take minutes."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tokenize",
        help="turn video or images into a clip to train on",
        description="Turn video files and folders of images into a clip of version 1.1 without actions: 30 frames a "
        "second, the square in the middle, 256x256 pixels, one segment a file or folder. Needs wmc[video], and for "
        "MAGVIT2 wmc[codec].",
    )
    parser.add_argument(
        "sources", type=Path, nargs="+", metavar="VIDEO|FOLDER", help="a video file, or a folder of images"
    )
    parser.add_argument(
        "-o", "--output", type=output_path, required=True, metavar="DIR", help="the clip; must not exist"
    )
    parser.add_argument(
        "--codec",
        default=_DEFAULT_CODEC,
        metavar="PATH",
        help=f"{CODEC_FILE}, or the codec.npz of demo data (default: {_DEFAULT_CODEC})",
    )
    parser.add_argument(
        "--hz-from",
        type=_rate,
        metavar="N",
        help="images a second in folders of images, such as 10 or 30000/1001 (0.1 to 1000)",
    )
    parser.add_argument(
        "--device", metavar="D", help="where MAGVIT2 computes: cpu or cuda (default: cuda if there)"
    )
    parser.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="what MAGVIT2 computes in; bfloat16 is faster and gives a few other tokens (default: float32)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, as `wmc data info` does")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Open the codec, tokenize, show what came of it."""
    from harness.cli.data_info import describe
    from harness.codec.choose import open_codec
    from harness.codec.external import tokenize
    from harness.codec.magvit2 import Magvit2Codec, Precision

    precision = Precision(args.precision)
    codec = open_codec(args.output, args.codec, device=args.device, precision=precision)
    if not isinstance(codec, Magvit2Codec) and (args.device or precision is not Precision.FLOAT32):
        console.note("--device and --precision are MAGVIT2's: this codec computes on the CPU")
    clip = tokenize(
        args.sources,
        args.output,
        codec=codec,
        codec_path=Path(args.codec),
        images_hz=args.hz_from,
        progress=console,
    )
    facts = describe(clip)
    if args.json:
        console.json(facts)
    else:
        console.show(_summary(facts))
    if not facts["windows"][Schedule.DISJOINT.value]:
        console.warn(
            f"Too short to train on: a window takes {CHALLENGE.raw_span} frames at {CHALLENGE.raw_hz} Hz "
            f"({CHALLENGE.raw_span / CHALLENGE.raw_hz:.1f} s) of one video or folder, and the longest here has "
            f"{facts['segment_frames']['max']:,}."
        )


def _summary(facts: dict[str, Any]) -> str:
    from rich.markup import escape

    counts = {
        "frame": facts["frames"],
        "segment": facts["segments"],
        "disjoint window": facts["windows"][Schedule.DISJOINT.value],
    }
    counted = ", ".join(f"{count:,} {what}{'s' if count != 1 else ''}" for what, count in counts.items())
    return f"{escape(printable(facts['folder']))} is ready: {counted}"


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text) if _RATE.fullmatch(text) else None
    except ZeroDivisionError:
        rate = None
    if rate is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not written as 10, 29.97 or 30000/1001 are")
    if not _SLOWEST_HZ <= rate <= _FASTEST_HZ:
        raise argparse.ArgumentTypeError(
            f"{text} images a second is not from {float(_SLOWEST_HZ):g} to {_FASTEST_HZ}"
        )
    return rate
