"""What was submitted through the Hub: fetched once, checked against its name, opened as the grader opens it.

A dataset that entrants write to proves nothing but bytes: who sent them is what the organiser's own register says.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from harness.data.hub_errors import explained, require_hub, understood
from harness.data.hub_file import HubFile, fetch
from harness.disk.whole_file import whole_file
from harness.errors import (
    ArchiveRejected,
    DownloadFailed,
    IntakeFailed,
    ManifestRejected,
    OutputFailed,
    WmcError,
)
from harness.intake.archive import check_zip_size, open_archive
from harness.intake.upload import FOLDER, ZIP_NAME, check_repository
from harness.progress import Progress
from harness.text import spelled_out

_PLACE = re.compile(
    rf"{FOLDER}/(?P<user>[A-Za-z0-9_-]{{1,32}})/(?P<slug>[A-Za-z0-9_][A-Za-z0-9._-]{{0,63}})"
    rf"/(?P<sha256>[0-9a-f]{{64}})/{re.escape(ZIP_NAME)}"
)


@dataclass(frozen=True, kw_only=True)
class Received:
    """A submission that lies in the folder.

    Attributes:
        file: its name there.
        is_new: it was fetched by this command.
    """

    file: str
    sha256: str
    user_name: str
    slug: str
    is_new: bool


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A file that was not taken.

    Attributes:
        place: in the repository, safe to show.
        is_new: it was refused by this command, not by one before.
        comes_again: the next command tries again; otherwise a note in the folder keeps it from that.
        is_unfinished: a command ended while it opened it; new each time, for an organiser must look at it.
    """

    place: str
    code: str
    message: str
    fix: str
    is_new: bool = True
    comes_again: bool = False
    is_unfinished: bool = False


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """All that the repository holds, in the order of its names."""

    received: tuple[Received, ...]
    refused: tuple[Refused, ...]


def fetch_submissions(
    repository: str, folder: Path, *, endpoint: str | None = None, progress: Progress
) -> Inbox:
    """Fetch into `folder` what is not in it yet; what is there is never written over. No bad one stops the others.

    Raises: UsageError, DependencyMissing, DownloadFailed if the repository cannot be listed, OutputFailed.
    """
    check_repository(repository)
    require_hub()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{folder} cannot be made: {error}", fix="name another folder with -o") from error
    files = _listed(repository, endpoint, progress)
    try:
        outcomes = [_take(file, folder, progress) for file in files]
    except OSError as error:
        raise OutputFailed(
            f"{folder} cannot be written to: {error}",
            fix="make room, or see to its rights; then run the same command again",
        ) from error
    return Inbox(
        received=tuple(outcome for outcome in outcomes if isinstance(outcome, Received)),
        refused=tuple(outcome for outcome in outcomes if isinstance(outcome, Refused)),
    )


def _listed(repository: str, endpoint: str | None, progress: Progress) -> list[HubFile]:
    """Every zip below `FOLDER`, in the order of their names; none where there is no such folder yet."""
    from huggingface_hub import HfApi, RepoFile, constants, hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError

    api = HfApi(endpoint=endpoint or constants.ENDPOINT, library_name="wmc")
    with (
        progress.step(f"asking {api.endpoint} for what {repository} holds"),
        explained(repository),
        understood(api.endpoint),
    ):
        try:
            listed = list(api.list_repo_tree(repository, FOLDER, repo_type="dataset", recursive=True))
        except RemoteEntryNotFoundError:
            return []
        return [
            HubFile(
                path=entry.path,
                url=hf_hub_url(repository, entry.path, repo_type="dataset", endpoint=api.endpoint),
                size=entry.size,
                sha256=entry.lfs.sha256 if entry.lfs else None,
                git_sha1=entry.blob_id,
            )
            for entry in sorted(listed, key=lambda entry: entry.path)
            if isinstance(entry, RepoFile) and entry.path.rsplit("/", 1)[-1] == ZIP_NAME
        ]


def _take(file: HubFile, folder: Path, progress: Progress) -> Received | Refused:
    """One submission, from the listing to the folder."""
    match = _PLACE.fullmatch(file.path)
    shown = spelled_out(file.path, limit=300)
    if match is None:
        return _refused(shown, _misplaced("it does not lie in USER/ENTRY/SHA256"))
    received = Received(
        file=f"{match['user']}-{match['slug']}.{match['sha256']}.zip",
        sha256=match["sha256"],
        user_name=match["user"],
        slug=match["slug"],
        is_new=True,
    )
    note = folder / f"{received.file.removesuffix('.zip')}.refused.json"
    if (folder / received.file).exists():
        return replace(received, is_new=False)
    if note.exists():
        return _refused_before(note)
    if file.sha256 not in (None, received.sha256):
        return _refused(shown, _misplaced(f"the Hub lists it with another digest, {file.sha256}"))
    return _fetched(file, folder / received.file, note, received, progress)


def _fetched(
    file: HubFile, target: Path, note: Path, received: Received, progress: Progress
) -> Received | Refused:
    """What is made of it; what is refused for good is noted, so that it need not be fetched again.

    The note lies there before a stranger's zip is opened, and says so: one that ends the command ends it once.
    """
    arrived = target.with_name(f".{received.sha256}.arrived")
    try:
        check_zip_size(file.size)
        _fetch(file, arrived, progress)
        _write(note, _unfinished(file, note))
        _open(arrived, received, progress)
        arrived.replace(target)
    except (ArchiveRejected, ManifestRejected) as error:
        return _write(note, _refused(file.path, error))
    except (DownloadFailed, IntakeFailed) as error:
        note.unlink(missing_ok=True)
        return replace(_refused(file.path, error), comes_again=True)
    except OSError:  # a full disk, of which the next command knows nothing
        note.unlink(missing_ok=True)
        raise
    except MemoryError:
        return _unfinished(file, note)
    finally:
        arrived.unlink(missing_ok=True)
    note.unlink(missing_ok=True)
    return received


def _fetch(file: HubFile, arrived: Path, progress: Progress) -> None:
    """Make `arrived` hold the file. Raises: DownloadFailed."""
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented there

    headers = {**build_hf_headers(library_name="wmc"), "Accept-Encoding": "identity"}
    with explained(ZIP_NAME):
        fetch(file, arrived, headers=headers, progress=progress)


def _open(arrived: Path, expected: Received, progress: Progress) -> None:
    """Open the zip once, and find that it is what its place says.

    Raises: IntakeFailed, ArchiveRejected, ManifestRejected.
    """
    with tempfile.TemporaryDirectory(dir=arrived.parent, prefix=".wmc-inbox-") as work:
        entry = open_archive(arrived, Path(work, "entry"), progress=progress)
    if entry.sha256 != expected.sha256:
        raise _misplaced(f"its bytes have another digest, {entry.sha256}")
    named = (entry.manifest.user_name, entry.manifest.slug)
    if named != (expected.user_name, expected.slug):
        raise _misplaced(f"its wmc.toml is of {'/'.join(named)}")


def _unfinished(file: HubFile, note: Path) -> Refused:
    error = IntakeFailed(
        "a command that opened it did not come to an end: it was stopped, or ran out of memory",
        fix=f"if you stopped it, or another command is at it now, remove {note} and run this again; "
        "if not, be wary: delete it from the dataset, or open it on a machine of its own",
        code="intake.unfinished",
    )
    return replace(_refused(file.path, error), is_unfinished=True)


def _write(note: Path, refused: Refused) -> Refused:
    with whole_file(note) as stream:
        stream.write(json.dumps(asdict(refused), indent=2).encode())
    return refused


def _misplaced(why: str) -> ArchiveRejected:
    return ArchiveRejected(
        f"it lies where a submission of another name would: {why}",
        fix="upload it with `wmc submit FOLDER --upload REPO`, which names the place after what it holds",
        code="archive.misplaced",
    )


def _refused(place: str, error: WmcError) -> Refused:
    return Refused(place=place, code=error.code, message=error.message, fix=error.fix)


def _refused_before(note: Path) -> Refused:
    """What an earlier command wrote."""
    try:
        refused = Refused(**json.loads(note.read_bytes()))
        return replace(refused, is_new=refused.is_unfinished)
    except (OSError, ValueError, TypeError) as error:
        raise OutputFailed(
            f"{note} cannot be read: {error}", fix="remove it: it will be made anew"
        ) from error
