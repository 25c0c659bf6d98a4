"""The only module that prints: results on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
import traceback
import typing
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from harness.cli.steps import Reports, bar
from harness.errors import Blame, OutputFailed, WmcError
from harness.progress import Advance
from harness.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

_BUGS = "https://github.com/1x-technologies/1xgpt/issues"

_STDERR = 2
_MOVES = {
    Blame.ENTRY: "the entry's: whoever made it mends it",
    Blame.OPERATOR: "the operator's: whoever runs this machine; on your own, that is you",
    Blame.USAGE: "yours: the command makes no sense as it was given",
    Blame.BUG: "ours: it is a bug in wmc, not in your entry; nothing is charged to the entry",
}
_LEAST_BROKEN = 20
_LEAST_WIDTH = 80
"""Columns that a table may count on: in a narrower terminal its lines wrap, and no column of it is lost."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What is left of a command that was told to end.

    Attributes:
        lines: what is to be read.
        commands: what may be given now, each with the word that says what it does.
    """

    lines: tuple[str, ...] = ()
    commands: tuple[tuple[str, str], ...] = ()


class Console:
    """What a command shows its user; also the `Progress` that long work reports to.

    A result that cannot be written is an error, unless its reader left; a message that cannot be written is lost.
    """

    def __init__(self) -> None:
        self._err: RichConsole | None = None
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a name must not end a command in a C locale

    def show(self, renderable: RenderableType, *, prose: bool = False) -> None:
        """A result for people, on stdout; strings may hold rich markup, and their lines are never wrapped.

        But for `prose`, whose lines a terminal gets broken between words.

        Raises: OutputFailed.
        """
        from rich.console import Console as RichConsole

        class Stdout(RichConsole):
            """Leaves to us what rich would end the program for."""

            def on_broken_pipe(self) -> NoReturn:
                raise BrokenPipeError

        rich = Stdout(highlight=False, emoji=False)
        rich.width = max(rich.width, _LEAST_WIDTH)
        whole = isinstance(renderable, str) and not (prose and rich.is_terminal)
        with _stdout() as stream:
            if isinstance(renderable, str) or rich.is_terminal:
                rich.print(renderable, soft_wrap=whole)
                return
            with rich.capture() as captured:
                rich.print(renderable)
            stream.write(
                "".join(f"{line.rstrip()}\n" for line in captured.get().removesuffix("\n").split("\n"))
            )

    def json(self, value: Any) -> None:
        """A result for machines: one object on stdout, without NaN.

        Raises: OutputFailed.
        """
        text = json.dumps(value, indent=2, allow_nan=False) + "\n"
        with _stdout() as stream:
            stream.write(text)

    def note(self, text: str) -> None:
        """One plain line on stderr."""
        self._say(text)

    def warn(self, text: str) -> None:
        """A plain line on stderr that should be seen."""
        self._say(text, style="yellow")

    def ask(self, question: str, *, default: str | None = None) -> str | None:
        """What the user types in answer, or the default; None when the input has ended."""
        shown = f" [{default}]" if default is not None else ""
        self._stderr.print(printable(f"{question}{shown}: "), end="", markup=False, soft_wrap=True)
        typed = sys.stdin.readline()
        if not typed:
            self._stderr.print()
            return None
        return typed.strip() or default or ""

    def error(self, error: WmcError, *, command: str | None = None) -> None:
        """What happened, whose move it is and what to do, on stderr; its own next command goes before `command`."""
        self.failure(
            error.code, error.message, error.fix, blame=error.blame, command=error.command or command
        )

    def failure(
        self, code: str, message: str, fix: str, *, blame: Blame | None = None, command: str | None = None
    ) -> None:
        """How every command that fails ends: what happened, whose move it is, the fix, and the next command.

        Without `blame` it is that of the table of outcomes; the next command is to have the code explained unless
        a nearer one is given.
        """
        from harness.outcomes import outcome_of

        move = _MOVES[blame or outcome_of(code, Blame.BUG).blame]
        self._say(f"error [{code}]: {message}", style="bold red", first=f"error [{code}]")
        self._say(f"whose move: {move}")
        self._say(f"fix: {fix}", style="green")
        self.next(command or f"wmc explain {code}")

    def next(self, command: str) -> None:
        """The command to give now, on stderr, as it is to be typed."""
        self._say_command("next:", command)

    def ended(self, word: str, ending: Ending) -> None:
        """That it was told to end, and what is left of it."""
        first, *others = ending.lines or ("",)
        self.warn(f"{word}: {first}" if first else word)
        for line in others:
            self._say(line)
        width = max((len(label) for label, _ in ending.commands), default=0)
        for label, command in ending.commands:
            self._say_command(f"{label}:".ljust(width + 1), command)

    def bug(self, message: str) -> None:
        """The current exception, as our own fault."""
        self._say(traceback.format_exc().rstrip())
        self.failure("wmc.bug", message, f"report it, with the lines above: {_BUGS}", blame=Blame.BUG)

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Advance]:
        """A progress bar with the time that is left, and a line once it is over where it took a while.

        Without a terminal a line as it begins, one now and then, and one at the end that says how it went.
        """
        reports = Reports(say=self._say, title=title, total=total)
        if not self._stderr.is_terminal:
            self._say(title)
            yield reports
            if reports.status:
                self._say(reports.outcome)
            return
        with bar(title, total, reports, self._stderr) as advance:
            yield advance
        if reports.is_worth_a_line:
            self._say(reports.outcome)

    def _say(self, text: str, *, style: str | None = None, first: str = "") -> None:
        """Lines, in a terminal broken between words; only what they begin with is styled where `first` says so."""
        from rich.text import Text

        shown = Text(self._broken(printable(text)), style="" if first else style or "")
        if first and style:
            shown.stylize(style, 0, len(first))
        self._stderr.print(shown, soft_wrap=True)

    def _say_command(self, label: str, command: str) -> None:
        """A line that is copied, and so never broken."""
        self._stderr.print(printable(f"{label} {command}"), markup=False, soft_wrap=True, style="bold")

    def _broken(self, text: str) -> str:
        if not self._stderr.is_terminal:
            return text
        width = max(self._stderr.width, _LEAST_BROKEN)
        return "\n".join(
            textwrap.fill(
                line,
                width,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
                drop_whitespace=True,
                replace_whitespace=False,
            )
            if len(line) > width
            else line
            for line in text.split("\n")
        )

    @property
    def _stderr(self) -> RichConsole:
        if self._err is None:
            from rich.console import Console as RichConsole

            stream = typing.cast("TextIO", _Lossy(sys.stderr)) if sys.stderr else None
            self._err = RichConsole(file=stream, stderr=True, highlight=False, emoji=False)
        return self._err


def interject(text: str) -> None:
    """A line on stderr from a signal's handler, when a stream may be in the middle of another."""
    with suppress(OSError):
        os.write(_STDERR, f"\n{text}\n".encode())


class _Lossy:
    """A stream that loses what cannot be written: a full log or a closed terminal must not stop a grade."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            _discard(self._stream)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            _discard(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _stdout() -> Iterator[TextIO]:
    """Standard output, written through when the context ends; where the caller closed it, nowhere."""
    if sys.stdout is None:
        yield io.StringIO()
        return
    try:
        yield sys.stdout
        sys.stdout.flush()
    except BrokenPipeError:  # its reader has seen enough
        _discard(sys.stdout)
    except OSError as error:
        _discard(sys.stdout)
        raise OutputFailed(
            f"standard output: {error.strerror}",
            fix="send it to where there is space, and run the command again",
        ) from error


def _discard(stream: TextIO) -> None:
    """Send what `stream` still holds, and all that follows, nowhere; Python would complain about it at exit."""
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
