"""The time, as everything in a store has it."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> str:
    """UTC, to the second, in ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
