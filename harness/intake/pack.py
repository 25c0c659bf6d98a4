"""A folder as a submission: byte-reproducible, and opened once as intake will before it is handed out."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.disk.digests import file_sha256
from harness.errors import IntakeFailed, UsageError
from harness.intake import required
from harness.intake.archive import open_archive
from harness.intake.limits import DEFAULT_LIMITS, ArchiveLimits
from harness.intake.manifest import EntryManifest, parse_manifest
from harness.intake.names import Tree, checked_name
from harness.intake.zipformat import reject
from harness.intake.zipwriter import ZipWriter
from harness.progress import Advance, Progress, Silent
from harness.text import spelled_out

# What tools leave behind in a working folder and no entry needs.
LEFT_OUT = frozenset(
    {
        ".DS_Store",
        ".git",
        ".hypothesis",
        ".ipynb_checkpoints",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        "__MACOSX",
        "__pycache__",
    }
)
_CHUNK = 1 << 20
_DIGITS = 12
_RECORDS = "grades.sqlite"
"""Of a store that lies in the folder: intake knows nothing of stores but this name."""
_SILENT = Silent()


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A submission that intake takes.

    Attributes:
        path: of the zip.
        sha256, size_bytes: of the zip; `sha256` is the receipt an entrant keeps.
        num_files: in it.
        manifest: what it declares.
        left_out: names below the folder that are not in it, sorted.
        doubtful: names in it that may have been meant for nobody else, sorted: hidden files and folders, zips at the
            top, such as an earlier submission, and a store of records.
        earlier: where a file with other bytes went that was at `path` before, for it may be one that was sent.
    """

    path: Path
    sha256: str
    size_bytes: int
    num_files: int
    manifest: EntryManifest
    left_out: tuple[str, ...]
    doubtful: tuple[str, ...]
    earlier: Path | None


@dataclass(frozen=True, kw_only=True)
class _Source:
    """One file to pack."""

    name: str
    path: Path
    size: int
    executable: bool


def read_manifest(folder: Path) -> EntryManifest:
    """The manifest of an entry's folder; raises ArchiveRejected without one, ManifestRejected if wrong."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is not a folder", fix="name the folder of an entry", code="usage.no_folder"
        )
    path = folder / required.MANIFEST
    if not path.is_file():
        raise reject(
            "archive.missing_file",
            f"{path} is missing",
            "start from what `wmc new FOLDER` makes, or name another folder",
        )
    return parse_manifest(path.read_bytes())


def pack(
    folder: Path, zip_path: Path, *, limits: ArchiveLimits = DEFAULT_LIMITS, progress: Progress = _SILENT
) -> Packed:
    """The submission made from `folder`, at `zip_path`; nothing is changed there unless all is well.

    What was there before stays, by a name with its digest, unless it holds the same bytes.

    Refuses what intake refuses, with the same errors: `open_archive` opens the zip before it is handed out.
    """
    try:
        return _packed(folder, zip_path, limits, progress)
    except OSError as error:
        raise IntakeFailed(
            f"{folder} could not be packed: {error}", fix="check rights and free space, then pack again"
        ) from error


def _packed(folder: Path, zip_path: Path, limits: ArchiveLimits, progress: Progress) -> Packed:
    read_manifest(folder)
    _check_target(zip_path, folder)
    left_out: list[str] = []
    sources = sorted(_sources(folder, left_out), key=lambda source: source.name)
    required.check_names(source.name for source in sources)
    with tempfile.TemporaryDirectory(dir=zip_path.parent, prefix=".wmc-pack-") as work:
        draft = Path(work, "draft.zip")
        _write(sources, draft, progress)
        entry = open_archive(draft, Path(work, "entry"), limits=limits, progress=progress)
        earlier = _put_aside(zip_path, entry.sha256)
        os.replace(draft, zip_path)
    return Packed(
        path=zip_path,
        sha256=entry.sha256,
        size_bytes=entry.size_bytes,
        num_files=len(entry.files),
        manifest=entry.manifest,
        left_out=tuple(sorted(left_out)),
        doubtful=_doubtful(source.name for source in sources),
        earlier=earlier,
    )


def _put_aside(zip_path: Path, sha256: str) -> Path | None:
    """Where the file at `zip_path` is now; None where there was none, or one of these very bytes."""
    if zip_path.is_symlink() or not zip_path.exists():
        return None
    earlier = file_sha256(zip_path)
    if earlier == sha256:
        return None
    aside = zip_path.with_name(f"{zip_path.stem}.{earlier[:_DIGITS]}{zip_path.suffix}")
    os.replace(zip_path, aside)
    return aside


def _check_target(zip_path: Path, folder: Path) -> None:
    """Refuse a zip that has no place to go, or that the next one would contain."""
    if not zip_path.parent.is_dir():
        raise UsageError(f"{zip_path.parent} is not a folder", fix="make it first", code="usage.no_folder")
    if zip_path.exists() and not zip_path.is_file():
        raise UsageError(
            f"{zip_path} is there, and is no file", fix="name another place", code="usage.zip_target"
        )
    if zip_path.parent.resolve().is_relative_to(folder.resolve()):
        raise UsageError(
            f"{zip_path} would lie in the folder that is packed, and the next zip would contain it",
            fix=f"put it elsewhere: -o {folder.resolve().parent / zip_path.name}",
            code="usage.zip_in_folder",
        )


def _doubtful(names: Iterable[str]) -> tuple[str, ...]:
    found = set()
    for name in names:
        parts = name.split("/")
        hidden = next((depth for depth, part in enumerate(parts, 1) if part.startswith(".")), None)
        if hidden is not None:
            found.add("/".join(parts[:hidden]) + ("/" if hidden < len(parts) else ""))
        elif (len(parts) == 1 and name.lower().endswith(".zip")) or parts[-1] == _RECORDS:
            found.add(name)
    return tuple(sorted(found))


def _sources(folder: Path, left_out: list[str]) -> Iterator[_Source]:
    """Every file to pack; appends what is left out to `left_out`."""
    tree, waiting = Tree(), [(folder, "")]
    while waiting:
        here, above = waiting.pop()
        found = sorted(os.scandir(here), key=lambda item: item.name)
        if above and not found:
            left_out.append(f"{above} (an empty folder)")
        for item in found:
            if item.name in LEFT_OUT:
                left_out.append(spelled_out(above + item.name))
                continue
            name = checked_name(os.fsencode(above + item.name))
            status = item.stat(follow_symlinks=False)
            _check_kind(name, status)
            is_folder = stat.S_ISDIR(status.st_mode)
            tree.add(name, is_folder=is_folder)
            if is_folder:
                waiting.append((Path(item.path), f"{name}/"))
                continue
            executable = bool(status.st_mode & stat.S_IXUSR)
            yield _Source(name=name, path=Path(item.path), size=status.st_size, executable=executable)


def _check_kind(name: str, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        fix = "put the file itself there, or make the link in build.sh"
        raise reject("archive.link", f'"{name}" is a symbolic link', fix)
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise reject("archive.special_file", f'"{name}" is neither a file nor a folder', "leave it out")


def _write(sources: list[_Source], draft: Path, progress: Progress) -> None:
    with draft.open("xb") as file, progress.step("pack", total=sum(s.size for s in sources)) as advance:
        writer = ZipWriter(file)
        for source in sources:
            chunks = _chunks(source.path, advance)
            if not writer.add(source.name, chunks, size=source.size, executable=source.executable):
                raise UsageError(
                    f"{source.path} changed while it was being packed",
                    fix="wait until nothing writes to the folder, then pack again",
                    code="usage.folder_changed",
                )
        writer.finish()
        file.flush()
        os.fsync(file.fileno())


def _chunks(path: Path, advance: Advance) -> Iterator[bytes]:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            yield chunk
            advance(len(chunk))
