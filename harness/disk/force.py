"""Removing a folder whatever rights an entry gave to what is in it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """`folder` is gone, if it was there; links in it are never followed.

    Raises: OSError when it cannot be removed by its owner either.
    """
    if not folder.is_dir():
        return
    folder.chmod(0o700)
    # Top down: a folder is opened to us before it is listed.
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder)
