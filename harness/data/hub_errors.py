"""What the Hub's refusals mean, in words: each failure of a download gets its own code and its own way out."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.errors import DependencyMissing, DownloadFailed
from harness.extras import install

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

_CONTINUE = "run the same command again: it continues where it stopped"
_MIRROR = "or name a mirror with HF_ENDPOINT=https://..."
_TOKEN = "set HF_TOKEN to a token of yours (https://huggingface.co/settings/tokens)"
_ENDPOINT = "unset or correct HF_ENDPOINT; a captive portal or a proxy may be answering instead"
_ODD_REPLY = (AttributeError, KeyError, TypeError, ValueError)


class _Meaning(NamedTuple):
    kind: type[Exception]
    code: str
    words: str
    fix: str


def require_hub() -> None:
    """Nothing, where huggingface_hub can be imported.

    Raises: DependencyMissing.
    """
    try:
        import huggingface_hub  # noqa: F401 - whether it can be imported is the question
    except ImportError as error:
        raise DependencyMissing("the Hub needs the package huggingface_hub", fix=install("hub")) from error


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Inside, what huggingface_hub and the disk raise becomes a DownloadFailed about `what`.

    What it says of each try that it makes again is not shown, for the error says how they ended.
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        with without_warnings():
            yield
    except HfHubHTTPError as error:
        raise _refusal(error, what) from error
    except OfflineModeIsEnabled as error:
        raise DownloadFailed(
            f"{what}: HF_HUB_OFFLINE forbids downloads", code="download.offline", fix="unset HF_HUB_OFFLINE"
        ) from error
    except OSError as error:
        raise _disk(error, what) from error
    except transport_error() as error:
        raise DownloadFailed(
            f"{what}: the Hub cannot be reached: {error}",
            code="download.unreachable",
            fix=f"check the network and proxy (HTTPS_PROXY), {_MIRROR}; then {_CONTINUE}",
        ) from error


@contextmanager
def without_warnings() -> Iterator[None]:
    """Inside, huggingface_hub logs errors alone, unless HF_HUB_VERBOSITY or a caller asked for another level."""
    from huggingface_hub.utils import logging as hub_logging

    usual = hub_logging.get_verbosity()
    if usual != logging.WARNING:
        yield
        return
    hub_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        hub_logging.set_verbosity(usual)


@contextmanager
def explained_elsewhere(url: str, target: Path) -> Iterator[None]:
    """Inside, what a server that is not the Hub refuses becomes a DownloadFailed; use it inside `explained`."""
    from huggingface_hub.errors import HfHubHTTPError

    fix = f"{_CONTINUE}; or put that file at {target} by another way"
    try:
        yield
    except HfHubHTTPError as error:
        status = error.response.status_code
        raise DownloadFailed(f"{url} answers HTTP {status}", code="download.refused", fix=fix) from error
    except OSError:
        raise
    except transport_error() as error:
        raise DownloadFailed(
            f"{url} cannot be reached: {error}",
            code="download.unreachable",
            fix=f"check the network and proxy (HTTPS_PROXY); then {fix}",
        ) from error


@contextmanager
def understood(endpoint: str) -> Iterator[None]:
    """Inside, an answer of another shape than the Hub's is a DownloadFailed."""
    try:
        yield
    except _ODD_REPLY as error:
        raise DownloadFailed(
            f"{endpoint} answers, but not as the Hub does: {type(error).__name__}: {error}",
            code="download.not_a_hub",
            fix=_ENDPOINT,
        ) from error


def transport_error() -> type[Exception]:
    """The base of every error of the HTTP library that huggingface_hub uses, which differs by its version."""
    from huggingface_hub import errors

    base: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]  # imported there, not exported
    return base


def _refusal(error: HfHubHTTPError, what: str) -> DownloadFailed:
    from huggingface_hub import errors

    status = error.response.status_code
    terms, revision = f"accept its terms, then {_TOKEN}", "name another with --revision"
    private = "no such repository, or it is private"
    by_type = (
        _Meaning(errors.GatedRepoError, "download.gated", "access must be asked for", terms),
        _Meaning(errors.RepositoryNotFoundError, "download.no_repository", private, _TOKEN),
        _Meaning(errors.RevisionNotFoundError, "download.no_revision", "no such revision", revision),
        _Meaning(
            errors.RemoteEntryNotFoundError,
            "download.no_file",
            "no such file",
            "name another revision with --revision",
        ),
    )
    for each in by_type:
        if isinstance(error, each.kind):
            return DownloadFailed(f"{what}: {each.words} (HTTP {status})", code=each.code, fix=each.fix)
    answered = f"{what}: the Hub answered HTTP {status}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return DownloadFailed(answered, code="download.refused", fix=_TOKEN)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return DownloadFailed(
            answered, code="download.rate_limited", fix=f"wait a few minutes, {_TOKEN}; then {_CONTINUE}"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return DownloadFailed(answered, code="download.hub_down", fix=f"wait, {_MIRROR}; then {_CONTINUE}")
    return DownloadFailed(answered, code="download.not_a_hub", fix=_ENDPOINT)


def _disk(error: OSError, what: str) -> DownloadFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadFailed(
            f"{what}: the disk is full", code="download.disk_full", fix=f"make room, then {_CONTINUE}"
        )
    if error.errno is None:  # http_get's own, about a length that is not what the server announced
        return DownloadFailed(f"{what}: {error}", code="download.cut_short", fix=_CONTINUE)
    return DownloadFailed(
        f"{what}: cannot be written: {error}",
        code="download.cannot_write",
        fix="choose a folder you may write to with -o",
    )
