"""A trained model as a submission: a folder that `wmc submit` packs and `wmc grade` grades as it is."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from harness.errors import OutputFailed, UsageError
from harness.intake import required
from harness.intake.manifest import EntryManifest
from harness.intake.pack import read_manifest

MODEL_FILES = ("config.json", "model.safetensors")
"""What of a checkpoint goes into the box; the optimizer and whatever else a trainer keeps there stays behind."""


def export(
    entry_folder: Path,
    files: Sequence[str],
    checkpoint: Path,
    out: Path,
    *,
    training_flops: float,
    parameters: int,
    description: str,
    claimed_val_loss: float | None,
) -> None:
    """Write the submission to `out`, whole or not at all: the entry's `files`, the model and the manifest.

    Args:
        entry_folder: where the baseline lives; its wmc.toml says what training does not change.
        files: what of it runs in the box, relative to it: `ENTRY_FILES` of its learner.py.
        checkpoint: a folder with MODEL_FILES.
        out: a folder that does not exist yet, or is empty.
        training_flops: measured, of the whole training.
        parameters: how many numbers the model has.
        description: for the leaderboard.
        claimed_val_loss: temporally teacher-forced, over the whole of val; None if that was not computed.

    Raises: UsageError, OutputFailed, ArchiveRejected or ManifestRejected if the entry could not be submitted.
    """
    check_checkpoint(checkpoint)
    check_free(out)
    manifest = replace(
        read_manifest(entry_folder),
        training_flops=training_flops,
        parameters=parameters,
        description=description,
        claimed_val_loss=claimed_val_loss,
    )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=out.parent) as work:
            made = Path(work) / "entry"  # what mkdtemp makes only we may read
            _copy(entry_folder, files, made)
            for name in MODEL_FILES:
                shutil.copyfile(checkpoint / name, made / name)
            (made / required.MANIFEST).write_text(manifest_text(manifest), encoding="utf-8")
            required.check_names(path.relative_to(made).as_posix() for path in made.rglob("*"))
            read_manifest(made)
            os.replace(made, out)
    except OSError as error:
        raise OutputFailed(
            f"{out} cannot be written: {error}", fix="check rights and free space, or name another folder"
        ) from error


def check_free(out: Path) -> None:
    """Find that an entry may be written there. Raises: UsageError, if there is something."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(
            f"{out} exists already and is not an empty folder",
            fix="remove it, or export into another folder",
            code="usage.folder_not_empty",
        )


def manifest_text(manifest: EntryManifest) -> str:
    """The manifest as TOML; what is not said means the same when it is left out."""
    lines = []
    for field in fields(EntryManifest):
        value = getattr(manifest, field.name)
        if value != field.default:
            # TOML reads JSON's texts, numbers, lists and truth values as JSON does.
            lines.append(f"{field.name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _copy(entry_folder: Path, files: Sequence[str], made: Path) -> None:
    """These files of the entry, with their modes: two of them are started."""
    made.mkdir()
    for name in files:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(entry_folder / name, made / name)


def check_checkpoint(checkpoint: Path) -> None:
    """Find that the folder has a model. Raises: UsageError, if it has none."""
    missing = [name for name in MODEL_FILES if not (checkpoint / name).is_file()]
    if missing:
        raise UsageError(
            f"{checkpoint} has no {' and no '.join(missing)}",
            fix="name the folder of a checkpoint",
            code="usage.no_checkpoint",
        )
