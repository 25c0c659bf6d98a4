"""Where wmc keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import UsageError


def cache_folder() -> Path:
    """The user's cache folder of wmc, below XDG_CACHE_HOME or ~/.cache; it need not exist.

    Raises: UsageError for a user without a home folder.
    """
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named) / "wmc"
    try:
        return Path.home() / ".cache" / "wmc"
    except RuntimeError as error:
        raise UsageError(
            "this user has no home folder, where wmc would keep its cache",
            code="usage.no_home",
            fix="name a folder for caches in the environment variable XDG_CACHE_HOME",
        ) from error
