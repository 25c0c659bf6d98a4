"""The one file an entry imports and does not ship."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from harness.disk import scratch


def put(folder: Path) -> None:
    """`wmc_guest.py` in `folder`, which holds nothing else, readable by the entry's user.

    Raises: SandboxFailed.
    """
    target = folder / "wmc_guest.py"
    with (
        scratch.writing(),
        resources.as_file(resources.files("harness.protocol").joinpath("guest.py")) as guest,
    ):
        shutil.copyfile(guest, target)
        target.chmod(0o644)
        folder.chmod(0o755)
