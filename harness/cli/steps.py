"""How a step of long work is shown: a bar in a terminal, and lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from harness.progress import Advance
from harness.text import printable

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

REPORT_EVERY_S = 30.0
"""How often long work says how it gets on where no bar can be drawn."""

_WORTH_A_LINE_S = 1.0


class Reports:
    """How a step gets on; called as an `Advance`, it tells so every half minute, for where no bar can be drawn."""

    def __init__(self, *, say: Callable[[str], None], title: str, total: int | None) -> None:
        self._say = say
        self._title = title
        self._total = total
        self._done = 0
        self.status = ""
        self._begin = self._said = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return time.monotonic() - self._begin

    @property
    def outcome(self) -> str:
        """How it went, once it is over."""
        counted = f"{self._done:,} of {self._total:,} in " if self._total else ""
        return ", ".join(filter(None, [f"{self._title}: {counted}{_span(self.seconds)}", self.status]))

    @property
    def is_worth_a_line(self) -> bool:
        """Whether a line should stay of it once its bar is gone."""
        return bool(self.status) or self.seconds >= _WORTH_A_LINE_S

    def count(self, amount: int, status: str) -> None:
        """So much more is done."""
        self._done += amount
        self.status = status or self.status

    def __call__(self, amount: int = 1, /, *, status: str = "") -> None:
        """So much more is done; a line where the last one is long ago."""
        self.count(amount, status)
        now = time.monotonic()
        if now - self._said < REPORT_EVERY_S:
            return
        self._said = now
        words = [f"{self._title}: {self._done:,}"]
        if self._total:
            left_s = (now - self._begin) * (self._total - self._done) / max(1, self._done)
            words = [f"{words[0]} of {self._total:,}", f"about {_span(max(0, left_s))} left in this step"]
        self._say(", ".join([*words, *([status] if status else [])]))


def _span(seconds: float) -> str:
    """As 45 s, 12 min or 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


@contextmanager
def bar(title: str, total: int | None, reports: Reports, console: RichConsole) -> Iterator[Advance]:
    """A bar while the context lasts: how much is done, how long the rest will take, and how it goes."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = [SpinnerColumn(), TextColumn("{task.description}")]
    if total is None:
        columns.append(TimeElapsedColumn())
    else:
        left = [TimeRemainingColumn(), TextColumn("left in this step")]
        columns += [BarColumn(bar_width=20), MofNCompleteColumn(), *left]
    columns.append(TextColumn("{task.fields[status]}", style="dim"))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(_plain(title), total=total, status="")

        def advance(amount: int = 1, /, *, status: str = "") -> None:
            shown.update(task, advance=amount)
            reports.count(amount, status)
            if status:
                shown.update(task, status=_plain(status))

        yield advance


def _plain(text: str) -> str:
    """Text that no bar takes for markup."""
    return printable(text).replace("[", r"\[")
