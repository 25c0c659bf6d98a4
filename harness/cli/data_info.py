"""`wmc data info`: what a clip holds, after checking all of it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.console import Console

if TYPE_CHECKING:
    from harness.data.clips import Clip


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("info", help="check a clip and describe it")
    parser.add_argument("data", type=Path, metavar="DIR", help="a split's folder, such as data/val_v1.1")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Open, describe, show."""
    from harness.data.clips import open_clip

    with console.step(f"checking {args.data}"):
        facts = describe(open_clip(args.data))
    if args.json:
        console.json(facts)
    else:
        console.show(_table(facts))
    if not facts["actions"]:
        console.warn("This clip has no actions: entries are shown arrays without columns.")


def describe(clip: Clip) -> dict[str, Any]:
    """The facts of a clip that decide how it is graded."""
    import numpy as np

    from harness.data.windows import Schedule, find_segments, window_starts

    segments = find_segments(clip.segment_ids_N)
    lengths = segments.ends - segments.begins
    return {
        "folder": str(clip.folder),
        "frames": clip.num_frames,
        "hz": clip.metadata.hz,
        "hours": clip.num_frames / clip.metadata.hz / 3600,
        "segments": len(lengths),
        "segment_frames": {
            "min": int(lengths.min()),
            "median": float(np.median(lengths)),
            "max": int(lengths.max()),
        },
        "windows": {schedule.value: len(window_starts(segments, schedule)) for schedule in Schedule},
        "actions": clip.action_widths,
        "tokenizer": clip.metadata.tokenizer_ckpt,
    }


def _table(facts: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=facts["folder"], show_header=False)
    segment = facts["segment_frames"]
    table.add_row("frames", f"{facts['frames']:,} ({facts['hours']:.2f} h at {facts['hz']} Hz)")
    table.add_row("segments", f"{facts['segments']:,} of {segment['min']:,} to {segment['max']:,} frames")
    table.add_row("windows", ", ".join(f"{count:,} {name}" for name, count in facts["windows"].items()))
    table.add_row(
        "actions", ", ".join(f"{name} ({width})" for name, width in facts["actions"].items()) or "none"
    )
    table.add_row("tokenizer", facts["tokenizer"] or "not named")
    return table
