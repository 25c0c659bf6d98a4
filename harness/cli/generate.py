"""`wmc generate`: what a Genie thinks comes next, as clips."""

from __future__ import annotations

import argparse
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.console import Console
from harness.cli.options import output_path
from harness.errors import UsageError
from harness.spec import CHALLENGE
from harness.text import printable

if TYPE_CHECKING:
    from harness.data.generated import Generated

THREADS_PER_CORE = 8
"""More only get in each other's way; very many crash torch."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "generate",
        help="continue windows of a clip with a Genie",
        description="Continue windows of a clip with a Genie. DIR becomes a clip of prompts and predictions at "
        "2 Hz, one segment a window, and DIR/truth the same windows as they really went on.",
    )
    _add_source(parser)
    _add_sampling(parser)
    parser.add_argument("--device", metavar="D", help="cpu, cuda or cuda:N (default: a GPU if there is one)")
    parser.add_argument("--threads", type=int, metavar="N", help="of the CPU (default: torch's choice)")
    parser.add_argument(
        "-o",
        "--output",
        type=output_path,
        required=True,
        metavar="DIR",
        help="the new folder for what is generated",
    )
    parser.set_defaults(run=run)


def _add_source(parser: argparse.ArgumentParser) -> None:
    """What continues what."""
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="C",
        help="a Genie's folder, or a Hub id such as 1x-technologies/GENIE_35M",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="the clip, such as data/val_v1.1"
    )
    parser.add_argument(
        "--example",
        type=int,
        nargs="+",
        required=True,
        metavar="I",
        help="windows, counted from 0 over disjoint ones",
    )


def _add_sampling(parser: argparse.ArgumentParser) -> None:
    """How it is continued."""
    parser.add_argument(
        "--prompt-frames",
        type=int,
        default=CHALLENGE.prompt_frames,
        metavar="N",
        help="true frames to begin with (default %(default)s)",
    )
    parser.add_argument(
        "--maskgit-steps", type=int, default=2, metavar="N", help="steps per frame (default %(default)s)"
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=0.0,
        metavar="X",
        help="divides the logits before tokens are drawn; 0 takes the likeliest (default)",
    )
    parser.add_argument(
        "--teacher-forced", action="store_true", help="predict each frame from the true ones before it"
    )
    parser.add_argument(
        "--by-confidence", action="store_true", help="settle the most confident tokens first, not random ones"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same tokens (default 0)")


def run(args: argparse.Namespace, console: Console) -> None:
    """Generate, then say where it is and how much of it came true."""
    from rich.markup import escape

    from baselines.folders import entry_modules

    with entry_modules("genie"):
        genie = import_module("generate")
        settings = genie.Settings(
            examples=tuple(args.example),
            prompt_frames=args.prompt_frames,
            maskgit_steps=args.maskgit_steps,
            temperature=args.temperature,
            teacher_forced=args.teacher_forced,
            by_confidence=args.by_confidence,
            seed=args.seed,
        )
        _use_threads(args.threads)
        generated = genie.generate(
            args.checkpoint, args.data, args.output, settings, device=args.device, progress=console
        )
    frames = generated.tokens_BTHW.shape[1] - generated.prompt_frames
    console.show(
        f"[bold]{escape(printable(str(args.output)))}[/bold]: {frames} frames predicted in each window"
    )
    console.show(_table(settings.examples, generated))


def _use_threads(threads: int | None) -> None:
    import torch

    if threads is None:
        return
    most = THREADS_PER_CORE * (os.cpu_count() or 1)
    if not 1 <= threads <= most:
        raise UsageError(f"{threads} threads", code="usage.threads", fix=f"use --threads 1 to {most}")
    torch.set_num_threads(threads)


def _table(examples: tuple[int, ...], generated: Generated) -> Any:
    """The token accuracy of the predicted frames, per window and over all of them."""
    from rich.table import Table

    accuracy_B = generated.accuracy_B
    table = Table(show_footer=len(examples) > 1)
    table.add_column("window", footer="all", justify="right")
    table.add_column("token accuracy", footer=f"{accuracy_B.mean():.4f}", justify="right")
    for example, accuracy in zip(examples, accuracy_B, strict=True):
        table.add_row(f"{example}", f"{accuracy:.4f}")
    return table
