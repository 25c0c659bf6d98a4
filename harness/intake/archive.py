"""A stranger's zip as files that are safe to open, or the reason why not."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import IntakeFailed, UsageError
from harness.intake import required, unpack
from harness.intake.inflate import unpacked_chunks
from harness.intake.layout import Member, checked_members, located_members
from harness.intake.limits import DEFAULT_LIMITS, ArchiveLimits
from harness.intake.manifest import EntryManifest, parse_manifest
from harness.intake.zipformat import read_directory, read_span, reject
from harness.progress import Advance, Progress, Silent

_CHUNK = 1 << 20
_SILENT = Silent()
_NAME_A_ZIP = "name a zip as `wmc submit FOLDER` makes it; `wmc check` takes the folder, too"
_OUR_MODULE = "wmc_guest.py"
# Suffixes of files that hold files: never opened here, but an organiser wants to know.
_CONTAINERS = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".whl", ".jar")


@dataclass(frozen=True, kw_only=True)
class EntryFile:
    """One unpacked file: its path below the entry's folder, its size and digest, and whether it may be executed."""

    name: str
    size_bytes: int
    executable: bool
    sha256: str

    @property
    def reading_order(self) -> tuple[int, int, str]:
        """What is nearest to the root is read first; of one folder the smallest, so that a large file crowds out none
        but larger ones.
        """
        return self.name.count("/"), self.size_bytes, self.name


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A submission that passed intake: what is built and graded.

    Attributes:
        zip_path: what was opened.
        folder: where its files lie, regular files of mode 0644 or 0755 only.
        sha256: of the zip; the entry's identity from here on.
        size_bytes: of the zip.
        manifest: what the entrant declares.
        files: all of them, sorted by name.
        notes: what an organiser should know and that is no reason to refuse.
    """

    zip_path: Path
    folder: Path
    sha256: str
    size_bytes: int
    manifest: EntryManifest
    files: tuple[EntryFile, ...]
    notes: tuple[str, ...] = ()

    @property
    def unpacked_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)


def open_archive(
    zip_path: Path, into: Path, *, limits: ArchiveLimits = DEFAULT_LIMITS, progress: Progress = _SILENT
) -> Entry:
    """The entry in `zip_path`, unpacked into the folder `into`, which must be empty or not exist.

    The bytes that are hashed are the bytes that are unpacked: the file is opened once. After an error `into`
    is empty again, or gone if it was made here.

    Raises: ArchiveRejected, ManifestRejected (the entrant's fault), UsageError, IntakeFailed (disk full).
    """
    try:
        with opened(zip_path) as fd:
            before = os.fstat(fd)
            check_zip_size(before.st_size, limits)
            sha256 = _sha256(fd, before.st_size, progress)
            members = _members(fd, before.st_size, limits)
            required.check_names(member.name for member in members if not member.is_folder)
            with unpack.fresh_folder(into) as root:
                digests = _write(fd, members, root, limits, progress)
                executable = {member.name: member.executable for member in members}
                required.check_scripts(into, executable, limits)
                manifest = parse_manifest((into / required.MANIFEST).read_bytes())
                _check_unchanged(before, os.fstat(fd))
    except OSError as error:
        raise IntakeFailed(
            f"the files of a submission could not be read or written: {error}",
            fix="check free space and rights of the folder it is unpacked into",
        ) from error
    files = _files(members, digests)
    return Entry(
        zip_path=zip_path,
        folder=into,
        sha256=sha256,
        size_bytes=before.st_size,
        manifest=manifest,
        files=files,
        notes=_notes(files),
    )


def check_zip_size(size_bytes: int, limits: ArchiveLimits = DEFAULT_LIMITS) -> None:
    """Refuse a zip that is larger than a submission may be."""
    if size_bytes > limits.zip_bytes:
        raise reject(
            "archive.zip_too_large", f"the zip is larger than {limits.zip_bytes} bytes", "make it smaller"
        )


@contextmanager
def opened(zip_path: Path) -> Iterator[int]:
    """The descriptor of what may be a zip.

    Raises: UsageError where there is no such file.
    """
    try:
        fd = os.open(zip_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(
            f"{zip_path} cannot be read: {error.strerror}", fix=_NAME_A_ZIP, code="usage.no_zip"
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UsageError(f"{zip_path} is not a file", fix=_NAME_A_ZIP, code="usage.no_zip")
        yield fd
    finally:
        os.close(fd)


def _sha256(fd: int, size: int, progress: Progress) -> str:
    digest = hashlib.sha256()
    with progress.step("hash the zip", total=size) as advance:
        at = 0
        while chunk := os.pread(fd, _CHUNK, at):
            digest.update(chunk)
            at += len(chunk)
            advance(len(chunk))
    return digest.hexdigest()


def _members(fd: int, zip_bytes: int, limits: ArchiveLimits) -> list[Member]:
    """All members, checked by what they declare; nothing is inflated yet."""
    span = read_span(fd, zip_bytes)
    if span.count > limits.files or span.stop - span.start > limits.files * 512:
        raise reject(
            "archive.too_many_files",
            f"the zip lists {span.count} members; {limits.files} are allowed",
            "pack fewer",
        )
    members = located_members(fd, span, checked_members(read_directory(fd, span), limits))
    for member in members:
        if member.size > limits.file_bytes:
            raise reject(
                "archive.file_too_large",
                f'"{member.name}" has more than {limits.file_bytes} bytes',
                "split it",
            )
    if sum(member.size for member in members) > limits.total_bytes:
        raise reject(
            "archive.total_too_large",
            f"the files have more than {limits.total_bytes} bytes together",
            "pack less",
        )
    return members


def _write(
    fd: int, members: list[Member], root: int, limits: ArchiveLimits, progress: Progress
) -> dict[str, str]:
    """The digest of every file, of the bytes as they were written."""
    digests = {}
    with progress.step("unpack", total=sum(member.size for member in members)) as advance:
        for member in members:
            if member.is_folder:
                unpack.make_folder(root, member.name)
                continue
            digest = hashlib.sha256()
            hashed = _hashed(unpacked_chunks(fd, member, limits), digest.update, advance)
            unpack.write_file(root, member.name, hashed, executable=member.executable)
            digests[member.name] = digest.hexdigest()
    return digests


def _hashed(chunks: Iterable[bytes], update: Callable[[bytes], None], advance: Advance) -> Iterator[bytes]:
    for chunk in chunks:
        update(chunk)
        yield chunk
        advance(len(chunk))


def _files(members: list[Member], digests: Mapping[str, str]) -> tuple[EntryFile, ...]:
    return tuple(
        EntryFile(
            name=member.name,
            size_bytes=member.size,
            executable=member.executable,
            sha256=digests[member.name],
        )
        for member in sorted(members, key=lambda member: member.name)
        if not member.is_folder
    )


def _check_unchanged(before: os.stat_result, after: os.stat_result) -> None:
    if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ctime_ns,
    ):
        raise IntakeFailed(
            "the zip changed while it was being opened",
            fix="copy it to a place nobody else writes to",
            code="intake.changed",
        )


def _notes(files: tuple[EntryFile, ...]) -> tuple[str, ...]:
    notes = []
    if any(file.name.startswith("__MACOSX/") for file in files):
        notes.append("holds __MACOSX/, which macOS adds and nothing needs")
    if any(file.name == _OUR_MODULE for file in files):
        notes.append(f"holds {_OUR_MODULE}, a module that the grader brings itself")
    if any(".git" in file.name.split("/")[:-1] for file in files):
        notes.append("holds .git/, which may show more than was meant to be submitted")
    containers = [file.name for file in files if file.name.lower().endswith(_CONTAINERS)]
    if containers:
        shown = ", ".join(containers[:3]) + (", ..." if len(containers) > 3 else "")
        notes.append(f"holds {len(containers)} archive(s) that were not looked into: {shown}")
    return tuple(notes)
