"""A folder gives one zip, whoever packs it and whenever, and intake takes that zip."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ArchiveRejected, IntakeFailed, ManifestRejected, UsageError
from harness.intake.archive import open_archive
from harness.intake.pack import pack
from harness.intake.zipwriter import ZipWriter
from harness.results.store import Store


def test_what_is_packed_is_what_is_opened(folder, tmp_path):
    packed = pack(folder, tmp_path / "out.zip")
    entry = open_archive(packed.path, tmp_path / "entry")
    assert (packed.sha256, packed.size_bytes, packed.manifest) == (
        entry.sha256,
        entry.size_bytes,
        entry.manifest,
    )
    assert packed.sha256 == hashlib.sha256(packed.path.read_bytes()).hexdigest()
    assert packed.num_files == len(entry.files) == 4
    for file in entry.files:
        assert (entry.folder / file.name).read_bytes() == (folder / file.name).read_bytes()


def test_the_bytes_depend_on_files_and_execute_bits_only(folder, tmp_path):
    first = pack(folder, tmp_path / "first.zip")
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    for name in ("wmc.toml", "lib/model.py", "evaluate.py", "build.sh"):  # another order on disk
        (copy / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(folder / name, copy / name)
        os.utime(copy / name, (10**9, 10**9))
        (copy / name).chmod(0o700 if name in {"build.sh", "evaluate.py"} else 0o600)
    old = os.umask(0o077)
    try:
        second = pack(copy, tmp_path / "second.zip")
    finally:
        os.umask(old)
    assert first.sha256 == second.sha256


def test_the_bytes_are_these_on_every_machine(folder, tmp_path):
    """A known answer: another Python, zlib or operating system must not change it."""
    assert pack(folder, tmp_path / "out.zip").sha256 == KNOWN_SHA256


KNOWN_SHA256 = "7cb3e1ffe3042c94c283ca9e404276e3670232089cfc4416401c91d6fb001cc0"


def test_an_execute_bit_makes_another_zip(folder, tmp_path):
    first = pack(folder, tmp_path / "first.zip")
    (folder / "lib" / "model.py").chmod(0o755)
    assert pack(folder, tmp_path / "second.zip").sha256 != first.sha256


def test_other_readers_see_the_same_files(folder, tmp_path):
    packed = pack(folder, tmp_path / "out.zip")
    with zipfile.ZipFile(packed.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["build.sh", "evaluate.py", "lib/model.py", "wmc.toml"]
        assert archive.read("lib/model.py") == (folder / "lib" / "model.py").read_bytes()
    if shutil.which("unzip"):
        subprocess.run(["unzip", "-tq", packed.path], check=True, capture_output=True)


def test_litter_is_left_out_and_named(folder, tmp_path):
    clean = pack(folder, tmp_path / "clean.zip")
    for litter in (
        ".git/HEAD",
        "__pycache__/x.pyc",
        "lib/__pycache__/y.pyc",
        ".venv/bin/python",
        ".DS_Store",
    ):
        (folder / litter).parent.mkdir(parents=True, exist_ok=True)
        (folder / litter).write_text("x")
    (folder / "logs").mkdir()
    packed = pack(folder, tmp_path / "out.zip")
    assert packed.left_out == (
        ".DS_Store", ".git", ".venv", "__pycache__", "lib/__pycache__", "logs/ (an empty folder)",
    )  # fmt: skip
    assert packed.sha256 == clean.sha256
    assert packed.doubtful == ()


def test_what_may_not_be_meant_for_others_is_packed_and_named(folder, tmp_path):
    for name in (".env", "lib/.cache/a", "lib/.cache/b", "Yesterday.ZIP", "lib/data.zip", "s/grades.sqlite"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    packed = pack(folder, tmp_path / "out.zip")
    assert Store(folder).database.name == "grades.sqlite"
    assert packed.doubtful == (".env", "Yesterday.ZIP", "lib/.cache/", "s/grades.sqlite")
    assert packed.num_files == 4 + 6


@pytest.mark.parametrize("place", ["out.zip", "lib/out.zip"])
def test_a_zip_that_the_next_one_would_contain_is_refused(folder, monkeypatch, place):
    monkeypatch.chdir(folder)
    for zip_path in (folder / place, Path(place)):
        with pytest.raises(UsageError) as refusal:
            pack(folder, zip_path)
        assert refusal.value.code == "usage.zip_in_folder"
        assert not (folder / place).exists()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda f: (f / "wmc.toml").unlink(), "archive.missing_file"),
        (lambda f: (f / "build.sh").unlink(), "archive.missing_file"),
        (lambda f: (f / "build.sh").write_bytes(b"#!/bin/sh\r\n"), "archive.crlf"),
        (lambda f: (f / "evaluate.py").write_text("print()\n"), "archive.no_shebang"),
        (lambda f: (f / "evaluate.py").chmod(0o644), "archive.not_executable"),
        (lambda f: (f / "link").symlink_to("/etc/passwd"), "archive.link"),
        (lambda f: (f / "link").symlink_to(f / "lib", target_is_directory=True), "archive.link"),
        (lambda f: os.mkfifo(f / "pipe"), "archive.special_file"),
        (lambda f: (f / "my file").touch(), "archive.name_character"),
        (lambda f: (f / "a\x1b[2J").touch(), "archive.name_control"),
        (lambda f: open(os.fsencode(f) + b"/\xff", "w").close(), "archive.name_not_ascii"),
        (lambda f: (f / "Build.sh").touch(), "archive.case_collision"),
    ],
)
def test_packing_refuses_what_intake_refuses_and_keeps_the_old_zip(folder, tmp_path, spoil, code):
    old = pack(folder, tmp_path / "out.zip")
    spoil(folder)
    with pytest.raises(ArchiveRejected) as refusal:
        pack(folder, tmp_path / "out.zip")
    assert refusal.value.code == code
    assert hashlib.sha256(old.path.read_bytes()).hexdigest() == old.sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["my-entry", "out.zip"]


def test_line_ends_are_blamed_for_the_name_that_the_kernel_reads(folder, tmp_path):
    (folder / "evaluate.py").write_bytes(b"#!/usr/bin/env python3\r\nprint()\r\n")
    with pytest.raises(ArchiveRejected, match=r"reads 'python3\\r'$"):
        pack(folder, tmp_path / "out.zip")
    (folder / "build.sh").write_bytes(b"#!/bin/sh\r\n")
    with pytest.raises(ArchiveRejected, match=r"reads 'sh\\r' and 'python3\\r'$"):
        pack(folder, tmp_path / "out.zip")
    (folder / "evaluate.py").write_bytes(b"#!/usr/bin/env python3\nprint()\r\n")
    (folder / "build.sh").write_bytes(b"#!/bin/sh\n")
    with pytest.raises(ArchiveRejected, match=r"^evaluate.py: Windows line ends \(CRLF\)$"):
        pack(folder, tmp_path / "out.zip")


def test_a_socket_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("gate.sock")
        with pytest.raises(ArchiveRejected) as refusal:
            pack(folder, tmp_path / "out.zip")
    assert refusal.value.code == "archive.special_file"


def test_a_wrong_manifest_stops_packing(folder, tmp_path):
    (folder / "wmc.toml").write_text("user_name = 1\n")
    with pytest.raises(ManifestRejected):
        pack(folder, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_no_folder_is_a_usage_error(folder, tmp_path):
    with pytest.raises(UsageError):
        pack(tmp_path / "nothing", tmp_path / "out.zip")
    with pytest.raises(UsageError):
        pack(folder, tmp_path / "nothing" / "out.zip")


def test_a_file_that_grows_while_it_is_packed_is_noticed(folder, tmp_path, monkeypatch):
    real = ZipWriter.add

    def grow(self, name, chunks, **rest):
        with (folder / "lib" / "model.py").open("a") as file:
            file.write("more\n")
        return real(self, name, chunks, **rest)

    monkeypatch.setattr(ZipWriter, "add", grow)
    with pytest.raises(UsageError) as refusal:
        pack(folder, tmp_path / "out.zip")
    assert refusal.value.code == "usage.folder_changed"


def test_a_disk_error_is_not_the_entrants_fault(folder, tmp_path, monkeypatch):
    def fail(_self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ZipWriter, "finish", fail)
    with pytest.raises(IntakeFailed):
        pack(folder, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def folders_and_files(root):
    """Every path below `root`."""
    return [str(path.relative_to(root)) for path in root.rglob("*")]


parts = st.text("abcXYZ019._-", min_size=1, max_size=8).filter(lambda part: part.strip("."))
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(files=st.dictionaries(paths, st.tuples(st.binary(max_size=3000), st.booleans()), max_size=6))
def test_any_files_come_back_as_they_were(folder, tmp_path_factory, files):
    work = tmp_path_factory.mktemp("round")
    source = work / "source"
    shutil.copytree(folder, source)
    expected = {}
    for name, (data, executable) in files.items():
        try:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(data)
        except OSError:
            continue  # a file where a folder should be
        (source / name).chmod(0o755 if executable else 0o644)
        expected[name] = (data, executable)
    if len({name.casefold() for name in folders_and_files(source)}) < len(folders_and_files(source)):
        with pytest.raises(ArchiveRejected, match="upper and lower case"):
            pack(source, work / "out.zip")
        return
    packed = pack(source, work / "out.zip")
    entry = open_archive(packed.path, work / "entry")
    found = {file.name: file for file in entry.files}
    assert len(found) == packed.num_files
    for name, (data, executable) in expected.items():
        if name in found:  # a later one may have the same name
            assert (entry.folder / name).read_bytes() == data
            assert found[name].executable == executable
            assert (entry.folder / name).stat().st_mode & 0o7777 == (0o755 if executable else 0o644)
    assert set(expected) <= set(found)
