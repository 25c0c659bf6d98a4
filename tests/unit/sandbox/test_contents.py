"""A built entry's files reach the host; what lies outside it does not."""

import io
import os
import socket
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import SandboxFailed
from harness.sandbox import contents, tree
from harness.sandbox.contract import BuiltEntry
from harness.sandbox.policy import SandboxPolicy
from harness.sandbox.process import ProcessSandbox

CAPS = {"max_bytes": 1 << 30, "max_files": 100}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "entry"
    (root / "a").mkdir(parents=True)
    (root / "a" / "large").write_bytes(os.urandom(2_500_000))
    (root / "b").write_bytes(b"bee")
    (root / "empty").touch()
    return root


def read(files):
    return {file.path: b"".join(file.chunks) for file in files}


def sent(root: Path) -> bytes:
    """What `tree.send` says about a folder."""
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{place}/s")
        listener.listen(1)
        thread = threading.Thread(target=tree.send, args=(str(root), f"{place}/s"), kwargs=CAPS)
        thread.start()
        caller, _ = listener.accept()
        with caller, caller.makefile("rb") as stream:
            said = stream.read()
        thread.join(10)
    return said


def received(said: bytes):
    return contents.received(io.BytesIO(said), why_it_broke=lambda: "it broke")


def test_a_folders_files_are_read_as_they_are(folder):
    found = read(contents.of_folder(folder, SandboxPolicy()))
    assert list(found) == ["a/large", "b", "empty"]
    assert found == {path: (folder / path).read_bytes() for path in found}


def test_what_is_sent_is_what_a_folder_holds(folder):
    assert read(received(sent(folder))) == read(contents.of_folder(folder, SandboxPolicy()))


def test_a_file_that_is_left_half_read_does_not_shift_the_next(folder):
    files = received(sent(folder))
    assert len(next(next(files).chunks)) == 1 << 20
    second = next(files)
    assert (second.path, second.size_bytes, b"".join(second.chunks)) == ("b", 3, b"bee")


@pytest.mark.parametrize("kept", [0, 1, 20, 1_000_000, -2, -5, -6, -7])
def test_a_stream_that_ends_early_is_never_taken_for_all_files(folder, kept):
    said = sent(folder)
    with pytest.raises(SandboxFailed) as caught:
        read(received(said[:kept]))
    assert caught.value.code == "sandbox.files_unreadable"
    assert "it broke" in caught.value.message


def test_a_sender_that_has_called_and_ended_between_two_looks_is_heard():
    """Its whole message lies in the socket by the time that the host sees its container end."""
    with contents._listening() as (folder, listener):

        def has_ended():
            with socket.socket(socket.AF_UNIX) as caller:
                caller.connect(f"{folder}/socket")
                caller.sendall(b"null\n")
            return True

        with contents._connection(listener, has_ended, lambda: "it broke") as stream:
            assert stream.read() == b"null\n"
    assert not Path(folder).exists()


def test_a_sender_that_ended_without_a_call_is_not_waited_for():
    with (
        contents._listening() as (_, listener),
        pytest.raises(SandboxFailed, match="it broke"),
        contents._connection(listener, lambda: True, lambda: "it broke"),
    ):
        pass


def test_links_and_pipes_are_not_followed(folder, tmp_path):
    """The training split lies beside the entry, on the host that grades."""
    secret = tmp_path / "video.bin"
    secret.write_bytes(b"the training split")
    (folder / "link").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    found = read(contents.of_folder(folder, SandboxPolicy()))
    assert list(found) == ["a/large", "b", "empty"]
    os.link(secret, folder / "its own now")
    assert read(contents.of_folder(folder, SandboxPolicy()))["its own now"] == b"the training split"


def test_a_file_with_two_names_comes_once(folder):
    os.link(folder / "b", folder / "c")
    assert list(read(contents.of_folder(folder, SandboxPolicy()))) == ["a/large", "b", "empty"]


def test_a_name_of_any_bytes_is_kept(folder):
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff\x1b\n"))).write_bytes(b"odd")
    assert read(received(sent(folder)))["\udcff\x1b\n"] == b"odd"


def test_a_file_that_shrinks_is_the_operators_matter(folder):
    files = contents.of_folder(folder, SandboxPolicy())
    chunks = next(files).chunks
    next(chunks)
    (folder / "a" / "large").write_bytes(b"")
    with pytest.raises(SandboxFailed, match="shorter"):
        list(chunks)


def test_a_link_put_in_a_files_place_is_not_followed(folder, tmp_path):
    """Between the listing and the reading: nothing of the entry runs by then, and still."""
    files = contents.of_folder(folder, SandboxPolicy())
    first = next(files)
    (tmp_path / "secret").write_bytes(bytes(first.size_bytes))
    (folder / "a" / "large").unlink()
    (folder / "a" / "large").symlink_to(tmp_path / "secret")
    with pytest.raises(SandboxFailed):
        list(first.chunks)


def test_more_than_the_policy_allows_is_not_read(folder):
    with pytest.raises(SandboxFailed, match="more than 100 bytes"):
        next(contents.of_folder(folder, replace(SandboxPolicy(), entry_bytes=100)))


def test_an_entry_that_is_gone_is_the_operators_matter(tmp_path):
    built = BuiltEntry(
        handle=str(tmp_path / "gone"),
        entry_sha256="",
        tree_sha256="",
        size_bytes=0,
        num_files=0,
        base_image=None,
        build_seconds=0,
        network="",
        size_cap="",
        supply=None,
        inventory="",
        inventory_sha256="",
    )
    sandbox = ProcessSandbox(cache=tmp_path)
    with pytest.raises(SandboxFailed) as caught, sandbox.files(built, grade_id="g"):
        pass
    assert caught.value.code == "sandbox.entry_gone"


@pytest.mark.parametrize("cut", [b"", b'{"path": "a"}\n', b'{"path": "a"}\n{"mea', b"[1"])
def test_an_inventory_that_ends_early_is_the_operators_matter(cut):
    """Control: the sum at its end. A meter that was killed would otherwise leave a list that looks complete."""
    with pytest.raises(SandboxFailed, match="it was killed"):
        list(contents.lines(io.BytesIO(cut), why_it_broke=lambda: "it was killed"))


def test_an_inventory_is_whole_with_its_sum():
    said = b'{"path": "a"}\n{"measured": {}}\n'
    assert len(list(contents.lines(io.BytesIO(said), why_it_broke=str))) == 2
