"""`wmc explain [CODE]`: what a code means, whose turn it is, and what to do; the closed table of all of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from harness.cli.console import Console
from harness.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from harness.outcomes import Group, Outcome


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "explain",
        help="say what the code of a failure means and what to do",
        description="Explain one code, the codes of one group (`guest.`), or all of them, and the exit codes.",
    )
    parser.add_argument("code", nargs="?", metavar="CODE", help="such as guest.timeout (default: all)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object instead")
    form.add_argument("--markdown", action="store_true", help="print a page of documentation instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, console: Console) -> None:
    """Find the code, or the group, and show it."""
    from rich.markup import escape

    from harness.cli.outcomes_page import EXITS, markdown_page
    from harness.outcomes import groups
    from harness.plain import to_plain

    chosen = _chosen(args.code) if args.code else groups()
    outcomes = [outcome for group in chosen for outcome in group.outcomes]
    if args.json:
        exits = [asdict(each) for each in EXITS]
        console.json({"outcomes": [to_plain(each) for each in outcomes], "exit_codes": exits})
    elif args.markdown:
        console.show(escape(markdown_page(chosen)))
    elif len(outcomes) == 1 and args.code == outcomes[0].code:
        console.show(_one(outcomes[0]))
    else:
        for group in chosen:
            console.show(_table(group))
        if not args.code:
            console.show(_grid("Exit codes", [(each.codes, each.meaning) for each in EXITS]))


def _chosen(text: str) -> tuple[Group, ...]:
    """The group that `text` names, or the one row that it names, in a group of its own.

    Raises: UsageError.
    """
    from harness.outcomes import groups, outcomes

    for group in groups():
        if text.rstrip(".*") == group.prefix:
            return (group,)
        rows = tuple(outcome for outcome in group.outcomes if outcome.code == text)
        if rows:
            return (replace(group, outcomes=rows),)
    near = get_close_matches(text, [*outcomes(), *(group.prefix for group in groups())], n=3)
    question = f"did you mean {', '.join(near)}? " if near else ""
    raise UsageError(
        f"there is no code {text!r}",
        fix=f"{question}`wmc explain` lists all of them",
        code="usage.code",
    )


def _one(outcome: Outcome) -> Table:
    from harness.cli.outcomes_page import turn_of

    rows = (
        ("cause", outcome.cause),
        ("next step", outcome.next_step),
        ("turn", turn_of(outcome)),
        ("exit code", str(outcome.blame.exit_code)),
    )
    return _grid(outcome.code, rows)


def _table(group: Group) -> Table:
    from rich.text import Text

    from harness.cli.outcomes_page import headed, turn_of, usual_turn

    rows = [
        (
            outcome.code,
            Text.assemble(
                outcome.cause,
                (f"\n{outcome.next_step}", "green"),
                ("" if turn_of(outcome) == usual_turn(group) else f"\nTurn: {turn_of(outcome)}.", "dim"),
            ),
        )
        for outcome in group.outcomes
    ]
    return _grid(headed(group), rows)


def _grid(title: str, rows: Sequence[tuple[str, str | Text]]) -> Table:
    """Two columns below a title; the second one wraps, and no text is taken for mark-up."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=None,
        show_header=False,
        title=Text(title, style="bold"),
        title_justify="left",
        pad_edge=False,
        padding=(0, 2, 0, 0),
        caption=" ",
    )
    table.add_column(no_wrap=True)
    table.add_column()
    for name, text in rows:
        table.add_row(Text(name), Text(text) if isinstance(text, str) else text)
    return table
