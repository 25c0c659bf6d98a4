"""What `wmc check` shows beside the grade: how long all of it would take, what looks wrong, what comes next."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.cli.tables import number_table

if TYPE_CHECKING:
    from rich.table import Table

    from harness.checking.forecast import Forecast, Span

_MOST_NOTES = 5
_RUSAGE_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def show_forecasts(
    forecasts: Sequence[Sequence[Forecast]], console: Console, *, data: str, as_json: bool
) -> None:
    """A table, a column for each number of windows; what would be stopped is a warning on stderr."""
    if not as_json:
        console.show(_table(forecasts, data))
    for forecast in forecasts[-1]:
        _warn(forecast, console)


def notes_in_logs(folder: Path) -> Iterator[str]:
    """What wmc_guest noted in an entry's logs, without repeating itself."""
    from harness.protocol.guest import NOTE

    lines = [
        line.removeprefix(NOTE)
        for log in sorted(folder.glob("*.log"))
        for line in log.read_text("utf-8", "replace").splitlines()
        if line.startswith(NOTE)
    ]
    yield from list(dict.fromkeys(lines))[:_MOST_NOTES]


def memory_of_processes() -> str:
    """What an entry's largest process used, where it is a child of ours, in words."""
    from harness.sandbox.policy import GIB, SandboxPolicy

    peak_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RUSAGE_UNIT_BYTES
    return (
        f"memory: at most {peak_bytes / GIB:.1f} GiB in its largest process; all of them together may have "
        f"{SandboxPolicy.run.memory_bytes / GIB:.0f} GiB"
    )


def in_words(seconds: float) -> str:
    """A duration as one would say it, to two digits at most."""
    for unit, length_s in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= 1.5 * length_s:
            count = seconds / length_s
            return f"{count:.1f} {unit}" if count < 10 and unit == "h" else f"{count:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 0.1 else "under 0.1 s"


def _table(forecasts: Sequence[Sequence[Forecast]], data: str) -> Table:
    from harness.checking.forecast import PUBLIC_VAL_WINDOWS

    counts = [column[0].windows for column in forecasts]
    names = [
        f"{count} are 1X's val" if count == PUBLIC_VAL_WINDOWS else f"{count} are {data}" for count in counts
    ]
    table = number_table(
        "all of it would take about",
        first="regime",
        numbers=(
            *(f"{count} windows" for count in counts),
            "allowed",
            "slow reply",
            "allowed",
        ),
        caption=f"{', '.join(names)}; at the speed of the few above, on this machine; a reply is for "
        f"{forecasts[-1][0].most_at_once} windows at once, or max_batch if that is less",
    )
    for row in zip(*forecasts, strict=True):
        table.add_row(
            row[-1].regime.in_words,
            *(in_words(forecast.regime_span.expected_s) for forecast in row),
            in_words(row[-1].regime_span.allowed_s),
            in_words(row[-1].reply_span.expected_s),
            in_words(row[-1].reply_span.allowed_s),
        )
    return table


def _warn(forecast: Forecast, console: Console) -> None:
    name = forecast.regime.in_words
    if line := _trouble(forecast.regime_span):
        console.warn(
            f"{name}: all {forecast.windows} windows {line}: predict faster, several windows at once"
        )
    if line := _trouble(forecast.reply_span):
        console.warn(
            f"{name}: a reply for {forecast.most_at_once} windows {line}: set max_batch to what is fast enough"
        )


def _trouble(span: Span) -> str | None:
    if not span.is_close:
        return None
    words = f"would take about {in_words(span.expected_s)} of {in_words(span.allowed_s)} allowed"
    return f"{words}, and the entry would be stopped" if span.is_over else f"{words}, which is close"
