"""How an optional part of this project is installed, as every message says it."""

from __future__ import annotations


def install(extra: str = "") -> str:
    """The command, in a clone of this project; without an extra, what every command needs.

    There is no package on PyPI to name, and without the constraints it would install what was never tested.
    """
    return ".venv/bin/pip install -c constraints.txt -e " + (f"'.[{extra}]'" if extra else ".")
