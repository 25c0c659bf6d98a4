"""The challenge's clips from the Hugging Face Hub, at a pinned revision."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.data.clips import Clip, open_clip
from harness.data.hub_errors import explained, require_hub, understood
from harness.data.hub_file import HubFile, fetch
from harness.data.published import REPOSITORY, REVISION, VERSION
from harness.errors import DownloadFailed
from harness.progress import Progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def pull(
    split: str, data: Path, *, revision: str = REVISION, endpoint: str | None = None, progress: Progress
) -> Clip:
    """The clip `data`/<split>_v1.1, downloaded where it was not there yet, every file's digest checked.

    Run again after any failure, it continues in mid-file. `endpoint` is a Hub other than HF_ENDPOINT's.
    Raises: DependencyMissing, DownloadFailed, DataInvalid.
    """
    require_hub()
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented there

    api = HfApi(endpoint=endpoint or constants.ENDPOINT, library_name="wmc")
    name = f"{split}_{VERSION}"
    with explained(f"{REPOSITORY} at {revision}"):
        files = _list_files(api, name, revision)
    headers = {**build_hf_headers(library_name="wmc"), "Accept-Encoding": "identity"}
    for file in files:
        with explained(file.path):
            fetch(file, data / file.path, headers=headers, progress=progress)
    with progress.step(f"checking {data / name}"):
        return open_clip(data / name)


def _list_files(api: HfApi, name: str, revision: str) -> list[HubFile]:
    """What the Hub lists below the folder `name`, sorted by path."""
    from huggingface_hub import RepoFile, hf_hub_url
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with understood(api.endpoint):
        try:
            listed = list(
                api.list_repo_tree(
                    REPOSITORY, name, repo_type="dataset", revision=revision, recursive=True, expand=False
                )
            )
        except RemoteEntryNotFoundError as error:
            raise _no_split(api, name, revision) from error
        files = [
            HubFile(
                path=_inside(entry.path, name),
                url=hf_hub_url(
                    REPOSITORY, entry.path, repo_type="dataset", revision=revision, endpoint=api.endpoint
                ),
                size=entry.size,
                sha256=entry.lfs.sha256 if entry.lfs else None,
                git_sha1=entry.blob_id,
            )
            for entry in listed
            if isinstance(entry, RepoFile)
        ]
    if not files:
        raise _no_split(api, name, revision)
    return sorted(files, key=lambda file: file.path)


def _no_split(api: HfApi, name: str, revision: str) -> DownloadFailed:
    """The error that says what there is instead."""
    there = api.list_repo_tree(REPOSITORY, repo_type="dataset", revision=revision)
    names = ", ".join(sorted(entry.path for entry in there)) or "nothing"
    return DownloadFailed(
        f"revision {revision} of {REPOSITORY} holds no {name}; it holds {names}",
        code="download.no_split",
        fix=f"name a revision that holds {name} with --revision; "
        f"{api.endpoint}/datasets/{REPOSITORY}/commits/main lists them",
    )


def _inside(path: str, folder: str) -> str:
    """`path`, if it lies below `folder`: the names come from a server."""
    parts = PurePosixPath(path).parts
    if parts[:1] != (folder,) or ".." in parts or "\0" in path:
        raise DownloadFailed(
            f"the Hub lists {path!r} below {folder}",
            code="download.unsafe_path",
            fix="unset HF_ENDPOINT: this mirror is not to be trusted",
        )
    return path
