"""`wmc inspect ZIP`: what an organiser reads before approving a submission; nothing in it is run."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console

if TYPE_CHECKING:
    from harness.intake.review import Review


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "inspect",
        help="show what is in a submission, without running it",
        description="Open a submission as the grader does; show its manifest, scripts, files. Runs nothing.",
    )
    parser.add_argument("zip", type=Path, help="a submission")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Open the zip in a temporary folder and show its review."""
    from dataclasses import asdict

    from harness.intake.archive import open_archive
    from harness.intake.review import review

    with tempfile.TemporaryDirectory(prefix="wmc-inspect-") as work:
        found = review(open_archive(args.zip, Path(work, "entry"), progress=console))
    if args.json:
        console.json(asdict(found))
        return
    _show(found, console)


def _show(found: Review, console: Console) -> None:
    from rich.markup import escape

    from harness.text import spelled_out

    manifest = found.manifest
    facts = {
        "sha256": found.sha256,
        "size": f"{found.size_bytes:,} bytes, {found.unpacked_bytes:,} unpacked, {len(found.files)} files",
        "user": f"{manifest.user_name} <{manifest.email}>",
        "entry": manifest.entry_name,
        "description": manifest.description,
        "training FLOPs": f"{manifest.training_flops:.3g}",
        "external data": "; ".join(manifest.external_data) or "none",
        "claimed loss": "not claimed"
        if manifest.claimed_val_loss is None
        else f"{manifest.claimed_val_loss:g}",
        "causal": "yes" if manifest.causal else "no",
        "parameters": "not declared" if manifest.parameters is None else f"{manifest.parameters:,.10g}",
    }
    if manifest.forbidden_reference:
        facts["forbidden"] = "breaks rule 5 on purpose, to show what the check sees; it never ranks"
    for name, value in facts.items():
        console.show(f"[bold]{name:<15}[/bold] {escape(spelled_out(value, limit=4000))}")
    for note in found.notes:
        console.warn(note)
    for name, text in found.scripts:
        console.show(f"\n[bold]{name}[/bold]\n{escape(text)}")
    console.show("\n[bold]largest files[/bold]")
    for file in found.largest:
        console.show(f"{file.size_bytes:>15,}  {'x' if file.executable else '-'}  {escape(file.name)}")
    if len(found.files) > len(found.largest):
        console.show(f"... and {len(found.files) - len(found.largest)} more; --json lists all")
