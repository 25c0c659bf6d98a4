"""Dropping the page cache, which otherwise carries bits from one container to the next through shared files."""

from __future__ import annotations

import os
from pathlib import Path

_DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def may_be_dropped(control: Path = _DROP_CACHES) -> bool:
    """True when this process has the right to drop it."""
    return os.access(control, os.W_OK)


def drop(control: Path = _DROP_CACHES) -> bool:
    """True when every clean page, directory entry and inode was let go; False without the right to do so."""
    os.sync()
    try:
        control.write_text("3\n")
    except OSError:
        return False
    return True
