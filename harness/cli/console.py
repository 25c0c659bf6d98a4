"""The only module that prints: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.errors import WmcError
from harness.progress import Advance
from harness.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.console import RenderableType

_BUGS = "https://github.com/1x-technologies/1xgpt/issues"


class Console:
    """What a command shows its user; also the `Progress` that long work reports to."""

    def __init__(self) -> None:
        self._err: RichConsole | None = None

    def show(self, renderable: RenderableType) -> None:
        """A result for people, on stdout; strings may hold rich markup."""
        from rich.console import Console as RichConsole

        RichConsole(highlight=False).print(renderable)

    def json(self, value: Any) -> None:
        """A result for machines: one object on stdout, without NaN."""
        sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """One plain line on stderr."""
        self._stderr.print(printable(text), markup=False)

    def warn(self, text: str) -> None:
        """A plain line on stderr that should be seen."""
        self._stderr.print(printable(text), style="yellow", markup=False)

    def error(self, error: WmcError) -> None:
        """What happened and what to do, on stderr."""
        self.failure(error.code, error.message, error.fix)

    def failure(self, code: str, message: str, fix: str) -> None:
        """The same, from a record."""
        self._stderr.print(f"error [{code}]", style="bold red", markup=False)
        self._stderr.print(printable(message), markup=False, soft_wrap=True)
        self._stderr.print(f"fix: {printable(fix)}", style="green", markup=False, soft_wrap=True)

    def bug(self) -> None:
        """The current exception, as our own fault."""
        traceback.print_exc()
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
            self._stderr.print(printable(title), markup=False)
        with Progress(
            *columns, console=self._stderr, transient=True, disable=not self._stderr.is_terminal
        ) as bar:
            task = bar.add_task(printable(title).replace("[", r"\["), total=total)
            yield lambda amount=1, /: bar.advance(task, amount)

    @property
    def _stderr(self) -> RichConsole:
        if self._err is None:
            from rich.console import Console as RichConsole

            self._err = RichConsole(stderr=True, highlight=False)
        return self._err
