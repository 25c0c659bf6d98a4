"""Tables of numbers that fit a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


_LARGEST_WRITTEN_OUT = 1e6


def figure(value: float) -> str:
    """Four decimals; in powers of ten where the digits before the point would push others off the screen."""
    return f"{value:.4f}" if abs(value) < _LARGEST_WRITTEN_OUT else f"{value:.3g}"


def number_table(
    title: str | None, *, first: str, numbers: tuple[str, ...], caption: str | None, is_dense: bool = False
) -> Table:
    """An empty table: one column of names, then columns of numbers; the texts are shown as they are.

    A dense one has no rule below its head and no empty line below itself.
    """
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=title and escape(title),
        caption=caption and escape(caption) + ("" if is_dense else "\n"),
        box=None if is_dense else SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 2 if is_dense else 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column(first, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
