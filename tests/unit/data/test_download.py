"""Downloads against a stand-in of the Hub: what is asked for, what is kept, what is said when it fails."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.data.download import pull, pull_codec, pull_lpips
from harness.data.published import LPIPS_FILES, REVISION, PublishedFile
from harness.errors import DataInvalid, DependencyMissing, DownloadFailed
from harness.progress import Advance, Silent


class Impatient(Silent):
    """Presses Ctrl-C once so many MiB of a file have arrived."""

    def __init__(self, after_mib: int) -> None:
        self.after_mib = after_mib

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Advance]:
        done = 0

        def advance(amount: int = 1, /) -> None:
            nonlocal done
            done += amount
            if done >= self.after_mib and not title.startswith("checking"):
                raise KeyboardInterrupt

        yield advance


class Watcher(Silent):
    """Remembers how far each step came of how much."""

    def __init__(self) -> None:
        self.steps: dict[str, tuple[int, int | None]] = {}

    @contextmanager
    def step(self, title: str, *, total: int | None = None) -> Iterator[Advance]:
        self.steps[title] = (0, total)

        def advance(amount: int = 1, /) -> None:
            self.steps[title] = (self.steps[title][0] + amount, total)

        yield advance


@pytest.fixture
def published(hub: Any, make_clip: Callable[..., Path]) -> Path:
    """A val split of 3,000 frames, on the Hub beside newer things; returns the original."""
    original = make_clip((2000, 1000), hold=1, name="original")
    hub.add_folder(original, "val_v1.1")
    hub.files |= {"README.md": b"card", "val_v2.0/video_0.bin": b"other", "magvit2.ckpt": b"weights"}
    return original


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def failure(hub: Any, data: Path, **options: Any) -> DownloadFailed:
    with pytest.raises(DownloadFailed) as caught:
        pull(options.pop("split", "val"), data, endpoint=hub.url, progress=Silent(), **options)
    return caught.value


def is_video(request: Any) -> bool:
    return bool(request.path.endswith("video.bin"))


def test_a_pull_gives_exactly_the_published_files_of_that_split(
    hub: Any, published: Path, tmp_path: Path
) -> None:
    clip = pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert clip.folder == tmp_path / "data" / "val_v1.1"
    assert clip.num_frames == 3000
    assert contents(tmp_path / "data") == {f"val_v1.1/{k}": v for k, v in contents(published).items()}


def test_the_pinned_revision_is_in_every_request(hub: Any, published: Path, tmp_path: Path) -> None:
    pull("val", tmp_path, endpoint=hub.url, progress=Silent())
    assert len(hub.file_requests) == len(contents(published))
    assert all(REVISION in request.path for request in hub.requests)


def test_another_revision_can_be_named(hub: Any, published: Path, tmp_path: Path) -> None:
    hub.revision = "v1.1-tag"
    pull("val", tmp_path, endpoint=hub.url, revision="v1.1-tag", progress=Silent())
    assert all("v1.1-tag" in request.path for request in hub.requests)


def test_progress_ends_where_the_file_ends(hub: Any, published: Path, tmp_path: Path) -> None:
    watcher = Watcher()
    pull("val", tmp_path, endpoint=hub.url, progress=watcher)
    assert watcher.steps["val_v1.1/video.bin (MiB)"] == (2, 2)


def test_a_second_pull_fetches_nothing_again(hub: Any, published: Path, tmp_path: Path) -> None:
    pull("val", tmp_path, endpoint=hub.url, progress=Silent())
    hub.requests.clear()
    pull("val", tmp_path, endpoint=hub.url, progress=Silent())
    assert hub.file_requests == []


def test_a_pull_interrupted_in_mid_file_is_continued_there_by_the_next(
    hub: Any, published: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull("val", tmp_path / "data", endpoint=hub.url, progress=Impatient(after_mib=1))
    (part,) = (tmp_path / "data").rglob("*.part")
    kept = part.stat().st_size
    assert 0 < kept < len(hub.files["val_v1.1/video.bin"])
    assert not (tmp_path / "data/val_v1.1/video.bin").exists()

    hub.requests.clear()
    watcher = Watcher()
    pull("val", tmp_path / "data", endpoint=hub.url, progress=watcher)
    assert [request.range for request in hub.file_requests if is_video(request)] == [f"bytes={kept}-"]
    assert contents(tmp_path / "data/val_v1.1") == contents(published)
    assert watcher.steps["val_v1.1/video.bin (MiB)"] == (2, 2)


def test_connections_that_break_all_the_time_still_deliver(hub: Any, published: Path, tmp_path: Path) -> None:
    hub.cut_after = 1_000_000
    watcher = Watcher()
    pull("val", tmp_path / "data", endpoint=hub.url, progress=watcher)
    assert sum(is_video(request) for request in hub.requests) > 2
    assert contents(tmp_path / "data/val_v1.1") == contents(published)
    assert watcher.steps["val_v1.1/video.bin (MiB)"] == (2, 2)


def test_a_server_that_ignores_ranges_starts_over(hub: Any, published: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull("val", tmp_path / "data", endpoint=hub.url, progress=Impatient(after_mib=1))
    hub.honours_range = False
    pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert contents(tmp_path / "data/val_v1.1") == contents(published)


def test_a_partial_file_longer_than_the_whole_is_dropped(hub: Any, published: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull("val", tmp_path / "data", endpoint=hub.url, progress=Impatient(after_mib=1))
    (part,) = (tmp_path / "data").rglob("*.part")
    part.write_bytes(bytes(len(hub.files["val_v1.1/video.bin"]) + 1))
    pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert contents(tmp_path / "data/val_v1.1") == contents(published)


def test_a_complete_partial_file_needs_no_request(hub: Any, published: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull("val", tmp_path / "data", endpoint=hub.url, progress=Impatient(after_mib=1))
    (part,) = (tmp_path / "data").rglob("*.part")
    part.write_bytes(hub.files["val_v1.1/video.bin"])
    hub.requests.clear()
    pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert not any(is_video(request) for request in hub.requests)
    assert contents(tmp_path / "data/val_v1.1") == contents(published)


def test_a_damaged_partial_file_is_found_out_and_the_next_pull_is_clean(
    hub: Any, published: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull("val", tmp_path / "data", endpoint=hub.url, progress=Impatient(after_mib=1))
    (part,) = (tmp_path / "data").rglob("*.part")
    part.write_bytes(b"\xff" + part.read_bytes()[1:])
    assert failure(hub, tmp_path / "data").code == "download.corrupted"
    assert not list((tmp_path / "data").rglob("video.bin*"))
    pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert contents(tmp_path / "data/val_v1.1") == contents(published)


@pytest.mark.parametrize("name", ["video.bin", "metadata.json"], ids=["by sha256", "by git's sha1"])
def test_a_file_damaged_on_disk_is_fetched_again(
    hub: Any, published: Path, tmp_path: Path, name: str
) -> None:
    pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    path = tmp_path / "data/val_v1.1" / name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    hub.requests.clear()
    pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert [Path(request.path).name for request in hub.file_requests] == [name]
    assert contents(tmp_path / "data/val_v1.1") == contents(published)


def test_a_hub_that_serves_other_bytes_than_it_lists_is_not_believed(
    hub: Any, published: Path, tmp_path: Path
) -> None:
    reply = type(hub)._entry  # the listing stays honest
    honest = {name: reply(hub, name) for name in hub.files}
    hub._entry = lambda name: honest[name]
    hub.files["val_v1.1/video.bin"] = bytes(len(hub.files["val_v1.1/video.bin"]))
    assert failure(hub, tmp_path / "data").code == "download.corrupted"
    assert not list((tmp_path / "data").rglob("video.bin*"))


@pytest.mark.parametrize("what", ["tree", "resolve"])
def test_a_hub_that_is_briefly_unavailable_is_asked_again(
    hub: Any, published: Path, tmp_path: Path, reply: Callable[..., Any], what: str
) -> None:
    troubles = [503, 502]
    hub.intercept = lambda request: (
        reply(troubles.pop()) if troubles and f"/{what}/" in request.path else None
    )
    pull("val", tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert not troubles
    assert contents(tmp_path / "data/val_v1.1") == contents(published)


@pytest.fixture
def reply() -> Callable[..., Any]:
    """Makes a dishonest reply."""
    from types import SimpleNamespace

    def make(status: int, code: str = "", body: bytes = b"") -> Any:
        return SimpleNamespace(status=status, headers={"X-Error-Code": code} if code else {}, body=body)

    return make


@pytest.mark.parametrize(
    ("status", "error_code", "code", "in_fix"),
    [
        (403, "GatedRepo", "download.gated", "HF_TOKEN"),
        (401, "RepoNotFound", "download.no_repository", "HF_TOKEN"),
        (401, "", "download.refused", "HF_TOKEN"),
        (404, "RepoNotFound", "download.no_repository", "HF_TOKEN"),
        (403, "", "download.refused", "HF_TOKEN"),
        (429, "", "download.rate_limited", "continues"),
        (500, "", "download.hub_down", "HF_ENDPOINT"),
        (503, "", "download.hub_down", "continues"),
        (404, "", "download.not_a_hub", "HF_ENDPOINT"),
        (400, "", "download.not_a_hub", "HF_ENDPOINT"),
    ],
)
def test_each_refusal_of_the_hub_has_its_code_and_its_way_out(
    hub: Any,
    tmp_path: Path,
    reply: Callable[..., Any],
    status: int,
    error_code: str,
    code: str,
    in_fix: str,
) -> None:
    hub.intercept = lambda request: reply(status, error_code)
    error = failure(hub, tmp_path)
    assert error.code == code
    assert in_fix in error.fix
    assert str(status) in error.message or code == "download.not_a_hub"


@pytest.mark.parametrize("body", [b"<html>Sign in to the Wi-Fi</html>", b'{"a": 1}', b'[{"type": "file"}]'])
def test_an_answer_that_no_hub_gives_is_named(
    hub: Any, tmp_path: Path, reply: Callable[..., Any], body: bytes
) -> None:
    hub.intercept = lambda request: reply(200, body=body)
    assert failure(hub, tmp_path).code == "download.not_a_hub"


def test_an_unknown_revision_is_named(hub: Any, published: Path, tmp_path: Path) -> None:
    error = failure(hub, tmp_path, revision="deadbeef")
    assert error.code == "download.no_revision"
    assert "deadbeef" in error.message
    assert "--revision" in error.fix


def test_a_revision_without_the_split_says_what_it_holds(hub: Any, tmp_path: Path) -> None:
    hub.files = {"README.md": b"card", "val_v2.0/video_0.bin": b"other"}
    error = failure(hub, tmp_path)
    assert error.code == "download.no_split"
    assert f"revision {REVISION}" in error.message
    assert "holds no val_v1.1; it holds README.md, val_v2.0" in error.message
    assert "--revision" in error.fix
    assert not list(tmp_path.iterdir())


def test_a_split_nobody_published_is_no_split(hub: Any, published: Path, tmp_path: Path) -> None:
    assert failure(hub, tmp_path, split="test").code == "download.no_split"


@pytest.mark.parametrize(
    "path", ["../evil.bin", "val_v1.1/../../evil.bin", "/evil.bin", "val_v2.0/evil.bin", ""]
)
def test_a_listed_name_outside_the_split_is_refused_before_anything_is_written(
    hub: Any, published: Path, tmp_path: Path, reply: Callable[..., Any], path: str
) -> None:
    import json

    listing = json.dumps([{"type": "file", "oid": "0" * 40, "size": 1, "path": path}]).encode()
    hub.intercept = lambda request: None if request.is_file else reply(200, body=listing)
    assert failure(hub, tmp_path / "data").code == "download.unsafe_path"
    assert hub.file_requests == []
    assert not (tmp_path / "data").exists()


def test_nobody_listening_is_unreachable(hub: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    hub.url = f"http://127.0.0.1:{port}"
    error = failure(hub, tmp_path)
    assert error.code == "download.unreachable"
    assert "HF_ENDPOINT" in error.fix


class Words(logging.Handler):
    """Keeps what a library logs."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What huggingface_hub says of its tries."""
    words, logger = Words(), logging.getLogger("huggingface_hub")
    logger.addHandler(words)
    yield words.said
    logger.removeHandler(words)


@pytest.mark.parametrize(("level", "speaks"), [(logging.WARNING, False), (logging.INFO, True)])
def test_the_hubs_library_tells_of_its_tries_only_those_who_asked(
    hub: Any, tmp_path: Path, logged: list[str], level: int, *, speaks: bool
) -> None:
    logger = logging.getLogger("huggingface_hub")
    usual = logger.level
    logger.setLevel(level)
    hub.url = "http://127.0.0.1:1"
    try:
        assert failure(hub, tmp_path).code == "download.unreachable"
        assert logger.level == level
    finally:
        logger.setLevel(usual)
    assert bool(logged) is speaks


def test_an_endpoint_without_a_scheme_is_unreachable(hub: Any, tmp_path: Path) -> None:
    hub.url = "hub.example"
    assert failure(hub, tmp_path).code == "download.unreachable"


def test_a_hub_that_goes_away_in_mid_file_leaves_what_arrived(
    hub: Any, published: Path, tmp_path: Path, reply: Callable[..., Any]
) -> None:
    hub.cut_after = 1_000_000
    hub.intercept = lambda request: reply(503) if is_video(request) and request.range else None
    assert failure(hub, tmp_path / "data").code == "download.hub_down"
    (part,) = (tmp_path / "data").rglob("*.part")
    assert 900_000 < part.stat().st_size <= 1_000_000


def test_offline_mode_is_named(hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert failure(hub, tmp_path).code == "download.offline"
    assert hub.requests == []


def test_too_small_a_disk_is_told_before_the_download(
    hub: Any, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil
    from types import SimpleNamespace

    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10))
    error = failure(hub, tmp_path)
    assert error.code == "download.disk_full"
    assert "10" in error.message
    assert hub.file_requests == []


def test_a_disk_that_fills_up_on_the_way_is_told(
    hub: Any, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    assert failure(hub, tmp_path).code == "download.disk_full"


def test_a_folder_that_cannot_be_made_is_told(hub: Any, published: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file is in the way")
    error = failure(hub, tmp_path / "data")
    assert error.code == "download.cannot_write"
    assert "-o" in error.fix


def test_two_pulls_do_not_write_the_same_file_at_once(hub: Any, published: Path, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull("val", tmp_path, endpoint=hub.url, progress=Impatient(after_mib=1))
    (part,) = tmp_path.rglob("*.part")
    before = part.read_bytes()
    with part.open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert failure(hub, tmp_path).code == "download.in_progress"
    assert part.read_bytes() == before


def test_published_data_that_is_no_clip_is_refused(hub: Any, published: Path, tmp_path: Path) -> None:
    hub.files["val_v1.1/segment_ids.bin"] = b"1234"
    with pytest.raises(DataInvalid, match=r"segment_ids\.bin"):
        pull("val", tmp_path, endpoint=hub.url, progress=Silent())


def test_no_token_is_sent_that_nobody_gave(hub: Any, published: Path, tmp_path: Path) -> None:
    pull("val", tmp_path, endpoint=hub.url, progress=Silent())
    assert {request.authorization for request in hub.requests} == {None}


def test_the_users_token_is_sent(
    hub: Any, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    pull("val", tmp_path, endpoint=hub.url, progress=Silent())
    assert {request.authorization for request in hub.requests} == {"Bearer hf_made_up"}


def test_a_missing_library_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DependencyMissing) as caught:
        pull("val", tmp_path, progress=Silent())
    assert ".venv/bin/pip install -c constraints.txt -e '.[hub]'" in caught.value.fix


def test_the_command_pulls_from_the_endpoint_of_the_environment(
    hub: Any, published: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "data", "pull", "--split", "val", "-o", str(tmp_path / "data")],
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "data/val_v1.1") in done.stdout
    assert "3,000 frames" in done.stdout
    assert "val_v1.1/video.bin" in done.stderr
    assert contents(tmp_path / "data/val_v1.1") == contents(published)


def test_the_codec_is_pulled_alone_from_the_pinned_revision(
    hub: Any, published: Path, tmp_path: Path
) -> None:
    path = pull_codec(tmp_path / "data", endpoint=hub.url, progress=Silent())
    assert path == tmp_path / "data" / "magvit2.ckpt"
    assert contents(tmp_path / "data") == {"magvit2.ckpt": b"weights"}
    assert all(REVISION in request.path for request in hub.requests)


def test_a_codec_that_is_there_is_not_fetched_again(hub: Any, published: Path, tmp_path: Path) -> None:
    pull_codec(tmp_path, endpoint=hub.url, progress=Silent())
    hub.requests.clear()
    pull_codec(tmp_path, endpoint=hub.url, progress=Silent())
    assert hub.file_requests == []


def test_a_codec_with_other_bytes_than_the_hub_lists_is_not_believed(
    hub: Any, published: Path, tmp_path: Path
) -> None:
    hub.intercept = lambda request: None
    honest = {name: hub._entry(name) for name in hub.files}
    hub._entry = lambda name: honest[name]
    hub.files["magvit2.ckpt"] = b"WEIGHTS"
    with pytest.raises(DownloadFailed) as caught:
        pull_codec(tmp_path, endpoint=hub.url, progress=Silent())
    assert caught.value.code == "download.corrupted"
    assert not (tmp_path / "magvit2.ckpt").exists()


def test_a_revision_without_the_codec_is_named(hub: Any, tmp_path: Path) -> None:
    hub.files = {"README.md": b"card"}
    with pytest.raises(DownloadFailed) as caught:
        pull_codec(tmp_path, endpoint=hub.url, progress=Silent())
    assert caught.value.code == "download.no_file"
    assert REVISION in caught.value.message


@pytest.fixture
def weights(hub: Any) -> tuple[PublishedFile, ...]:
    """Two files at addresses of their own, as the weights of LPIPS are."""
    hub.files |= {"models/a.pth": b"backbone" * 1000, "heads/b.pth": b"heads"}
    return tuple(
        PublishedFile(
            name=name,
            url=f"{hub.url}/datasets/{hub.repository}/resolve/{hub.revision}/{path}",
            size=len(hub.files[path]),
            sha256=hashlib.sha256(hub.files[path]).hexdigest(),
        )
        for name, path in (("backbone.pth", "models/a.pth"), ("heads.pth", "heads/b.pth"))
    )


def test_lpips_weights_come_under_their_own_names_into_one_folder(
    hub: Any, weights: Any, tmp_path: Path
) -> None:
    paths = pull_lpips(tmp_path / "lpips", files=weights, progress=Silent())
    assert paths == [tmp_path / "lpips" / "backbone.pth", tmp_path / "lpips" / "heads.pth"]
    assert contents(tmp_path / "lpips") == {"backbone.pth": b"backbone" * 1000, "heads.pth": b"heads"}
    hub.requests.clear()
    pull_lpips(tmp_path / "lpips", files=weights, progress=Silent())
    assert hub.requests == []


def test_lpips_weights_of_another_digest_are_deleted(hub: Any, weights: Any, tmp_path: Path) -> None:
    hub.files["heads/b.pth"] = b"HEADS"
    with pytest.raises(DownloadFailed) as caught:
        pull_lpips(tmp_path, files=weights, progress=Silent())
    assert caught.value.code == "download.corrupted"
    assert contents(tmp_path) == {"backbone.pth": b"backbone" * 1000}


def test_the_hubs_token_is_not_sent_elsewhere(
    hub: Any, weights: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    pull_lpips(tmp_path, files=weights, progress=Silent())
    assert {request.authorization for request in hub.requests} == {None}


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_refuses_lpips_weights_is_named_and_the_way_round_it(
    hub: Any, weights: Any, tmp_path: Path, reply: Callable[..., Any], status: int
) -> None:
    hub.intercept = lambda request: reply(status)
    with pytest.raises(DownloadFailed) as caught:
        pull_lpips(tmp_path, files=weights, progress=Silent())
    assert caught.value.code == "download.refused"
    assert weights[0].url in caught.value.message
    assert str(status) in caught.value.message
    assert str(tmp_path / "backbone.pth") in caught.value.fix
    assert "HF_" not in caught.value.fix


def test_a_server_of_lpips_weights_that_is_not_there_is_named(hub: Any, weights: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    gone = PublishedFile(name="a", url=f"http://127.0.0.1:{port}/a.pth", size=1, sha256="0" * 64)
    with pytest.raises(DownloadFailed) as caught:
        pull_lpips(tmp_path, files=[gone], progress=Silent())
    assert caught.value.code == "download.unreachable"
    assert str(tmp_path / "a") in caught.value.fix
    assert list(tmp_path.iterdir()) == [], "nothing arrived, nothing is left"


def test_a_folder_for_lpips_weights_that_cannot_be_made_is_told(
    hub: Any, weights: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadFailed) as caught:
        pull_lpips(tmp_path / "file", files=weights, progress=Silent())
    assert caught.value.code == "download.cannot_write"


def test_torchvisions_own_file_name_agrees_with_our_digest() -> None:
    """torchvision puts the beginning of the sha256 into the name."""
    backbone, heads = LPIPS_FILES
    assert backbone.name == "alexnet-owt-7be5be79.pth" == Path(backbone.url).name
    assert backbone.sha256.startswith("7be5be79")
    assert heads.name == "lpips-alex-v0.1.pth"
    assert all(file.url.startswith("https://") for file in LPIPS_FILES)


def test_the_command_pulls_the_codec(hub: Any, published: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "data", "pull", "--codec", "-o", str(tmp_path / "data")],
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'data/magvit2.ckpt'} is ready" in done.stdout


def test_one_pull_fetches_one_thing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "data", "pull", "--codec", "--lpips"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "not allowed with" in done.stderr
