"""An inbox against a stand-in of the Hub: each submission once, checked, and no bad one stops the others."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import DownloadFailed, IntakeFailed, OutputFailed, UsageError
from harness.intake.archive import open_archive
from harness.intake.inbox import Inbox, fetch_submissions
from harness.intake.pack import pack
from harness.progress import Silent

TEMPLATE = Path(__file__).parents[3] / "submissions_template"
REPOSITORY = "organisers/submissions"


def answer(status: int, body: bytes = b"", code: str = "") -> Any:
    return SimpleNamespace(status=status, headers={"X-Error-Code": code} if code else {}, body=body)


@pytest.fixture
def dataset(hub: Any) -> Any:
    """A dataset of submissions, still empty."""
    hub.repository, hub.revision = REPOSITORY, "main"
    return hub


@pytest.fixture
def submission(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """The bytes of an entry of this name."""
    work = tmp_path_factory.mktemp("packing")

    def make(entry: str = "template", *, user: str = "your-name") -> bytes:
        folder = shutil.copytree(
            TEMPLATE, work / "entry", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
        )
        toml = (TEMPLATE / "wmc.toml").read_text().replace('"template"', f'"{entry}"')
        (folder / "wmc.toml").write_text(toml.replace('"your-name"', f'"{user}"'))
        return pack(folder, work / "entry.zip").path.read_bytes()

    return make


def put(
    hub: Any,
    content: bytes,
    entry: str = "template",
    *,
    user: str = "your-name",
    digest: str | None = None,
    zip_name: str = "entry.zip",
) -> str:
    """Lays these bytes where `wmc submit --upload` does; returns the digest in the name."""
    digest = digest or hashlib.sha256(content).hexdigest()
    place = f"submissions/{user}/{entry}/{digest}"
    hub.files |= {f"{place}/{zip_name}": content, f"{place}/wmc.toml": b"", f"{place}/receipt.json": b"{}"}
    return digest


def fetch(hub: Any, folder: Path) -> Inbox:
    return fetch_submissions(REPOSITORY, folder, endpoint=hub.url, progress=Silent())


def zips(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".zip"}


def test_each_submission_lies_in_the_folder_under_its_name_and_digest(
    dataset: Any, submission: Any, tmp_path: Path
) -> None:
    contents = {
        f"your-name-{entry}.{put(dataset, submission(entry), entry)}.zip": submission(entry)
        for entry in ("one", "two")
    }
    inbox = fetch(dataset, tmp_path / "inbox")
    assert zips(tmp_path / "inbox") == contents
    assert {path.name for path in (tmp_path / "inbox").iterdir()} == set(contents), "and nothing else"
    assert [(received.slug, received.is_new) for received in inbox.received] == [("one", True), ("two", True)]
    assert inbox.refused == ()


def test_what_is_there_is_neither_fetched_again_nor_written_over(
    dataset: Any, submission: Any, tmp_path: Path
) -> None:
    put(dataset, submission())
    (received,) = fetch(dataset, tmp_path).received
    (tmp_path / received.file).write_bytes(b"the organiser's own")
    dataset.requests.clear()
    put(dataset, submission("new"), "new")
    inbox = fetch(dataset, tmp_path)
    assert {(received.slug, received.is_new) for received in inbox.received} == {
        ("template", False),
        ("new", True),
    }
    assert len(dataset.file_requests) == 1
    assert (tmp_path / received.file).read_bytes() == b"the organiser's own"


def test_a_dataset_without_submissions_is_an_empty_inbox(dataset: Any, tmp_path: Path) -> None:
    dataset.files = {"README.md": b"card"}
    assert fetch(dataset, tmp_path / "inbox") == Inbox(received=(), refused=())


@pytest.mark.parametrize("listed", [True, False])
def test_bytes_with_another_digest_than_their_name_says_are_refused(
    dataset: Any, submission: Any, tmp_path: Path, *, listed: bool
) -> None:
    """The control: a digest is held against the place's name; without it one entry passes for another's receipt."""
    put(dataset, submission("false"), "false", digest="0" * 64)
    if not listed:  # as the Hub lists what git itself keeps: without a sha256
        honest = dataset._entry
        blob = b"blob %d\0" % len(submission("false")) + submission("false")
        git_sha1 = hashlib.sha1(blob).hexdigest()
        dataset._entry = lambda name: {
            **{key: value for key, value in honest(name).items() if key != "lfs"},
            "oid": git_sha1,
        }
    inbox = fetch(dataset, tmp_path / "inbox")
    assert [refused.code for refused in inbox.refused] == ["archive.misplaced"]
    assert hashlib.sha256(submission("false")).hexdigest() in inbox.refused[0].message
    assert zips(tmp_path / "inbox") == {}
    assert bool(dataset.file_requests) is not listed, "what is listed as another's need not be fetched"


@pytest.mark.parametrize("claimed", [{"user": "ada"}, {"entry": "better"}])
def test_an_entry_in_anothers_place_is_refused(
    dataset: Any, submission: Any, tmp_path: Path, claimed: dict[str, str]
) -> None:
    """The control: the manifest is held against the place's name; without it mallory uploads in ada's name."""
    put(dataset, submission(), **claimed)
    inbox = fetch(dataset, tmp_path)
    assert [refused.code for refused in inbox.refused] == ["archive.misplaced"]
    assert "wmc.toml is of your-name/template" in inbox.refused[0].message
    assert zips(tmp_path) == {}


def test_a_bad_zip_is_reported_once_and_the_others_are_fetched(
    dataset: Any, submission: Any, tmp_path: Path
) -> None:
    put(dataset, b"no zip at all", "a-bad-one")
    put(dataset, submission("good"), "good")
    first, second = fetch(dataset, tmp_path), fetch(dataset, tmp_path)
    assert [received.slug for received in first.received] == ["good"]
    assert [(refused.code, refused.is_new) for refused in first.refused] == [("archive.not_a_zip", True)]
    assert [(refused.code, refused.is_new) for refused in second.refused] == [("archive.not_a_zip", False)]
    assert len(dataset.file_requests) == 2, "what was refused is not fetched again"


def test_what_is_larger_than_a_submission_may_be_is_not_fetched(
    dataset: Any, submission: Any, tmp_path: Path
) -> None:
    """The control: the listed size is held against the limit; without it a stranger fills the organiser's disk."""
    put(dataset, b"too large", "big")
    put(dataset, submission("good"), "good")
    honest = dataset._entry
    dataset._entry = lambda name: honest(name) | ({"size": 300 << 30} if "/big/" in name else {})
    first, second = fetch(dataset, tmp_path), fetch(dataset, tmp_path)
    assert [(refused.code, refused.is_new) for refused in first.refused] == [("archive.zip_too_large", True)]
    assert [(refused.code, refused.is_new) for refused in second.refused] == [
        ("archive.zip_too_large", False)
    ]
    assert [received.slug for received in first.received] == ["good"]
    assert not [request for request in dataset.file_requests if "/big/" in request.path]


def opening(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """From now on the zip that lies in a place called `bad` ends its opening so."""

    def opened(zip_path: Path, into: Path, **how: Any) -> Any:
        if zip_path.read_bytes() == b"bad":
            raise error
        return open_archive(zip_path, into, **how)

    monkeypatch.setattr("harness.intake.inbox.open_archive", opened)


def test_a_zip_that_ends_the_command_ends_it_once_and_is_told_of_until_somebody_looks(
    dataset: Any, submission: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the note is written before a zip is opened; without it no later submission is ever reached."""
    put(dataset, b"bad", "a-bad-one")
    put(dataset, submission("good"), "good")
    opening(monkeypatch, SystemExit(143))
    with pytest.raises(SystemExit):
        fetch(dataset, tmp_path)
    for _ in range(2):
        inbox = fetch(dataset, tmp_path)
        assert [received.slug for received in inbox.received] == ["good"]
        assert [(refused.code, refused.is_new) for refused in inbox.refused] == [("intake.unfinished", True)]
    (note,) = tmp_path.glob("*.refused.json")
    assert str(note) in inbox.refused[0].fix
    note.unlink()
    opening(monkeypatch, DownloadFailed("what is wrong with it", code="download.hub_down", fix="wait"))
    assert [refused.comes_again for refused in fetch(dataset, tmp_path).refused] == [True], (
        "it is tried again"
    )


def test_a_zip_for_which_memory_runs_out_stops_no_other(
    dataset: Any, submission: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(dataset, b"bad", "a-bad-one")
    put(dataset, submission("good"), "good")
    opening(monkeypatch, MemoryError())
    inbox = fetch(dataset, tmp_path)
    assert [received.slug for received in inbox.received] == ["good"]
    assert [refused.code for refused in inbox.refused] == ["intake.unfinished"]


@pytest.mark.parametrize(
    "error", [IntakeFailed("the disk is full", fix="make room"), OSError("the disk is full")]
)
def test_what_this_machine_could_not_open_is_not_noted(
    dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    put(dataset, b"bad")
    opening(monkeypatch, error)
    if isinstance(error, OSError):
        with pytest.raises(OutputFailed):
            fetch(dataset, tmp_path)
    else:
        assert [refused.comes_again for refused in fetch(dataset, tmp_path).refused] == [True]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "place",
    [
        "submissions/entry.zip",
        "submissions/a/b/c/entry.zip",
        f"submissions/../../{'0' * 64}/entry.zip",
        f"submissions/a/../{'0' * 64}/entry.zip",
        f"submissions/a b/c/{'0' * 64}/entry.zip",
        f"submissions/a/\x1b[2Jc/{'0' * 64}/entry.zip",
        f"submissions/a/.hidden/{'0' * 64}/entry.zip",
        f"submissions/{'a' * 33}/b/{'0' * 64}/entry.zip",
        "/etc/entry.zip",
    ],
)
def test_a_place_that_no_upload_makes_is_refused_and_nothing_written(
    dataset: Any, tmp_path: Path, place: str
) -> None:
    listing = json.dumps([{"type": "file", "oid": "0" * 40, "size": 1, "path": place}]).encode()
    dataset.intercept = lambda request: None if request.is_file else answer(200, listing)
    inbox = fetch(dataset, tmp_path / "in" / "box")
    assert [refused.code for refused in inbox.refused] == ["archive.misplaced"]
    assert "\x1b" not in inbox.refused[0].place
    assert dataset.file_requests == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_trouble_with_one_stops_no_other_and_passes(dataset: Any, submission: Any, tmp_path: Path) -> None:
    put(dataset, submission("one"), "one")
    put(dataset, submission("two"), "two")
    dataset.intercept = lambda request: answer(500) if request.is_file and "/one/" in request.path else None
    inbox = fetch(dataset, tmp_path)
    assert [received.slug for received in inbox.received] == ["two"]
    assert [(refused.code, refused.comes_again) for refused in inbox.refused] == [("download.hub_down", True)]
    dataset.intercept = lambda request: None
    assert {received.slug for received in fetch(dataset, tmp_path).received} == {"one", "two"}


def test_cut_connections_are_gone_on_with(
    dataset: Any, submission: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    content = submission()
    digest = put(dataset, content)
    dataset.cut_after = 3000
    fetch(dataset, tmp_path)
    assert zips(tmp_path) == {f"your-name-template.{digest}.zip": content}
    assert {request.range for request in dataset.file_requests} > {None, "bytes=3000-"}


def test_bytes_that_are_not_those_listed_are_not_believed(
    dataset: Any, submission: Any, tmp_path: Path
) -> None:
    content = submission()
    put(dataset, content)
    dataset.intercept = lambda request: answer(200, content[:-1] + b"x") if request.is_file else None
    inbox = fetch(dataset, tmp_path)
    assert [(refused.code, refused.comes_again) for refused in inbox.refused] == [
        ("download.corrupted", True)
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_that_is_not_there_is_an_error(dataset: Any, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed) as caught:
        fetch_submissions("no/such", tmp_path, endpoint=dataset.url, progress=Silent())
    assert caught.value.code == "download.no_repository"


def test_what_is_no_name_of_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name of a dataset"):
        fetch_submissions("submissions", tmp_path, progress=Silent())


def test_a_folder_that_cannot_be_made_is_told(dataset: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputFailed):
        fetch(dataset, tmp_path / "file")


def test_the_command_says_what_is_new_and_whether_somebody_must_act(
    dataset: Any,
    submission: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from huggingface_hub import constants

    from harness.cli import main

    monkeypatch.setattr(constants, "ENDPOINT", dataset.url)
    template = f"{dataset.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    command = ["inbox", REPOSITORY, "-o", str(tmp_path / "inbox")]
    digest = put(dataset, submission())
    assert main(command) == 0
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'inbox'}/your-name-template.{digest}.zip\n"
    assert "1 new, 0 here already, 0 not taken" in said.err

    put(dataset, b"no zip", "bad")
    assert main(command) == 1
    assert "archive.not_a_zip" in capsys.readouterr().err
    assert main([*command, "--json"]) == 0, "nobody must act twice"
    shown = json.loads(capsys.readouterr().out)
    assert [received["sha256"] for received in shown["received"]] == [digest]
    assert [refused["is_new"] for refused in shown["refused"]] == [False]

    put(dataset, submission("late"), "late")
    dataset.intercept = lambda request: answer(503) if request.is_file else None
    assert main(command) == 3

    dataset.intercept = lambda request: None
    opening(monkeypatch, MemoryError())
    put(dataset, b"bad", "worse")
    assert [main(command), main(command)] == [3, 3], "until somebody looks at it"
    assert "intake.unfinished" in capsys.readouterr().err
