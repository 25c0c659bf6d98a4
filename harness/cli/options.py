"""Options that many commands have, in the same words."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.results.next_commands import USUAL_STORE


def add_store_option(parser: argparse.ArgumentParser, *, keeps: str = "records") -> None:
    """`--store`, and what the command looks for in it."""
    parser.add_argument(
        "--store",
        type=Path,
        default=USUAL_STORE,
        help=f"where {keeps} are kept (default: {USUAL_STORE})",
    )


def output_name(text: str) -> str:
    """Where a result goes; the hyphen that other programs take for standard output is refused.

    Raises: ArgumentTypeError.
    """
    if text == "-":
        raise argparse.ArgumentTypeError(
            "nothing is written to standard output: name a file or folder (./- for one of that very name)"
        )
    return text


def output_path(text: str) -> Path:
    """The same as a path. Raises: ArgumentTypeError."""
    return Path(output_name(text))
