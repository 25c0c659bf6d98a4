"""The challenge's clips and codec from the Hugging Face Hub, at a pinned revision; LPIPS' weights from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from harness.data.clips import Clip, open_clip
from harness.data.hub_errors import explained, explained_elsewhere, require_hub, understood
from harness.data.hub_file import HubFile, fetch
from harness.data.published import CODEC_FILE, LPIPS_FILES, REPOSITORY, REVISION, VERSION, PublishedFile
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
    api = _hub(endpoint)
    name = f"{split}_{VERSION}"
    with progress.step(f"asking {api.endpoint} for {name}"), explained(f"{REPOSITORY} at {revision}"):
        files = _list_files(api, name, revision)
    _fetch_all(files, data, progress)
    with progress.step(f"checking {data / name}"):
        return open_clip(data / name)


def pull_codec(
    data: Path, *, revision: str = REVISION, endpoint: str | None = None, progress: Progress
) -> Path:
    """`data`/magvit2.ckpt, the codec of v1.1's tokens, downloaded as `pull` does.

    Raises: DependencyMissing, DownloadFailed.
    """
    api = _hub(endpoint)
    with (
        progress.step(f"asking {api.endpoint} for {CODEC_FILE}"),
        explained(f"{REPOSITORY} at {revision}"),
        understood(api.endpoint),
    ):
        top = api.list_repo_tree(REPOSITORY, repo_type="dataset", revision=revision, recursive=False)
        files = [_hub_file(api, entry, revision) for entry in top if entry.path == CODEC_FILE]
    if not files:
        raise DownloadFailed(
            f"revision {revision} of {REPOSITORY} holds no {CODEC_FILE}",
            code="download.no_file",
            fix="name a revision that holds it with --revision, or leave --revision out",
        )
    _fetch_all(files, data, progress)
    return data / CODEC_FILE


def pull_lpips(
    folder: Path, *, files: Sequence[PublishedFile] = LPIPS_FILES, progress: Progress
) -> list[Path]:
    """The weights of LPIPS in `folder`, downloaded where they were not there yet, digests checked.

    Raises: DependencyMissing, DownloadFailed.
    """
    require_hub()
    paths = []
    for file in files:
        wanted = HubFile(path=file.name, url=file.url, size=file.size, sha256=file.sha256, git_sha1="")
        target = folder / file.name
        with explained(file.name), explained_elsewhere(file.url, target):  # no token: it is the Hub's alone
            fetch(wanted, target, headers={"Accept-Encoding": "identity"}, progress=progress)
        paths.append(target)
    return paths


def _hub(endpoint: str | None) -> HfApi:
    require_hub()
    from huggingface_hub import HfApi, constants

    return HfApi(endpoint=endpoint or constants.ENDPOINT, library_name="wmc")


def _fetch_all(files: Sequence[HubFile], data: Path, progress: Progress) -> None:
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]  # documented there

    headers = {**build_hf_headers(library_name="wmc"), "Accept-Encoding": "identity"}
    for file in files:
        with explained(file.path):
            fetch(file, data / file.path, headers=headers, progress=progress)


def _list_files(api: HfApi, name: str, revision: str) -> list[HubFile]:
    """What the Hub lists below the folder `name`, sorted by path."""
    from huggingface_hub import RepoFile
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
        entries = [entry for entry in listed if isinstance(entry, RepoFile)]
        for entry in entries:
            _refuse_outside(entry.path, name)
        files = [_hub_file(api, entry, revision) for entry in entries]
    if not files:
        raise _no_split(api, name, revision)
    return sorted(files, key=lambda file: file.path)


def _hub_file(api: HfApi, entry: Any, revision: str) -> HubFile:
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(REPOSITORY, entry.path, repo_type="dataset", revision=revision, endpoint=api.endpoint)
    return HubFile(
        path=entry.path,
        url=url,
        size=entry.size,
        sha256=entry.lfs.sha256 if entry.lfs else None,
        git_sha1=entry.blob_id,
    )


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


def _refuse_outside(path: str, folder: str) -> None:
    """Nothing, if `path` lies below `folder`: the names come from a server."""
    parts = PurePosixPath(path).parts
    if parts[:1] != (folder,) or ".." in parts or "\0" in path:
        raise DownloadFailed(
            f"the Hub lists {path!r} below {folder}",
            code="download.unsafe_path",
            fix="unset HF_ENDPOINT: this mirror is not to be trusted",
        )
