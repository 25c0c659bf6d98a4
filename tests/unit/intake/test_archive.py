"""Zips as honest tools make them are opened; a damaged one is refused, never half opened."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
import sys
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import ArchiveRejected, ManifestRejected, UsageError
from harness.intake import unpack
from harness.intake.archive import open_archive
from harness.intake.limits import ArchiveLimits
from harness.intake.pack import pack


class Unseekable(io.RawIOBase):
    """A stream like a pipe: zipfile then writes sizes behind the data."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def zipped(folder, target, *, method=zipfile.ZIP_DEFLATED, folders=False):
    """`folder` as zipfile packs it, into the file or stream `target`."""
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() or folders:
                archive.write(path, path.relative_to(folder))


def assert_opened(entry, folder):
    """`entry` holds the files of `folder`."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {file.name for file in entry.files} == names
    for name in names:
        assert (entry.folder / name).read_bytes() == (folder / name).read_bytes()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("folders", [False, True])
def test_a_zip_by_the_usual_tool_is_opened(folder, tmp_path, method, folders):
    zipped(folder, tmp_path / "in.zip", method=method, folders=folders)
    entry = open_archive(tmp_path / "in.zip", tmp_path / "entry")
    assert_opened(entry, folder)
    assert entry.sha256 == hashlib.sha256((tmp_path / "in.zip").read_bytes()).hexdigest()
    assert entry.size_bytes == (tmp_path / "in.zip").stat().st_size
    assert entry.unpacked_bytes == sum(file.size_bytes for file in entry.files)


def test_sizes_that_follow_the_data_are_taken(folder, tmp_path):
    stream = Unseekable()
    zipped(folder, stream)
    assert b"PK\x07\x08" in stream.data
    (tmp_path / "in.zip").write_bytes(stream.data)
    assert_opened(open_archive(tmp_path / "in.zip", tmp_path / "entry"), folder)


def test_a_zip_with_64_bit_sizes_is_opened(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                info = zipfile.ZipInfo.from_file(path, path.relative_to(folder))
                with archive.open(info, "w", force_zip64=True) as file:
                    file.write(path.read_bytes())
    if sys.version_info >= (3, 11, 4):  # earlier ones write a field nobody asked for: refused, rightly
        assert_opened(open_archive(tmp_path / "in.zip", tmp_path / "entry"), folder)


def test_modes_are_0644_or_0755_whatever_the_umask(folder, tmp_path):
    zipped(folder, tmp_path / "in.zip", folders=True)
    old = os.umask(0o077)
    try:
        entry = open_archive(tmp_path / "in.zip", tmp_path / "entry")
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in entry.folder.rglob("*")}
    assert modes == {
        "build.sh": 0o755, "evaluate.py": 0o755, "wmc.toml": 0o644, "model.py": 0o644, "lib": 0o755,
    }  # fmt: skip
    assert stat.S_IMODE(entry.folder.stat().st_mode) == 0o755


def test_an_archive_inside_is_noted_and_not_opened(folder, tmp_path):
    (folder / "inner.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    entry = open_archive(pack(folder, tmp_path / "in.zip").path, tmp_path / "entry")
    assert entry.notes == ("holds 1 archive(s) that were not looked into: inner.zip",)
    assert (entry.folder / "inner.zip").is_file()


@pytest.mark.parametrize(
    ("name", "words"), [("wmc_guest.py", "grader brings itself"), ("lib/.git/config", "holds .git/")]
)
def test_a_file_that_should_not_be_there_is_noted(folder, tmp_path, name, words):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    zipped(folder, tmp_path / "in.zip")
    (note,) = open_archive(tmp_path / "in.zip", tmp_path / "entry").notes
    assert words in note


def test_folders_that_no_member_names_count_before_anything_is_unpacked(folder, tmp_path, monkeypatch):
    """The folder makes 5 places: four files and lib/."""
    made = []
    monkeypatch.setattr(unpack, "fresh_folder", made.append)
    zipped(folder, tmp_path / "in.zip")
    with pytest.raises(ArchiveRejected) as refusal:
        open_archive(tmp_path / "in.zip", tmp_path / "entry", limits=ArchiveLimits(files=4))
    assert refusal.value.code == "archive.too_many_files"
    assert made == []
    monkeypatch.undo()
    open_archive(tmp_path / "in.zip", tmp_path / "entry", limits=ArchiveLimits(files=5))


def test_a_wrong_manifest_leaves_no_folder(folder, tmp_path):
    (folder / "wmc.toml").write_text("causal = 3\n")
    zipped(folder, tmp_path / "in.zip")
    with pytest.raises(ManifestRejected):
        open_archive(tmp_path / "in.zip", tmp_path / "entry")
    assert not (tmp_path / "entry").exists()


def test_opening_again_needs_another_folder(folder, tmp_path):
    path = pack(folder, tmp_path / "in.zip").path
    open_archive(path, tmp_path / "entry")
    with pytest.raises(UsageError):
        open_archive(path, tmp_path / "entry")
    assert (tmp_path / "entry" / "build.sh").is_file()


def test_zeros_that_shrink_well_are_no_bomb_below_a_megabyte(folder, tmp_path):
    (folder / "counts.bin").write_bytes(bytes(1 << 20))
    zipped(folder, tmp_path / "in.zip")
    assert_opened(open_archive(tmp_path / "in.zip", tmp_path / "entry"), folder)


@pytest.mark.parametrize("pattern", [b"a", b"ab", bytes(range(256)) * 3])
def test_a_deflated_file_of_any_length_comes_out_whole(folder, tmp_path, pattern):
    """Long matches leave output inside the decompressor after its last input: it must not be lost."""
    for size in (1 << 18, (1 << 18) + 1, (1 << 18) + 257, (1 << 19) - 1, 900_001):
        (folder / f"f{size}").write_bytes((pattern * (size // len(pattern) + 1))[:size])
    zipped(folder, tmp_path / "in.zip")
    assert_opened(open_archive(tmp_path / "in.zip", tmp_path / "entry"), folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_zip_is_the_same_entry_or_refused(folder, tmp_path_factory, data):
    work = tmp_path_factory.mktemp("fuzz")
    stream = Unseekable()
    made_by = data.draw(st.sampled_from(["pack", "deflate", "stream"]))
    if made_by == "pack":
        original = pack(folder, work / "in.zip").path.read_bytes()
    else:
        zipped(folder, work / "in.zip" if made_by == "deflate" else stream, folders=True)
        original = (work / "in.zip").read_bytes() if made_by == "deflate" else stream.data
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        action = data.draw(st.sampled_from(["set", "flip", "insert", "cut", "copy"]))
        if action == "set":
            damaged[at] = data.draw(st.sampled_from([0, 1, 0x2F, 0x2E, 0x50, 0x7F, 0xFF]))
        elif action == "flip":
            damaged[at] ^= 1 << data.draw(st.integers(0, 7))
        elif action == "insert":
            damaged[at:at] = data.draw(st.binary(min_size=1, max_size=30))
        elif action == "cut":
            del damaged[at : at + data.draw(st.integers(1, 40))]
        else:
            damaged[at : at + 4] = struct.pack("<L", data.draw(st.integers(0, 2**32 - 1)))
        if not damaged:
            return
    (work / "in.zip").write_bytes(damaged)
    outside = {path.name for path in work.iterdir()}
    try:
        entry = open_archive(work / "in.zip", work / "entry")
    except (ArchiveRejected, ManifestRejected):
        assert {path.name for path in work.iterdir()} == outside
        return
    originals = {path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for file in entry.files:  # times, versions and modes may have changed; contents may not
        assert (entry.folder / file.name).read_bytes() in originals
    found = {path for path in entry.folder.rglob("*") if not path.is_dir()}
    assert all(stat.S_ISREG(path.lstat().st_mode) for path in found)
    assert {path.name for path in work.iterdir()} == outside | {"entry"}
    with zipfile.ZipFile(work / "in.zip") as archive:  # the usual reader sees the same
        assert archive.testzip() is None
        shown = {info.filename for info in archive.infolist() if not info.is_dir()}
        assert shown == {file.name for file in entry.files}
