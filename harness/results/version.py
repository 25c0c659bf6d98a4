"""Which harness made a record."""

from __future__ import annotations

import subprocess
from importlib.metadata import version
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def harness_version() -> str:
    """The installed version of wmc."""
    return version("wmc")


def git_commit() -> str | None:
    """The commit of a source checkout, `-dirty` appended when files differ from it; None when installed otherwise."""
    if not (_ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
