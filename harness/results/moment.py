"""The time, as everything in a store has it."""

from __future__ import annotations

from datetime import datetime, timezone


def read(text: str) -> datetime:
    """The moment that a record says; without a zone it is UTC. Raises: ValueError."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def now() -> str:
    """UTC, to the second, in ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
