"""`wmc data`: describe, download and make clips."""

from __future__ import annotations

import argparse

from harness.cli import data_demo, data_info, data_pull


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its subcommands."""
    parser = commands.add_parser("data", help="describe, download or make token video")
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    data_info.register(subcommands)
    data_pull.register(subcommands)
    data_demo.register(subcommands)
