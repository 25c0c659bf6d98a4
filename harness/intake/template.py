"""A new entry: a copy of submissions_template with its manifest filled in, comments and all."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.disk.digests import file_sha256
from harness.errors import OutputFailed, UsageError
from harness.intake import required
from harness.intake.manifest import EntryManifest, parse_manifest
from harness.intake.pack import LEFT_OUT, read_manifest

TEMPLATE = Path(__file__).parents[2] / "submissions_template"
"""Beside the package in a checkout, and beside it where a wheel was installed."""
_SOURCES = (".py", ".sh", ".toml", ".txt", ".md")


def template_manifest() -> EntryManifest:
    """What the template declares, and a new entry too where nothing else is said."""
    return read_manifest(TEMPLATE)


def handed_out() -> frozenset[str]:
    """The digests of what entrants start from: the template and the baselines, as far as they are installed here."""
    folders = (TEMPLATE, TEMPLATE.parent / "baselines")
    sources = [path for folder in folders for path in folder.rglob("*") if path.suffix in _SOURCES]
    return frozenset(map(file_sha256, sources))


def shell_lines() -> frozenset[str]:
    """The lines of the template's build.sh, with and without what is said about them."""
    lines = (TEMPLATE / "build.sh").read_text("utf-8").splitlines()
    return frozenset(part.strip() for line in lines for part in (line, line.split("  # ")[0]))


def make_entry(folder: Path, texts: Mapping[str, str]) -> EntryManifest:
    """Make `folder`, whole or not at all: the template, with `texts` by key in its wmc.toml.

    Raises: UsageError if something is there already, ManifestRejected, OutputFailed.
    """
    check_free(folder)
    filled = _filled((TEMPLATE / required.MANIFEST).read_text("utf-8"), texts)
    manifest = parse_manifest(filled.encode("utf-8", "surrogatepass"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".wmc-new-", dir=folder.parent) as work:
            made = Path(work) / "entry"  # what mkdtemp makes only its owner may read
            made.mkdir()
            shutil.copytree(TEMPLATE, made, ignore=shutil.ignore_patterns(*LEFT_OUT), dirs_exist_ok=True)
            (made / required.MANIFEST).write_text(filled, "utf-8")
            for (
                path
            ) in made.iterdir():  # an installer may have taken the execute bit, a file system all others
                path.chmod(0o755 if path.name in required.SCRIPTS else 0o644)
            made.rename(folder)
    except OSError as error:
        raise OutputFailed(
            f"{folder} cannot be made: {error}", fix="check rights and free space, or name another folder"
        ) from error
    return manifest


def check_free(folder: Path) -> None:
    """Find that an entry may be made there.

    Raises: UsageError.
    """
    if os.path.lexists(folder):
        raise UsageError(
            f"{folder} is there already",
            fix="name a folder that does not exist yet",
            code="usage.folder_exists",
        )


def _filled(toml: str, texts: Mapping[str, str]) -> str:
    """The template's manifest with these values; each stands on a line of its own, with a comment perhaps."""
    for key, text in texts.items():
        value = json.dumps(text, ensure_ascii=False)  # TOML reads JSON's texts as JSON does
        line = f"{key} = {value}".replace("\\", r"\\")  # sub() reads its own escapes
        toml = re.sub(rf'^{key} = "[^"]*"', line, toml, flags=re.MULTILINE)
    return toml
