"""Text from strangers, made safe for a terminal and a log."""

from __future__ import annotations

_SHOWN_CHARACTERS = 80


def printable(text: str) -> str:
    """`text` with a space for every character that steers a terminal or hides others; line breaks stay."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def fault_of_line(text: str, *, limit: int) -> str | None:
    """What keeps `text` from being shown to others as it is, on one line; None where nothing does."""
    if not text.strip():
        return "is empty"
    if len(text) > limit:
        return f"has {len(text):,} characters"
    if not text.isprintable():
        return "has a line break or another character that cannot be seen"
    return None


def spelled_out(text: str | bytes, *, limit: int = _SHOWN_CHARACTERS) -> str:
    """`text` on one line, safe on a terminal: what does not print becomes an escape, a long rest is cut."""
    shown = text.decode("utf-8", "backslashreplace") if isinstance(text, bytes) else text
    cut = shown if len(shown) <= limit else f"{shown[:limit]}... ({len(shown)} characters)"
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode()
        for char in cut
    )
