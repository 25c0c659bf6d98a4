"""A stand-in of the Hub on loopback: what huggingface_hub asks of it for downloads, and for uploads without hf_xet."""

from __future__ import annotations

import base64
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
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

_INFO = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)")
_PATHS = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)/paths-info/main")
_PREUPLOAD = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)/preupload/main")
_COMMIT = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)/commit/main")
_BATCH = re.compile(r"/datasets/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
_PART = re.compile(r"/lfs/(?P<oid>[0-9a-f]{64})/(?P<part>\d+)")
_COMPLETE = re.compile(r"/lfs/(?P<oid>[0-9a-f]{64})")
_API = re.compile(r"/api/datasets/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)(?:/(?P<path>.+))?")
_RESOLVE = re.compile(r"/datasets/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    body: bytes = b""

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
    private: bool = True
    may_write: bool = True
    knows_the_token: bool = True
    part_bytes: int = 1 << 12
    """Large files are taken in parts of so many bytes."""
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """What large files hold, by their sha256: kept whether a commit names them or not, as the Hub does."""
    commits: list[str] = field(default_factory=list)
    """Their summaries."""

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
        if name.endswith((".bin", ".zip")):
            sha256 = hashlib.sha256(content).hexdigest()
            entry |= {"oid": "1" * 40, "lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}}
        return entry


CUT = 0
"""As the status of a reply: the connection is closed without one."""


@dataclass(frozen=True)
class Taking:
    """How the Hub takes files in."""

    hub: HubStandIn

    def info(self, _body: bytes) -> Reply:
        return _json({"id": self.hub.repository, "private": self.hub.private, "sha": "1" * 40})

    def paths(self, body: bytes) -> Reply:
        names = parse_qs(body.decode())["paths"]
        return _json([self.hub._entry(name) for name in names if name in self.hub.files])

    def preupload(self, body: bytes) -> Reply:
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".zip") else "regular",
                "shouldIgnore": False,
                "oid": self._oid(file["path"]),
            }
            for file in json.loads(body)["files"]
        ]
        return _json({"files": files})

    def _oid(self, name: str) -> str | None:
        if name not in self.hub.files:
            return None
        entry = self.hub._entry(name)
        return str(entry["lfs"]["oid"] if "lfs" in entry else entry["oid"])

    def batch(self, body: bytes) -> Reply:
        objects = []
        for wanted in json.loads(body)["objects"]:
            if wanted["oid"] not in self.hub.stored:
                count = -(-wanted["size"] // self.hub.part_bytes)
                where = f"{self.hub.url}/lfs/{wanted['oid']}"
                header = {str(part): f"{where}/{part}" for part in range(1, count + 1)}
                header["chunk_size"] = str(self.hub.part_bytes)
                wanted["actions"] = {"upload": {"href": where, "header": header}}
            objects.append(wanted)
        return _json({"transfer": "multipart", "objects": objects})

    def part(self, oid: str, number: int, body: bytes) -> Reply:
        self.hub.parts.setdefault(oid, {})[number] = body
        return Reply(status=200, headers={"ETag": f"{number}"})

    def complete(self, oid: str) -> Reply:
        parts = self.hub.parts.pop(oid)
        content = b"".join(parts[number] for number in sorted(parts))
        if hashlib.sha256(content).hexdigest() != oid:
            return _error(400, "")
        self.hub.stored[oid] = content
        return _json({"success": True})

    def commit(self, body: bytes) -> Reply:
        header, *changes = [json.loads(line) for line in body.splitlines()]
        for change in changes:
            value = change["value"]
            content = (
                self.hub.stored[value["oid"]]
                if change["key"] == "lfsFile"
                else base64.b64decode(value["content"])
            )
            self.hub.files[value["path"]] = content
        self.hub.commits.append(header["value"]["summary"])
        return _json(
            {
                "commitUrl": f"{self.hub.url}/datasets/{self.hub.repository}/commit/{'2' * 40}",
                "commitOid": "2" * 40,
                "pullRequestUrl": None,
            }
        )


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn

    def do_GET(self) -> None:
        request = Request(
            method=self.command,
            path=unquote(self.path),
            range=self.headers["Range"],
            authorization=self.headers["Authorization"],
            body=self._body(),
        )
        self.hub.requests.append(request)
        reply = self.hub.intercept(request) or self._honest(request)
        if reply.status == CUT:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body[: self.hub.cut_after] if request.is_file else reply.body)

    do_POST = do_PUT = do_GET

    def _body(self) -> bytes:
        if self.headers["Transfer-Encoding"] != "chunked":
            return self.rfile.read(int(self.headers["Content-Length"] or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _taken(self, path: str, body: bytes) -> Reply | None:
        """The answer to whoever brings something, or asks who they are; None to others."""
        taking = Taking(self.hub)
        if path == "/api/whoami-v2":
            return _json({"name": "ada"}) if self.hub.knows_the_token else _error(401, "")
        if part := _PART.fullmatch(path):
            return taking.part(part["oid"], int(part["part"]), body)
        if whole := _COMPLETE.fullmatch(path):
            return taking.complete(whole["oid"])
        answers = {
            _INFO: taking.info,
            _PATHS: taking.paths,
            _PREUPLOAD: taking.preupload,
            _BATCH: taking.batch,
            _COMMIT: taking.commit,
        }
        for pattern, answer in answers.items():
            if (match := pattern.fullmatch(path)) and match["repo"] == self.hub.repository:
                refused = not self.hub.may_write and pattern in (_PREUPLOAD, _BATCH, _COMMIT)
                return _error(403, "") if refused else answer(body)
        return None

    def _honest(self, request: Request) -> Reply:
        url = urlsplit(request.path)
        if taken := self._taken(url.path, request.body):
            return taken
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
