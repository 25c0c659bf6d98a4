"""A zip past the 32-bit limits keeps to the format, as another reader sees it."""

from __future__ import annotations

import zipfile

import pytest

from harness.intake.layout import checked_members, located_members
from harness.intake.limits import ArchiveLimits
from harness.intake.zipformat import read_directory, read_span
from harness.intake.zipwriter import ZipWriter

ROOMY = ArchiveLimits(files=1 << 20)


def members_of(path):
    """As the strict reader sees them."""
    with path.open("rb") as file:
        span = read_span(file.fileno(), path.stat().st_size)
        return located_members(
            file.fileno(), span, checked_members(read_directory(file.fileno(), span), ROOMY)
        )


def test_more_than_65535_members_need_and_get_the_64_bit_end_record(tmp_path):
    path = tmp_path / "many.zip"
    with path.open("xb") as file:
        writer = ZipWriter(file)
        for index in range(65_536):
            writer.add(f"{index}", [], size=0, executable=False)
        writer.finish()
    assert len(members_of(path)) == 65_536
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == 65_536


def test_sizes_and_offsets_past_four_gigabytes_are_written_wide(tmp_path):
    """A sparse file: 4 GiB of zeros are skipped, not written."""
    path = tmp_path / "large.zip"
    size = (1 << 32) + 5

    class Sparse:
        """Pretends that its file got `size` bytes in one write."""

        def __init__(self, file):
            self.file = file

        def write(self, data):
            if data is hole:
                self.file.seek(size, 1)
            else:
                self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    class Hole(bytes):
        def __len__(self):
            return size

    hole = Hole()
    with path.open("xb") as file:
        writer = ZipWriter(Sparse(file))
        assert writer.add("large", [hole], size=size, executable=False)
        assert writer.add("behind", [b"four"], size=4, executable=True)
        writer.finish()
    assert [(member.name, member.size) for member in members_of(path)] == [("large", size), ("behind", 4)]
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("large").file_size == size
        assert archive.read("behind") == b"four"


@pytest.mark.parametrize("size", [3, 5])
def test_a_wrong_size_is_noticed(tmp_path, size):
    with (tmp_path / "x.zip").open("xb") as file:
        assert not ZipWriter(file).add("x", [b"four"], size=size, executable=False)


def test_the_time_is_the_earliest_a_zip_can_say(tmp_path):
    with (tmp_path / "x.zip").open("xb") as file:
        writer = ZipWriter(file)
        writer.add("x", [b"four"], size=4, executable=True)
        writer.finish()
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        info = archive.getinfo("x")
    assert info.date_time == (1980, 1, 1, 0, 0, 0)
    assert (info.create_system, info.external_attr >> 16, info.extra) == (3, 0o100755, b"")
    assert info.compress_type == zipfile.ZIP_STORED
