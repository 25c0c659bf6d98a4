"""Every file of a built entry, and what build.sh made of what was sent."""

import gzip
import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import tracemalloc

import pytest

from harness.disk.digests import file_sha256
from harness.sandbox import inventory, inventory_file, program, source, tree
from harness.sandbox.supply import NewFile, Share

CAPS = {"max_bytes": 1 << 20, "max_files": 1000}


@pytest.fixture
def sent_from(tmp_path):
    """The folder after `build` changed it, and what was sent."""

    def make(**files):
        folder = tmp_path / "files"
        for name, text in files.items():
            path = folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "built", source.copy(folder, tmp_path / "built")

    return make


def written(tmp_path, built, sent):
    """The supply, and the lines of the inventory."""
    with inventory_file.writing_down(tmp_path / "list.gz", sent) as book:
        answer = inventory.take(str(built), book.tell, **CAPS)
        supply = book.close(answer["installed"])
    assert answer["measured"] == tree.measure(str(built), **CAPS)._asdict()
    return supply, [json.loads(line) for line in gzip.open(tmp_path / "list.gz")]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_build_that_does_nothing_leaves_everything_as_it_was_sent(tmp_path, sent_from):
    built, sent = sent_from(a="one", sub__b="two")
    supply, lines = written(tmp_path, built, sent)
    assert (supply.as_sent, supply.added, supply.changed) == (Share(files=2, size_bytes=6), Share(), Share())
    assert [(line["is"], line["path"]) for line in lines] == [
        ("sent", "a"),
        ("sent", "sub"),
        ("sent", "sub/b"),
    ]
    assert lines[0]["sha256"] == sha256("one")


def test_what_was_added_changed_and_removed_is_told_apart(tmp_path, sent_from):
    built, sent = sent_from(kept="kept", other="old", gone="gone!", mode="m")
    (built / "other").write_text("newer")
    (built / "gone").unlink()
    (built / "mode").chmod(0o755)
    (built / "weights").write_text("w" * 1000)
    (built / "link").symlink_to("weights")
    supply, lines = written(tmp_path, built, sent)
    assert supply.as_sent == Share(files=1, size_bytes=4)
    assert supply.changed == Share(files=2, size_bytes=6)
    assert supply.added == Share(files=2, size_bytes=1000 + len("weights"))
    assert supply.removed == Share(files=1, size_bytes=5)
    assert supply.largest[0] == NewFile(
        path="weights", size_bytes=1000, sha256=sha256("w" * 1000), was_sent=False
    )
    assert lines[-1] == {
        "is": "removed", "path": "gone", "kind": "file", "mode": "644", "size_bytes": 5, "sha256": sha256("gone!"),
    }  # fmt: skip


def test_a_file_of_the_same_length_is_not_the_same_file(tmp_path, sent_from):
    """Control: digests, not sizes and times."""
    built, sent = sent_from(a="one")
    before = (built / "a").stat()
    (built / "a").write_text("eno")
    os.utime(built / "a", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert written(tmp_path, built, sent)[0].changed.files == 1


def test_a_file_with_many_names_has_its_size_once(tmp_path, sent_from):
    built, sent = sent_from(a="x")
    (built / "big").write_text("y" * 100)
    for number in range(5):
        os.link(built / "big", built / f"name{number}")
    supply, lines = written(tmp_path, built, sent)
    assert supply.added == Share(files=6, size_bytes=100)
    assert [line.get("same_as") for line in lines if line["path"].startswith("name")] == ["big"] * 5


def test_names_that_are_no_text_are_written_down_too(tmp_path, sent_from):
    built, sent = sent_from(a="x")
    with open(os.fsencode(built) + b"/\xff\n\x1b[2J", "wb") as file:
        file.write(b"1")
    supply, lines = written(tmp_path, built, sent)
    assert os.fsencode(lines[-1]["path"]) == b"\xff\n\x1b[2J"
    supply.largest[0].path.encode()  # a record holds text


def test_pipes_and_sockets_are_listed_and_never_read(tmp_path, sent_from):
    built, sent = sent_from(a="x")
    os.mkfifo(built / "pipe")
    supply, lines = written(tmp_path, built, sent)
    assert (lines[-1]["kind"], supply.added) == ("other", Share(files=1))


def test_the_record_names_only_the_largest(tmp_path, sent_from):
    built, sent = sent_from(a="x")
    for number in range(50):
        (built / f"f{number:02}").write_text("y" * number)
    supply, _ = written(tmp_path, built, sent)
    assert [file.size_bytes for file in supply.largest] == list(range(49, 49 - inventory_file.LARGEST, -1))


def test_what_is_held_does_not_grow_with_the_number_of_files(tmp_path):
    """Half a million are allowed; lines are compressed and summed as they come."""
    item = {"kind": "file", "mode": "644", "sha256": "0" * 64}
    with inventory_file.writing_down(tmp_path / "list.gz", {}) as book:
        tracemalloc.start()
        for number in range(5000):
            book.tell({"path": f"{number}{'p' * 2000}", "size_bytes": number, **item})
        _, peak_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        book.close({"distributions": [], "found": 0, "recorded_files": 0, "recorded_bytes": 0})
    assert peak_bytes < 1 << 20, "the paths alone are 10 MB"


def test_the_same_folder_gives_the_same_bytes(tmp_path, sent_from):
    built, sent = sent_from(a="one")
    digests = []
    for _ in range(2):
        written(tmp_path, built, sent)
        digests.append(file_sha256(tmp_path / "list.gz"))
    assert digests[0] == digests[1]


def test_after_an_error_no_half_list_is_left(tmp_path, sent_from):
    built, sent = sent_from(a="one")
    with pytest.raises(tree.TreeRefused), inventory_file.writing_down(tmp_path / "list.gz", sent) as book:
        inventory.take(str(built), book.tell, max_bytes=1, max_files=1000)
    assert [path.name for path in tmp_path.iterdir() if "list" in path.name] == []


@pytest.mark.parametrize("max_bytes", [100, 1])
def test_as_a_program_it_sends_the_same(tmp_path, sent_from, max_bytes):
    """This is how it runs in a container: its modules on the command line, isolated from everything else."""
    built, _ = sent_from(a="one", sub__b="two")
    address = str(tmp_path / "socket")
    command = program.command("tree", "installed", "inventory")
    settings = json.dumps({"bytes": max_bytes, "files": 10, "socket": address})
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        heard = []

        def listen():
            caller, _ = listener.accept()
            with caller, caller.makefile("rb") as stream:
                heard.extend(json.loads(line) for line in stream)

        thread = threading.Thread(target=listen)
        thread.start()
        subprocess.run([sys.executable, "-I", "-S", *command, "inventory", str(built), settings], check=True)
        thread.join()
    told = []
    if max_bytes == 1:
        assert heard[-1]["refused"] == "size"
    else:
        answer = inventory.take(str(built), told.append, **CAPS)
        assert heard == [*told, answer]
