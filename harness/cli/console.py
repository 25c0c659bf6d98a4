"""The only module that prints: results on stdout, everything else on stderr."""

from __future__ import annotations

import io
import json
import os
import sys
import time
import traceback
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from harness.errors import OutputFailed, WmcError
from harness.progress import Advance
from harness.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

_BUGS = "https://github.com/1x-technologies/1xgpt/issues"

REPORT_EVERY_S = 30.0
"""How often long work says how it gets on where no bar can be drawn."""

_STDERR = 2
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

    def ask(self, question: str, *, default: str | None = None) -> str | None:
        """What the user types in answer, or the default; None when the input has ended."""
        shown = f" [{default}]" if default is not None else ""
        self._stderr.print(printable(f"{question}{shown}: "), end="", markup=False, soft_wrap=True)
        typed = sys.stdin.readline()
        if not typed:
            self._stderr.print()
            return None
        return typed.strip() or default or ""

    def error(self, error: WmcError) -> None:
        """What happened and what to do, on stderr."""
        self.failure(error.code, error.message, error.fix)

    def failure(self, code: str, message: str, fix: str) -> None:
        """The same, from a record."""
        self._say(f"error [{code}]", style="bold red")
        self._say(message)
        self._say(f"fix: {fix}", style="green")
        if not code.startswith("usage."):
            self._say(f"more: wmc explain {code}", style="dim")

    def bug(self) -> None:
        """The current exception, as our own fault."""
        self._say(traceback.format_exc().rstrip())
        self.warn("This is a bug in wmc, not in your entry. Please report the lines above.")

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Advance]:
        """A progress bar with elapsed and remaining time; without a terminal a line, and more where it takes long."""
        if not self._stderr.is_terminal:
            self._say(title)
            yield _Reports(say=self._say, title=title, total=total)
            return
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
        columns.append(TextColumn("{task.fields[status]}", style="dim"))
        with Progress(*columns, console=self._stderr, transient=True) as bar:
            task = bar.add_task(_plain(title), total=total, status="")

            def advance(amount: int = 1, /, *, status: str = "") -> None:
                bar.update(task, advance=amount)
                if status:
                    bar.update(task, status=_plain(status))

            yield advance

    def _say(self, text: str, *, style: str | None = None) -> None:
        self._stderr.print(printable(text), style=style, markup=False, soft_wrap=True)

    @property
    def _stderr(self) -> RichConsole:
        if self._err is None:
            from rich.console import Console as RichConsole

            stream = typing.cast("TextIO", _Lossy(sys.stderr)) if sys.stderr else None
            self._err = RichConsole(file=stream, stderr=True, highlight=False, emoji=False)
        return self._err


def _plain(text: str) -> str:
    """Text that no bar takes for markup."""
    return printable(text).replace("[", r"\[")


class _Reports:
    """Tells how a step gets on where no bar can be drawn: a line every half minute, none of a short one."""

    def __init__(self, *, say: Callable[[str], None], title: str, total: int | None) -> None:
        self._say = say
        self._title = title
        self._total = total
        self._done = 0
        self._begin = self._said = time.monotonic()

    def __call__(self, amount: int = 1, /, *, status: str = "") -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._said < REPORT_EVERY_S:
            return
        self._said = now
        words = [f"{self._title}: {self._done:,}"]
        if self._total:
            left_s = (now - self._begin) * (self._total - self._done) / max(1, self._done)
            words = [f"{words[0]} of {self._total:,}", f"about {max(0, left_s):.0f} s left"]
        self._say(", ".join([*words, *([status] if status else [])]))


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
