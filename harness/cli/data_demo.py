"""`wmc data demo`: rendered first-person video in the challenge's format, and a check that it behaves like it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.console import Console

if TYPE_CHECKING:
    from harness.data.demo import SplitSummary
    from harness.retrieval.rule_five import CopyLosses

_TRAIN_FRAMES = 30_000  # enough for retrieval to pay
_LEAST_MARGIN = 0.2  # nats per token
_LEAST_PSNR_DB = 24.0


def register(subcommands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subcommands.add_parser(
        "demo",
        help="render demo data with ViZDoom",
        description="Render first-person video of a robot that repeats its rounds: DIR/train and DIR/val show the "
        "same routes, DIR/heldout other maps. Takes about a minute and needs wmc[demo].",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where train, val, heldout and codec.npz go")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same bytes (default 0)")
    parser.add_argument(
        "--train-frames",
        type=int,
        default=_TRAIN_FRAMES,
        metavar="N",
        help=f"size of train (default {_TRAIN_FRAMES})",
    )
    parser.add_argument(
        "--workers", type=int, default=None, metavar="N", help="rendering processes (default: one a core)"
    )
    parser.add_argument("--force", action="store_true", help="replace demo data that is there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Make the data, then show what it is and whether retrieval behaves on it."""
    from harness.codec.patch import PatchCodec
    from harness.data.clips import open_clip
    from harness.data.demo import make_demo
    from harness.data.demo_plan import DemoPlan
    from harness.retrieval.rule_five import copy_losses
    from harness.workers import cores

    summary = make_demo(
        args.folder,
        plan=DemoPlan(seed=args.seed, train_frames=args.train_frames),
        fit_codec=PatchCodec.fit,
        workers=cores() if args.workers is None else args.workers,
        progress=console,
        force=args.force,
    )
    train = open_clip(args.folder / "train")
    with console.step("searching val and heldout in train"):
        losses = {split: copy_losses(train, open_clip(args.folder / split)) for split in ("val", "heldout")}
    console.show(_table(args.folder, summary, losses))
    console.show(verdict(losses))
    for text in shortcomings(summary, losses):
        console.warn(text)


def shortcomings(summary: Mapping[str, SplitSummary], losses: Mapping[str, CopyLosses]) -> list[str]:
    """What this data does not show as it should; nothing with the default settings."""
    found = []
    if losses["val"].margin < _LEAST_MARGIN:
        found.append(
            f"on val, retrieval beats copying the last frame by {losses['val'].margin:.2f} nats per token, less than "
            f"the {_LEAST_MARGIN} that rule 5 is about; make more with --train-frames"
        )
    if losses["heldout"].margin >= 0:
        found.append(
            f"on heldout, retrieval beats copying the last frame by {losses['heldout'].margin:.2f} nats per token, "
            "though its places are not in train; try another --seed"
        )
    if summary["val"].psnr_db < _LEAST_PSNR_DB:
        found.append(
            f"on val, the codec keeps {summary['val'].psnr_db:.1f} dB, less than {_LEAST_PSNR_DB:.0f}"
        )
    return found


def verdict(losses: Mapping[str, CopyLosses]) -> str:
    """The check of rule 5 in words."""
    findings = [
        f"on {split} {abs(loss.margin):.2f} nats per token {'better' if loss.margin > 0 else 'worse'}"
        for split, loss in losses.items()
    ]
    return f"Rule 5: retrieving from train is {', '.join(findings)} than copying the last frame."


def _table(folder: Path, summary: Mapping[str, SplitSummary], losses: Mapping[str, CopyLosses]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"Demo data in {escape(str(folder))}",
        caption="nats per token of the training marginals, and of these mixed at the best weight with the last "
        "frame (copied) or with the successor of the nearest training frame (retrieved)",
    )
    for heading in ("split", "frames", "segments", "dB", "unigram", "copied", "retrieved"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    for split, made in summary.items():
        cells = [split, f"{made.frames:,}", f"{made.segments}", f"{made.psnr_db:.1f}"]
        if split in losses:
            loss = losses[split]
            cells += [f"{loss.unigram:.3f}", f"{loss.copy_last:.3f}", f"{loss.retrieved:.3f}"]
        table.add_row(*cells)
    return table
