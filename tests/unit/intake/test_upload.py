"""Uploads against a stand-in of the Hub: what arrives, what is sent again, what is said when it fails."""

from __future__ import annotations

import json
import shutil
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import UploadFailed, UsageError
from harness.intake.pack import Packed, pack
from harness.intake.upload import Uploaded, upload
from harness.progress import Silent

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # huggingface_hub's own
TEMPLATE = Path(__file__).parents[3] / "submissions_template"
REPOSITORY = "organisers/submissions"
CUT = 0
STEPS = {
    "the look at the repository": lambda request: request.path == f"/api/datasets/{REPOSITORY}",
    "the look at what is there": lambda request: "paths-info" in request.path,
    "the question how": lambda request: "preupload" in request.path,
    "the question where": lambda request: "objects/batch" in request.path,
    "a part": lambda request: request.method == "PUT" and request.path.endswith("/2"),
    "the end of a file": lambda request: request.method == "POST" and request.path.startswith("/lfs/"),
    "the commit": lambda request: "/commit/" in request.path,
}


@pytest.fixture
def inbox(hub: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A dataset for submissions, and a token to write to it."""
    from huggingface_hub import constants

    hub.repository, hub.revision = REPOSITORY, "main"
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the stand-in has no chunk store
    return hub


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    """A submission that takes several parts."""
    folder = shutil.copytree(TEMPLATE, tmp_path / "entry", ignore=shutil.ignore_patterns("__pycache__"))
    return pack(folder, tmp_path / "entry.zip")


def send(hub: Any, packed: Packed) -> Uploaded:
    return upload(packed, REPOSITORY, endpoint=hub.url, progress=Silent())


def failure(hub: Any, packed: Packed) -> UploadFailed:
    with pytest.raises(UploadFailed) as caught:
        send(hub, packed)
    return caught.value


def answer(status: int, code: str = "", body: bytes = b"") -> Any:
    return SimpleNamespace(status=status, headers={"X-Error-Code": code} if code else {}, body=body)


def sent_bytes(hub: Any) -> int:
    return sum(len(request.body) for request in hub.requests if request.method == "PUT")


def test_zip_manifest_and_receipt_lie_in_a_place_named_after_user_entry_and_digest(
    inbox: Any, packed: Packed
) -> None:
    uploaded = send(inbox, packed)
    place = f"submissions/your-name/template/{packed.sha256}"
    assert uploaded.folder == place
    assert uploaded.url == f"{inbox.url}/datasets/{REPOSITORY}/tree/main/{place}"
    assert set(inbox.files) == {f"{place}/{name}" for name in ("entry.zip", "wmc.toml", "receipt.json")}
    assert inbox.files[f"{place}/entry.zip"] == packed.path.read_bytes()
    assert inbox.files[f"{place}/wmc.toml"] == zipfile.ZipFile(packed.path).read("wmc.toml")
    receipt = inbox.files[f"{place}/receipt.json"].decode()
    assert json.loads(receipt)["sha256"] == packed.sha256
    assert "@" not in receipt
    assert not uploaded.was_there
    assert {request.authorization for request in inbox.requests if "/api/" in request.path} == {
        "Bearer hf_made_up"
    }


def test_the_same_bytes_again_change_nothing(inbox: Any, packed: Packed) -> None:
    send(inbox, packed)
    before = dict(inbox.files)
    inbox.requests.clear()
    assert send(inbox, packed).was_there
    assert (inbox.files, len(inbox.commits), sent_bytes(inbox)) == (before, 1, 0)


def test_another_version_of_an_entry_lies_beside_the_first(
    inbox: Any, packed: Packed, tmp_path: Path
) -> None:
    send(inbox, packed)
    (tmp_path / "entry" / "new.txt").write_text("new")
    again = pack(tmp_path / "entry", tmp_path / "again.zip")
    send(inbox, again)
    zips = {name for name in inbox.files if name.endswith(".zip")}
    assert zips == {f"submissions/your-name/template/{each.sha256}/entry.zip" for each in (packed, again)}


@pytest.mark.parametrize("trouble", [500, CUT])
@pytest.mark.parametrize("step", STEPS)
def test_an_upload_gets_over_trouble_at_any_step(inbox: Any, packed: Packed, step: str, trouble: int) -> None:
    left = [trouble] * 2

    def intercept(request: Any) -> Any:
        return answer(left.pop()) if left and STEPS[step](request) else None

    inbox.intercept = intercept
    uploaded = send(inbox, packed)
    assert not left
    assert inbox.files[f"{uploaded.folder}/entry.zip"] == packed.path.read_bytes()
    assert len(inbox.commits) == 1


def test_a_commit_whose_answer_is_lost_is_not_made_twice(inbox: Any, packed: Packed) -> None:
    def intercept(request: Any) -> Any:
        if STEPS["the commit"](request) and not inbox.commits:
            from hub_stand_in import Taking

            Taking(inbox).commit(request.body)
            return answer(CUT)
        return None

    inbox.intercept = intercept
    send(inbox, packed)
    assert len(inbox.commits) == 1


def test_a_part_that_is_cut_is_sent_again_alone(inbox: Any, packed: Packed) -> None:
    left = [CUT] * 2
    inbox.intercept = lambda request: answer(left.pop()) if left and STEPS["a part"](request) else None
    send(inbox, packed)
    sent = [request.path.rsplit("/", 1)[-1] for request in inbox.requests if request.method == "PUT"]
    assert sent == ["1", "2", "2", "2", "3"]


def test_a_zip_that_was_cut_for_good_is_sent_whole_by_the_next_command_and_the_error_says_so(
    inbox: Any, packed: Packed
) -> None:
    """That is so without the Hub's chunk store; with it what has arrived is not sent again."""
    inbox.intercept = lambda request: answer(CUT) if STEPS["a part"](request) else None
    error = failure(inbox, packed)
    assert error.code == "upload.unreachable"
    assert "sent from its beginning" in error.fix
    inbox.intercept = lambda request: None
    inbox.requests.clear()
    assert not send(inbox, packed).was_there
    assert sent_bytes(inbox) == packed.size_bytes


def test_what_has_arrived_is_not_sent_again_by_the_next_command(inbox: Any, packed: Packed) -> None:
    inbox.intercept = lambda request: answer(502) if STEPS["the commit"](request) else None
    error = failure(inbox, packed)
    assert error.code == "upload.refused"
    assert "not sent again" in error.fix
    assert sent_bytes(inbox) == packed.size_bytes, "once, over all tries"
    inbox.intercept = lambda request: None
    inbox.requests.clear()
    send(inbox, packed)
    assert sent_bytes(inbox) == 0


@pytest.mark.parametrize("what", ["another digest", "nothing"])
def test_a_hub_that_does_not_list_the_digest_gives_no_receipt(inbox: Any, packed: Packed, what: str) -> None:
    """The control: the digest is read back. Switched off, an upload that a .gitignore swallowed counts as received."""

    def intercept(request: Any) -> Any:
        if not (STEPS["the look at what is there"](request) and inbox.commits):
            return None
        name = f"submissions/your-name/template/{packed.sha256}/entry.zip"
        entry = inbox._entry(name)
        entry["lfs"]["oid"] = "0" * 64
        return answer(200, body=json.dumps([entry] if what == "another digest" else []).encode())

    inbox.intercept = intercept
    error = failure(inbox, packed)
    assert error.code == "upload.not_kept"
    assert ".gitignore" in error.fix


def test_a_zip_that_changed_after_it_was_packed_gets_no_receipt(inbox: Any, packed: Packed) -> None:
    with packed.path.open("ab") as stream:
        stream.write(b"x")
    assert failure(inbox, packed).code == "upload.not_kept"


@pytest.mark.parametrize(
    ("status", "error_code", "code", "in_fix"),
    [
        (401, "RepoNotFound", "upload.no_repository", "new-dataset"),
        (404, "RepoNotFound", "upload.no_repository", "ask its owner"),
        (401, "", "upload.bad_token", "HF_TOKEN"),
        (403, "", "upload.no_right", "ask its owner"),
        (400, "", "upload.refused", "again"),
        (500, "", "upload.refused", "again"),
    ],
)
def test_each_refusal_has_its_code_and_its_way_out(
    inbox: Any, packed: Packed, status: int, error_code: str, code: str, in_fix: str
) -> None:
    inbox.intercept = lambda request: None if "whoami" in request.path else answer(status, error_code)
    error = failure(inbox, packed)
    assert error.code == code
    assert in_fix in error.fix


def test_a_token_that_the_hub_does_not_know_is_blamed_and_not_the_name_of_the_dataset(
    inbox: Any, packed: Packed
) -> None:
    """To a stranger a private dataset is one that is not there."""
    inbox.knows_the_token = False
    inbox.intercept = lambda request: None if "whoami" in request.path else answer(401, "RepoNotFound")
    error = failure(inbox, packed)
    assert error.code == "upload.bad_token"
    assert "HF_TOKEN" in error.fix


def test_who_may_read_and_not_write_is_told_so(inbox: Any, packed: Packed) -> None:
    inbox.may_write = False
    error = failure(inbox, packed)
    assert error.code == "upload.no_right"
    assert REPOSITORY in error.message
    assert not inbox.files


def test_no_token_is_told_before_anything_is_asked(
    inbox: Any, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    error = failure(inbox, packed)
    assert error.code == "upload.no_token"
    assert "HF_TOKEN" in error.fix
    assert not inbox.requests


def test_nobody_listening_is_unreachable(inbox: Any, packed: Packed) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        inbox.url = f"http://127.0.0.1:{server.getsockname()[1]}"
    assert failure(inbox, packed).code == "upload.unreachable"


def test_a_chunk_store_out_of_reach_is_named_and_the_way_round_it(
    inbox: Any, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What hf_xet raises is an OSError of its own."""
    from huggingface_hub import constants

    pytest.importorskip("hf_xet")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    error = failure(inbox, packed)
    assert error.code == "upload.unreachable"
    assert "HF_HUB_DISABLE_XET" in error.fix
    assert not inbox.files


def test_offline_mode_is_named(inbox: Any, packed: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert failure(inbox, packed).code == "upload.offline"


@pytest.mark.parametrize("body", [b"<html>Sign in to the Wi-Fi</html>", b"[1]"])
def test_an_answer_that_no_hub_gives_is_named(inbox: Any, packed: Packed, body: bytes) -> None:
    inbox.intercept = lambda request: answer(200, body=body)
    assert failure(inbox, packed).code == "upload.not_a_hub"


@pytest.mark.parametrize("name", ["submissions", "a/b/c", "../x", "a/", "https://hub/x", "a b/c"])
def test_what_is_no_name_of_a_dataset_is_refused(packed: Packed, name: str) -> None:
    with pytest.raises(UsageError, match="no name of a dataset"):
        upload(packed, name, progress=Silent())


@pytest.mark.parametrize("private", [True, False])
def test_a_public_dataset_is_known_as_one(inbox: Any, packed: Packed, *, private: bool) -> None:
    inbox.private = private
    assert send(inbox, packed).is_public is not private


@pytest.fixture
def submit(inbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """`wmc submit --upload`, in an empty folder."""
    from huggingface_hub import constants

    from harness.cli import main

    monkeypatch.setattr(constants, "ENDPOINT", inbox.url)
    folder = shutil.copytree(TEMPLATE, tmp_path / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    return lambda: main(["submit", str(folder), "--upload", REPOSITORY])


def test_the_command_prints_the_receipt_once_the_hub_has_it(
    submit: Callable[[], int], inbox: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox.private = False
    assert submit() == 0
    said = capsys.readouterr()
    (zip_name,) = (name for name in inbox.files if name.endswith(".zip"))
    assert f"{inbox.url}/datasets/{REPOSITORY}/tree/main/{zip_name.removesuffix('/entry.zip')}" in said.out
    assert zip_name.split("/")[-2] in said.out
    assert "is public" in said.err
    assert submit() == 0
    assert "was there already" in capsys.readouterr().out


def test_the_command_prints_no_receipt_of_what_the_hub_did_not_take(
    submit: Callable[[], int], inbox: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    inbox.may_write = False
    assert submit() == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert "upload.no_right" in said.err
