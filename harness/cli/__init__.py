"""The `wmc` command: one file per subcommand; here errors become exit codes."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType
from typing import NoReturn

from harness.cli import (
    check,
    data,
    grade,
    host,
    inspect,
    leaderboard,
    sandbox,
    submit,
)
from harness.cli.console import Console
from harness.errors import Blame, WmcError

_COMMANDS = (submit, check, grade, leaderboard, data, sandbox, inspect, host)
_INTERRUPTED = 130
_TERMINATED = 143


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    0 done, 1 the entry's fault, 2 usage, 3 the operator's fault, 70 a bug of ours, 130 interrupted.
    """
    args = _parser().parse_args(argv)
    console = Console()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code: int | None = args.run(args, console)
    except WmcError as error:
        console.error(error)
        return error.blame.exit_code
    except KeyboardInterrupt:
        console.warn("interrupted")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output is gone; a second complaint at exit helps nobody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        if os.environ.get("WMC_DEBUG"):
            raise
        console.bug()
        return Blame.BUG.exit_code
    return code or 0


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    """A polite kill ends like an interruption: containers are removed and the grade is recorded."""
    sys.exit(_TERMINATED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wmc", description="Harness and grader of the 1X World Model Challenge."
    )
    parser.add_argument("--version", action="version", version=f"wmc {version('wmc')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.register(commands)
    return parser
