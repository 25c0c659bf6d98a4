"""Text from strangers, made safe for a terminal and a log."""

from __future__ import annotations


def printable(text: str) -> str:
    """`text` with a space for every character that steers a terminal or hides others; line breaks stay."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)
