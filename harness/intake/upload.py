"""A submission in a dataset of the Hugging Face Hub: in a place named after its bytes, read back before the receipt.

huggingface_hub tries most requests again and resumes what it can: with hf_xet installed chunks that arrived are not
sent again; without it a part that was cut is sent again alone while one try lasts, and by the next try or command a
file that had not arrived whole is sent from its beginning. What it does only once, such as the commit, is done again
here: a place that is named after its content holds it already, or not.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from harness.data.hub_errors import require_hub, transport_error, without_warnings
from harness.errors import UploadFailed, UsageError
from harness.intake import required
from harness.intake.pack import Packed
from harness.progress import Progress

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

FOLDER = "submissions"
ZIP_NAME = "entry.zip"
_PAUSES_S = (2, 8, 30)
_MIB = 1 << 20
_NO_XET = "; where only the Hub's chunk store is out of reach, HF_HUB_DISABLE_XET=1 does without it"
_TOKEN = "set HF_TOKEN to a token of yours that may write (https://huggingface.co/settings/tokens)"
_ODD_REPLY = (AttributeError, KeyError, TypeError, ValueError)
_PASSES = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A submission that the Hub has.

    Attributes:
        folder: in the repository; it holds the zip, the manifest and the receipt.
        url: where a person sees it.
        was_there: the same bytes had been uploaded before.
        is_public: everybody can read it, the e-mail address in its manifest too.
    """

    folder: str
    url: str
    was_there: bool
    is_public: bool


def check_repository(repository: str) -> None:
    """Find that this is how a dataset is named.

    Raises: UsageError.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", repository, re.ASCII):
        raise UsageError(
            f"{repository!r} is no name of a dataset on the Hub",
            fix="write OWNER/NAME, as in https://huggingface.co/datasets/OWNER/NAME",
            code="usage.repository",
        )


def check_ready(repository: str) -> None:
    """Find that an upload can begin: before anything is packed.

    Raises: UsageError, DependencyMissing, UploadFailed without a token.
    """
    check_repository(repository)
    require_hub()
    from huggingface_hub import get_token

    if not get_token():
        raise UploadFailed("there is no token to upload with", code="upload.no_token", fix=_TOKEN)


def upload(packed: Packed, repository: str, *, endpoint: str | None = None, progress: Progress) -> Uploaded:
    """Put the zip, its manifest and its receipt into the dataset `repository`; the same bytes again change nothing.

    Returns once the Hub lists the zip with the digest of the one on disk. `endpoint` is a Hub other than HF_ENDPOINT's.
    Raises: UsageError, DependencyMissing, UploadFailed.
    """
    check_ready(repository)
    from huggingface_hub import HfApi, constants

    api = HfApi(endpoint=endpoint or constants.ENDPOINT, library_name="wmc")
    title = f"uploading {packed.path.name} to {repository} ({max(1, packed.size_bytes // _MIB)} MiB)"
    with progress.step(title), without_warnings(), _without_bars():
        pauses_s = list(_PAUSES_S)
        while True:
            try:
                return _put(api, packed, repository)
            except (transport_error(), OSError, RuntimeError, *_ODD_REPLY) as error:
                # What befell one file comes wrapped in a RuntimeError.
                cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
                failure = _failure(cause, repository, api)
                if not pauses_s or not _passes(cause):
                    raise failure from error
            progress.note(f"{failure.message}; the next try is in {pauses_s[0]} s")
            time.sleep(pauses_s.pop(0))


def _put(api: HfApi, packed: Packed, repository: str) -> Uploaded:
    """One try; it may come after one that succeeded and was not told so."""
    from huggingface_hub import CommitOperationAdd

    manifest = packed.manifest
    folder = f"{FOLDER}/{manifest.user_name}/{manifest.slug}/{packed.sha256}"
    info = api.repo_info(repository, repo_type="dataset")
    was_there = _is_there(api, packed, repository, folder)
    if not was_there:
        receipt = json.dumps(_receipt(packed), indent=2, ensure_ascii=False) + "\n"
        files: dict[str, Any] = {
            ZIP_NAME: packed.path,
            required.MANIFEST: _manifest_of(packed),
            "receipt.json": receipt.encode(),
        }
        operations = [
            CommitOperationAdd(path_in_repo=f"{folder}/{name}", path_or_fileobj=content)
            for name, content in files.items()
        ]
        api.create_commit(
            repository,
            operations,
            repo_type="dataset",
            commit_message=f"Submission {manifest.user_name}/{manifest.slug} {packed.sha256[:12]}",
        )
        if not _is_there(api, packed, repository, folder):
            raise UploadFailed(
                f"{repository} took the submission, but does not list {folder}/{ZIP_NAME} with its digest",
                code="upload.not_kept",
                fix="see whether its .gitignore names zips, or whether the zip on your disk has changed; then "
                + _again(),
            )
    return Uploaded(
        folder=folder,
        url=f"{api.endpoint}/datasets/{repository}/tree/main/{folder}",
        was_there=was_there,
        is_public=not info.private,
    )


def _manifest_of(packed: Packed) -> bytes:
    with zipfile.ZipFile(packed.path) as opened:
        return opened.read(required.MANIFEST)


def _is_there(api: HfApi, packed: Packed, repository: str, folder: str) -> bool:
    """Whether the Hub lists these very bytes."""
    from huggingface_hub import RepoFile

    listed = api.get_paths_info(repository, [f"{folder}/{ZIP_NAME}"], repo_type="dataset")
    for entry in listed:
        if not isinstance(entry, RepoFile) or entry.size != packed.size_bytes:
            return False
        if entry.lfs:
            return bool(entry.lfs.sha256 == packed.sha256)
        content = packed.path.read_bytes()  # small, for git itself keeps it
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        return blob == entry.blob_id and hashlib.sha256(content).hexdigest() == packed.sha256
    return False


def _receipt(packed: Packed) -> dict[str, Any]:
    """The same for the same bytes, and without the e-mail address."""
    return {
        "sha256": packed.sha256,
        "size_bytes": packed.size_bytes,
        "num_files": packed.num_files,
        "user_name": packed.manifest.user_name,
        "entry_name": packed.manifest.entry_name,
    }


def _passes(error: BaseException) -> bool:
    """Whether it may be over in a moment: a cut connection, the Hub's own trouble, somebody else's commit."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if not isinstance(error, HfHubHTTPError):
        passing = (transport_error(), ConnectionError, TimeoutError, RuntimeError)
        return isinstance(error, passing) and not isinstance(error, OfflineModeIsEnabled)
    status = error.response.status_code
    return status in _PASSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _failure(error: BaseException, repository: str, api: HfApi) -> UploadFailed:
    """What went wrong, in words."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return _refusal(error, repository, api)
    if isinstance(error, OfflineModeIsEnabled):
        return UploadFailed(
            "HF_HUB_OFFLINE forbids uploads", code="upload.offline", fix="unset HF_HUB_OFFLINE"
        )
    if isinstance(error, (transport_error(), ConnectionError, TimeoutError)):
        return UploadFailed(
            f"the Hub cannot be reached: {error}",
            code="upload.unreachable",
            fix=f"check the network and proxy (HTTPS_PROXY); then {_again()}{_NO_XET}",
        )
    if isinstance(error, (RuntimeError, OSError)):
        return UploadFailed(f"the upload stopped: {error}", code="upload.stopped", fix=_again() + _NO_XET)
    return UploadFailed(
        f"what answers is not a Hub: {type(error).__name__}: {error}",
        code="upload.not_a_hub",
        fix="unset or correct HF_ENDPOINT; a captive portal or a proxy may be answering instead",
    )


def _refusal(error: HfHubHTTPError, repository: str, api: HfApi) -> UploadFailed:
    from huggingface_hub.errors import RepositoryNotFoundError

    status = error.response.status_code
    is_hidden = isinstance(error, RepositoryNotFoundError)
    if is_hidden and _knows_your_token(api):
        return UploadFailed(
            f"there is no dataset {repository}, or your token may not see it",
            code="upload.no_repository",
            fix="correct its name, make it (https://huggingface.co/new-dataset), or ask its owner for access",
        )
    if is_hidden or status == HTTPStatus.UNAUTHORIZED:
        return UploadFailed(
            f"{repository}: the Hub does not know your token", code="upload.bad_token", fix=_TOKEN
        )
    if status == HTTPStatus.FORBIDDEN:
        return UploadFailed(
            f"your token may not write to {repository}",
            code="upload.no_right",
            fix=f"ask its owner for the right to write, or name a dataset of your own; {_TOKEN}",
        )
    return UploadFailed(
        f"{repository}: the Hub answered HTTP {status}", code="upload.refused", fix=f"wait; then {_again()}"
    )


def _knows_your_token(api: HfApi) -> bool:
    """False where the Hub says that it does not: to a stranger a private dataset is one that is not there."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.whoami()
    except HfHubHTTPError as error:
        return error.response.status_code != HTTPStatus.UNAUTHORIZED
    except (transport_error(), OSError, *_ODD_REPLY):
        return True  # nobody said otherwise
    return True


def _again() -> str:
    """What comes next, and what it costs."""
    from huggingface_hub import constants

    if importlib.util.find_spec("hf_xet") and not constants.HF_HUB_DISABLE_XET:
        return "run the same command again: what has arrived is not sent again"
    return (
        "run the same command again: a zip that arrived whole is not sent again, one that was cut is sent from its "
        "beginning"
    )


@contextmanager
def _without_bars() -> Iterator[None]:
    """Inside, huggingface_hub draws no bars: ours is there already."""
    from huggingface_hub import utils

    hub: Any = utils  # documented there, not exported
    were_off = hub.are_progress_bars_disabled()
    hub.disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            hub.enable_progress_bars()
