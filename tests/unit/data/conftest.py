"""A stand-in of the Hub on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import settings

settings.register_profile("no clock", deadline=None)  # a busy machine is no failure
settings.load_profile("no clock")

_API = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?")
_RESOLVE = re.compile(r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    range: str | None
    authorization: str | None

    @property
    def is_file(self) -> bool:
        return "/resolve/" in self.path


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A reply in place of the honest one."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(kw_only=True)
class HubStandIn:
    """One dataset at one revision, served as the Hub serves it; `intercept` may answer instead."""

    repository: str
    revision: str
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    intercept: Callable[[Request], Reply | None] = lambda request: None
    cut_after: int | None = None
    """Bytes of a body after which the connection is closed."""
    honours_range: bool = True
    url: str = ""

    @property
    def file_requests(self) -> list[Request]:
        return [request for request in self.requests if request.is_file]

    def add_folder(self, folder: Path, name: str) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.files[f"{name}/{path.relative_to(folder).as_posix()}"] = path.read_bytes()

    def listing(self, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
        prefix = f"{folder}/" if folder else ""
        names = sorted(name for name in self.files if name.startswith(prefix))
        if recursive:
            return [self._entry(name) for name in names]
        tops = sorted({name[len(prefix) :].split("/")[0] for name in names})
        return [
            self._entry(prefix + top)
            if prefix + top in self.files
            else {"type": "directory", "oid": "0" * 40, "size": 0, "path": prefix + top}
            for top in tops
        ]

    def _entry(self, name: str) -> dict[str, Any]:
        content = self.files[name]
        blob = b"blob %d\0" % len(content) + content
        entry = {
            "type": "file",
            "oid": hashlib.sha1(blob).hexdigest(),
            "size": len(content),
            "path": name,
        }
        if name.endswith(".bin"):
            sha256 = hashlib.sha256(content).hexdigest()
            entry |= {"oid": "1" * 40, "lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}}
        return entry


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn

    def do_GET(self) -> None:
        request = Request(
            method=self.command,
            path=unquote(self.path),
            range=self.headers["Range"],
            authorization=self.headers["Authorization"],
        )
        self.hub.requests.append(request)
        reply = self.hub.intercept(request) or self._honest(request)
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: self.hub.cut_after] if request.is_file else reply.body)

    def _honest(self, request: Request) -> Reply:
        url = urlsplit(request.path)
        match = _API.fullmatch(url.path) or _RESOLVE.fullmatch(url.path)
        if match is None or match["repo"] != self.hub.repository:
            return _error(401, "RepoNotFound")
        if match["revision"] != self.hub.revision:
            return _error(404, "RevisionNotFound")
        if request.is_file:
            return self._file(self.hub.files.get(match["path"]), request.range)
        listing = self.hub.listing(match["path"] or "", recursive="recursive=true" in url.query)
        return _json(listing) if listing else _error(404, "EntryNotFound")

    def _file(self, content: bytes | None, wanted: str | None) -> Reply:
        if content is None:
            return _error(404, "EntryNotFound")
        headers = {"X-Repo-Commit": self.hub.revision, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
        if not wanted or not self.hub.honours_range:
            return Reply(status=200, headers=headers, body=content)
        begin = int(wanted.removeprefix("bytes=").split("-")[0])
        headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        return Reply(status=206, headers=headers, body=content[begin:])

    def log_message(self, *_: Any) -> None:
        pass


def _error(status: int, code: str) -> Reply:
    return Reply(status=status, headers={"X-Error-Code": code, "X-Error-Message": code})


def _json(value: Any) -> Reply:
    return Reply(status=200, headers={"Content-Type": "application/json"}, body=json.dumps(value).encode())


@pytest.fixture
def no_hub_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What this machine's user told huggingface_hub, forgotten: it reads most of it when it is imported."""
    constants = pytest.importorskip("huggingface_hub.constants")
    for name in list(os.environ):
        if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "no-tokens"))


@pytest.fixture
def hub(no_hub_settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """A Hub with the challenge's dataset, still empty; downloads arrive in small chunks and pauses are skipped."""
    from huggingface_hub import close_session, constants

    from harness.data.published import REPOSITORY, REVISION

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    close_session()
    stand_in = HubStandIn(repository=REPOSITORY, revision=REVISION)
    handler = type("Handler", (_Handler,), {"hub": stand_in})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = False  # so that closing the server waits for them
        stand_in.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stand_in
        finally:
            close_session()
            server.shutdown()
            thread.join()
