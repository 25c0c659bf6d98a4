"""Hash and size of a folder that may be hostile."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.sandbox import tree

CAPS = {"max_bytes": 1 << 20, "max_files": 100}


def measured(folder):
    return tree.measure(str(folder), **CAPS)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "tree"
    (root / "a").mkdir(parents=True)
    (root / "a" / "one").write_text("one")
    (root / "two").write_text("two")
    return root


def test_an_empty_folder_has_the_digest_of_nothing(tmp_path):
    found = measured(tmp_path)
    assert (found.size_bytes, found.num_files) == (0, 0)
    assert found.tree_sha256.startswith("e3b0c442")


def test_the_same_files_have_the_same_digest_whatever_their_times(folder):
    before = measured(folder)
    os.utime(folder / "two", (1, 1))
    assert measured(folder) == before
    assert (before.size_bytes, before.num_files) == (6, 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "two").write_text("owt"),
        lambda root: (root / "two").chmod(0o755),
        lambda root: (root / "two").rename(root / "three"),
        lambda root: (root / "a").chmod(0o700),
        lambda root: (root / "b").mkdir(),
        lambda root: (root / "link").symlink_to("two"),
        lambda root: os.mkfifo(root / "pipe"),
        lambda root: ((root / "two").unlink(), (root / "two").mkdir()),
    ],
)
def test_every_change_changes_the_digest(folder, change):
    before = measured(folder).tree_sha256
    change(folder)
    assert measured(folder).tree_sha256 != before


def test_names_and_contents_cannot_be_shifted_into_each_other(tmp_path):
    """`ab` + `c` and `a` + `bc` are different trees."""
    for name, files in (("one", {"ab": "c", "d": ""}), ("other", {"a": "bc", "d": ""})):
        (tmp_path / name).mkdir()
        for path, text in files.items():
            (tmp_path / name / path).write_text(text)
    assert measured(tmp_path / "one").tree_sha256 != measured(tmp_path / "other").tree_sha256


def test_a_link_is_never_followed(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x" * 1000)
    (folder / "link").symlink_to(outside)
    before = measured(folder)
    (outside / "secret").write_text("y" * 2000)
    assert measured(folder) == before
    assert before.size_bytes < 1000


def test_a_file_with_many_names_is_counted_and_read_once(folder):
    for number in range(50):
        os.link(folder / "two", folder / f"name{number}")
    assert measured(folder).size_bytes == 6


@pytest.mark.parametrize(("caps", "reason"), [({"max_bytes": 5}, "size"), ({"max_files": 2}, "files")])
def test_caps_are_kept(folder, caps, reason):
    with pytest.raises(tree.TreeRefused) as caught:
        tree.measure(str(folder), **{**CAPS, **caps})
    assert caught.value.reason == reason


def test_a_sparse_file_is_refused_before_it_is_read(folder):
    with (folder / "huge").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(tree.TreeRefused):
        measured(folder)


def test_more_paths_than_memory_should_hold_are_refused(folder, monkeypatch):
    """Half a million files at the end of a path of 4,096 bytes would end the program that lists them."""
    monkeypatch.setattr(tree, "_MOST_PATH_CHARACTERS", len("a") + len("a/one") + len("two"))
    measured(folder)
    (folder / "b").touch()
    with pytest.raises(tree.TreeRefused) as caught:
        measured(folder)
    assert caught.value.reason == "unreadable"


def test_a_name_that_is_not_text_is_hashed_too(folder):
    before = measured(folder).tree_sha256
    with open(os.fsencode(folder) + b"/\xff\n", "wb"):
        pass
    assert measured(folder).tree_sha256 != before


def test_a_watch_ends_only_with_a_broken_cap(folder):
    with pytest.raises(tree.TreeRefused) as caught:
        tree.watch(str(folder), max_bytes=5, max_files=100, reserve_bytes=0)
    assert caught.value.reason == "size"
    with pytest.raises(tree.TreeRefused) as caught:
        tree.watch(str(folder), max_bytes=100, max_files=100, reserve_bytes=1 << 60)
    assert caught.value.reason == "disk"


def test_as_a_program_it_answers_with_one_json_object(folder):
    """This is how it runs inside a container: its text on the command line, isolated from the folder."""
    source = Path(tree.__file__).read_text()
    for limit, key in ((100, "tree_sha256"), (5, "refused")):
        caps = json.dumps({"bytes": limit, "files": 100})
        command = [sys.executable, "-I", "-S", "-c", source, "measure", str(folder), caps]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        assert key in json.loads(done.stdout)


def test_settled_everything_has_the_same_times_and_nothing_else_changes(folder, tmp_path):
    """Of a link it is the link's own, and what it leads to is left alone."""
    outside = tmp_path / "outside"
    outside.write_text("not ours")
    os.utime(outside, (1, 1))
    (folder / "link").symlink_to(outside)
    os.mkfifo(folder / "pipe")
    os.link(folder / "two", folder / "a" / "twin")
    before = measured(folder)
    paths = [folder, *folder.rglob("*")]  # to look for them later would be to access them
    tree.settle(str(folder), **CAPS)
    for path in paths:
        info = path.lstat()
        assert (info.st_atime_ns, info.st_mtime_ns) == (tree.EPOCH_S * 10**9,) * 2, path
    assert outside.stat().st_mtime == 1
    assert measured(folder) == before


def test_too_much_is_refused_before_it_is_settled(folder):
    with pytest.raises(tree.TreeRefused) as caught:
        tree.settle(str(folder), max_bytes=5, max_files=100)
    assert caught.value.reason == "size"


@pytest.mark.parametrize(
    ("left", "reason"), [({"f_bavail": 255}, "size"), ({"f_favail": 0}, "files"), ({}, None)]
)
def test_a_file_system_of_its_own_must_not_be_full(folder, monkeypatch, left, reason):
    """Whatever names it has: what was deleted and is still open takes room too."""
    space = {"f_bavail": 256, "f_frsize": 4096, "f_favail": 1, **left}
    monkeypatch.setattr(os, "statvfs", lambda _root: SimpleNamespace(**space))
    if reason is None:
        tree.look(str(folder), **CAPS, reserve_bytes=None)
        return
    with pytest.raises(tree.TreeRefused) as caught:
        tree.look(str(folder), **CAPS, reserve_bytes=None)
    assert caught.value.reason == reason
