"""The only module that prints: results on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from harness.errors import OutputFailed, WmcError
from harness.progress import Advance
from harness.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

_BUGS = "https://github.com/1x-technologies/1xgpt/issues"


_LEAST_WIDTH = 80
"""Columns that a table may count on: in a narrower terminal its lines wrap, and no column of it is lost."""


class Console:
    """What a command shows its user; also the `Progress` that long work reports to.

    A result that cannot be written is an error, unless its reader left; a message that cannot be written is lost.
    """

    def __init__(self) -> None:
        self._err: RichConsole | None = None
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")  # a name must not end a command in a C locale

    def show(self, renderable: RenderableType) -> None:
        """A result for people, on stdout; strings may hold rich markup, and their lines are never wrapped.

        Raises: OutputFailed.
        """
        from rich.console import Console as RichConsole

        class Stdout(RichConsole):
            """Leaves to us what rich would end the program for."""

            def on_broken_pipe(self) -> NoReturn:
                raise BrokenPipeError

        rich = Stdout(highlight=False, emoji=False)
        rich.width = max(rich.width, _LEAST_WIDTH)
        with _stdout():
            rich.print(renderable, soft_wrap=isinstance(renderable, str))

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

    def error(self, error: WmcError) -> None:
        """What happened and what to do, on stderr."""
        self.failure(error.code, error.message, error.fix)

    def failure(self, code: str, message: str, fix: str) -> None:
        """The same, from a record."""
        self._say(f"error [{code}]", style="bold red")
        self._say(message)
        self._say(f"fix: {fix}", style="green")

    def bug(self) -> None:
        """The current exception, as our own fault."""
        self._say(traceback.format_exc().rstrip())
        self.warn("This is a bug in wmc, not in your entry. Please report the lines above.")

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Advance]:
        """A progress bar with elapsed and remaining time; without a terminal, a line at the end."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
        if total is not None:
            columns[2:2] = [BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        if not self._stderr.is_terminal:
            self._say(title)
        with Progress(
            *columns, console=self._stderr, transient=True, disable=not self._stderr.is_terminal
        ) as bar:
            task = bar.add_task(printable(title).replace("[", r"\["), total=total)
            yield lambda amount=1, /: bar.advance(task, amount)

    def _say(self, text: str, *, style: str | None = None) -> None:
        self._stderr.print(printable(text), style=style, markup=False, soft_wrap=True)

    @property
    def _stderr(self) -> RichConsole:
        if self._err is None:
            from rich.console import Console as RichConsole

            stream = typing.cast("TextIO", _Lossy(sys.stderr)) if sys.stderr else None
            self._err = RichConsole(file=stream, stderr=True, highlight=False, emoji=False)
        return self._err


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
