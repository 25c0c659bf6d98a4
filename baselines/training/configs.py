"""Configs that are no named size but a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UsageError


def config_file(config: str, sizes: Iterable[str], *, of: str) -> Path:
    """The file of this path. Raises: UsageError, naming the sizes there are, if it is none."""
    path = Path(config)
    if not path.is_file():
        raise UsageError(
            f"there is no {of} config {config!r}",
            fix=f"name one of {', '.join(sizes)}, or a config.json",
            code="usage.config",
        )
    return path
