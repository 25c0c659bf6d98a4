"""The `wmc` command: one file per subcommand; here errors become exit codes."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from types import FrameType
from typing import Any, NoReturn

from harness.cli import (
    check,
    data,
    doctor,
    explain,
    generate,
    grade,
    host,
    inbox,
    leaderboard,
    new,
    notice,
    regrade,
    retrieval,
    review,
    sandbox,
    submit,
    tokenize,
    train_baseline,
    verify,
    visualize,
    withdraw,
)
from harness.cli.console import Console, Ending, interject
from harness.cli.grade_view import without_record
from harness.cli.interruption import Interrupted, Terminated
from harness.errors import Blame, OutputFailed, WmcError

_COMMANDS = (
    new,
    check,
    submit,
    inbox,
    review,
    grade,
    regrade,
    verify,
    notice,
    withdraw,
    leaderboard,
    retrieval,
    data,
    sandbox,
    doctor,
    host,
    explain,
    generate,
    train_baseline,
    tokenize,
    visualize,
)
_GRADING = ("grade", "check")
_INTERRUPTED = 130
_ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    0 done, 1 the entry's fault, 2 usage, 3 the operator's fault, 70 a bug of ours, 130 interrupted, 129 or 143
    terminated.
    """
    console = Console()
    args = _parser().parse_args(argv)
    _end_on_signals()
    try:
        code: int | None = args.run(args, console)
    except WmcError as error:
        console.error(error, command=_help(args) if error.blame is Blame.USAGE else None)
        return _failed(args, console, error.blame, error.code, error.message, error.fix)
    except KeyboardInterrupt as end:
        console.ended("interrupted", end.ending if isinstance(end, Interrupted) else Ending())
        _hear_no_more()
        return _INTERRUPTED
    except Terminated as end:
        console.ended("terminated", end.ending)
        _hear_no_more()
        return end.status
    except Exception as error:
        if os.environ.get("WMC_DEBUG"):
            raise
        message = f"{type(error).__name__}: {error}"
        console.bug(message)
        return _failed(args, console, Blame.BUG, "wmc.bug", message, "report this bug of wmc")
    return code or 0


def _help(args: argparse.Namespace) -> str:
    """What shows how the command is to be given."""
    return f"wmc {getattr(args, 'command', '')} --help".replace("  ", " ")


class _Parser(argparse.ArgumentParser):
    """Ends as every other failure does: argparse itself would print the whole usage first."""

    def error(self, message: str) -> NoReturn:
        """What makes no sense on the command line; never returns."""
        Console().failure(
            "usage.arguments",
            message,
            "see what it takes, and give it again",
            command=f"{self.prog} --help",
        )
        self.exit(Blame.USAGE.exit_code)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuses what it does not know itself: left over, the program would, and name its own help."""
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


def _failed(
    args: argparse.Namespace, console: Console, blame: Blame, code: str, message: str, fix: str
) -> int:
    """The exit code of a command that ended without a result; one that was asked for JSON prints why."""
    if getattr(args, "json", False):
        failure = {"code": code, "blame": blame.value, "message": message, "fix": fix}
        with suppress(OutputFailed):  # it is about to be the exit code
            console.json(without_record(failure) if args.command in _GRADING else {"failure": failure})
    return blame.exit_code


def _end_on_signals() -> None:
    """Let each of them end the command, unless the caller wants it ignored, as nohup does."""
    for number in _ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    """The first to come ends the command; what it starts, the cleaning up, no second one cuts short.

    A closed terminal hangs up twice, and whoever presses Ctrl-C does it again.
    """
    for each in _ENDS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, _already_ending)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Terminated(128 + number)


def _hear_no_more() -> None:
    """All is cleaned up: a signal that comes while the program ends changes its exit status no more."""
    for number in _ENDS:
        if signal.getsignal(number) is _already_ending:
            signal.signal(number, signal.SIG_IGN)


def _already_ending(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGHUP:
        interject(
            "still cleaning up: Ctrl-\\ ends at once, and leaves behind what `wmc doctor --clean` removes"
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="wmc", description="Harness and grader of the 1X World Model Challenge.")
    parser.add_argument("--version", action="version", version=f"wmc {version('wmc')}")
    parser.set_defaults(run=_list_commands)
    _add_commands(parser, title="commands")
    return parser


def _add_commands(parser: argparse.ArgumentParser, *, title: str) -> None:
    commands = parser.add_subparsers(title=title, dest="command", metavar="COMMAND")
    for command in _COMMANDS:
        command.register(commands)


def _list_commands(_args: argparse.Namespace, console: Console) -> int:
    """What `wmc` alone shows: every command, on one screen."""
    listing = argparse.ArgumentParser(add_help=False, usage=argparse.SUPPRESS)
    _add_commands(listing, title="a command is missing, `wmc COMMAND --help` says what each takes")
    console.note(listing.format_help().rstrip())
    return Blame.USAGE.exit_code
