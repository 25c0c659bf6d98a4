"""What a caller mistyped, found before anything of a grade is written down: a slip leaves no record."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError
from harness.intake.archive import opened
from harness.results.fairness import read_fairness
from harness.results.store import Store
from harness.retrieval.panel import read_panel


def check_paths(
    store: Store, *, submission: Path, data: Path, train: Path | None = None, panel: Path | None = None
) -> None:
    """Nothing, if there is a file or clip wherever one was named, and the store with its rules can be read.

    What is in them is looked at later: a zip that is none is its sender's, and a damaged clip is on record.

    Raises: UsageError; StoreFailed.
    """
    with opened(submission):
        pass
    for option, folder in (("--data", data), ("--train", train)):
        if folder is not None:
            _check_clip(option, folder)
    if train is not None and (panel or store.panel_file.exists()):
        read_panel(panel or store.panel_file)
    read_fairness(store.folder)
    store.require_whole()  # before hours are spent on what could not be kept


def _check_clip(option: str, folder: Path) -> None:
    metadata = folder / "metadata.json"
    if metadata.is_file():
        return
    if not folder.exists():
        what = f"the folder {folder} does not exist"
    elif not folder.is_dir():
        what = f"{folder} is not a folder"
    else:
        what = f"{folder} holds no clip: {metadata.name} is missing"
    raise UsageError(
        f"{option}: {what}",
        code="usage.no_clip",
        fix="name a split's own folder, such as data/val_v1.1; `wmc data pull` downloads 1X's data, "
        "`wmc data demo DIR` makes some. Nothing was recorded",
    )
