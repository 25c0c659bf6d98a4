"""The table of outcomes as a page of documentation, and the words that it shares with `wmc explain`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.errors import Blame
from harness.outcomes import Group, Outcome

WHOSE_TURN = {
    Blame.ENTRY: "the entrant's",
    Blame.OPERATOR: "the organiser's, or of whoever runs the machine",
    Blame.USAGE: "the caller's: the command makes no sense as it was given",
    Blame.BUG: "of those who maintain wmc",
}


_ESCAPED = re.compile(r"[\\*_|<>]")


@dataclass(frozen=True, kw_only=True)
class Exit:
    """The exit codes of a command, and what they mean."""

    codes: str
    meaning: str


EXITS = (
    Exit(codes="0", meaning="Done. For a grade: it has scores, whatever they are."),
    Exit(codes=str(Blame.ENTRY.exit_code), meaning="The entry stopped it: the entrant's turn."),
    Exit(codes=str(Blame.USAGE.exit_code), meaning="The command makes no sense as it was given."),
    Exit(
        codes=str(Blame.OPERATOR.exit_code),
        meaning="The machine, the data or the store: the organiser's turn. Nothing is charged to the entry.",
    ),
    Exit(codes=str(Blame.BUG.exit_code), meaning="A bug of wmc. Nothing is charged to the entry."),
    Exit(codes="129, 143", meaning="The terminal was closed, or the command was told to end."),
    Exit(codes="130", meaning="Interrupted with Ctrl-C."),
)

_HEAD = """\
# How a command can end

<!-- Made from harness/outcomes.toml by `make docs`: edit that. -->

Every failure has a code. This is all of them: `wmc explain CODE` shows one, `wmc explain guest.` a group. An entrant is
told the code, the cause and the next step that stand here, and nothing else of how a grade on held-out data ended:
these texts are fixed, so nothing of that data can be in them.

## Exit codes

| code | meaning |
|---|---|
"""


def markdown_page(groups: Iterable[Group]) -> str:
    """The page, without a line end at its end."""
    exits = "".join(f"| {each.codes} | {each.meaning} |\n" for each in EXITS)
    return (_HEAD + exits + "".join(_section(group) for group in groups)).rstrip("\n")


def headed(group: Group) -> str:
    """A group's title: its prefix, what it is about, whose turn it is."""
    return f"{group.prefix}.*: {group.title}\nTurn: {usual_turn(group)}."


def usual_turn(group: Group) -> str:
    """Whose turn it is after an outcome of this group that does not say otherwise, and whether it is an attempt."""
    return _turn(group.blame, counts=group.blame is Blame.ENTRY)


def turn_of(outcome: Outcome) -> str:
    """Whose turn it is after this outcome, and whether a grade that ends so is an attempt of its sender's."""
    return _turn(outcome.blame, counts=outcome.counts_as_attempt)


def _turn(blame: Blame, *, counts: bool) -> str:
    return f"{WHOSE_TURN[blame]}; {'counts as an attempt' if counts else 'costs no attempt'}"


def _section(group: Group) -> str:
    rows = "".join(_row(outcome, usual_turn(group)) for outcome in group.outcomes)
    return (
        f"\n## `{group.prefix}.`: {group.title}\n\nTurn: {usual_turn(group)}.\n\n"
        f"| code | what happened | next step |\n|---|---|---|\n{rows}"
    )


def _row(outcome: Outcome, usual: str) -> str:
    own = f" (Turn: {turn_of(outcome)}.)" if turn_of(outcome) != usual else ""
    return f"| `{outcome.code}` | {_cell(outcome.cause + own)} | {_cell(outcome.next_step)} |\n"


def _cell(text: str) -> str:
    """Text within a cell: outside of code, what Markdown would take for marks is not."""
    parts = text.split("`")
    parts[::2] = [_ESCAPED.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "`".join(parts)
