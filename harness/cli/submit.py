"""`wmc submit FOLDER`: check an entry and pack it."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.console import Console
from harness.cli.options import output_name


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "submit",
        help="check an entry's folder and pack it into a zip",
        description="Check an entry's folder and pack it: the same files give the same zip on any machine.",
    )
    parser.add_argument("folder", type=Path, help="the entry: wmc.toml, build.sh, evaluate.py and the rest")
    parser.add_argument(
        "-o",
        "--output",
        type=output_name,
        default=".",
        metavar="ZIP|FOLDER",
        help="where the zip goes (default: ./USER-ENTRY.zip)",
    )
    parser.add_argument(
        "--upload",
        metavar="REPO",
        help="send it to this dataset of the Hugging Face Hub too, OWNER/NAME; needs the extra wmc[hub] and HF_TOKEN",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Pack the folder and print the receipt."""
    from rich.markup import escape

    from harness.intake.pack import pack, read_manifest

    if args.upload:
        from harness.intake.upload import check_ready, upload

        check_ready(args.upload)
    zip_path = Path(args.output)
    if zip_path.is_dir() or args.output.endswith("/"):
        zip_path /= read_manifest(args.folder).zip_name
    packed = pack(args.folder, zip_path, progress=console)
    if packed.earlier:
        console.note(f"the {packed.path.name} that was there is kept as {packed.earlier}")
    for name in packed.left_out:
        console.note(f"left out: {name}")
    for name in packed.doubtful:
        console.warn(f"packed as well: {name}")
    uploaded = None
    if args.upload:
        console.note(f"packed: {packed.path}")
        uploaded = upload(packed, args.upload, progress=console)
    console.show(
        f"[bold]{escape(str(packed.path))}[/bold]\n"
        f"entry   {escape(packed.manifest.entry_name)} by {escape(packed.manifest.user_name)}\n"
        f"sha256  {packed.sha256}\n"
        f"size    {packed.size_bytes:,} bytes, {packed.num_files} files"
    )
    if uploaded:
        console.show(f"at      {escape(uploaded.url)}" + " (was there already)" * uploaded.was_there)
        if uploaded.is_public:
            console.warn(
                f"{args.upload} is public: everybody can read your entry, and your e-mail address in it"
            )
