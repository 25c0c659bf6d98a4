"""Every hostile zip is refused for its own reason and leaves no trace outside the target folder."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import zipfile
from pathlib import Path

import pytest

from harness.errors import ArchiveRejected, IntakeFailed, UsageError
from harness.intake import inflate, layout, names
from harness.intake.archive import open_archive
from harness.intake.limits import ArchiveLimits
from harness.intake.zipformat import read_directory, read_span

sys.path.insert(0, str(Path(__file__).parents[1] / "entries" / "zips"))
import corpus
from rawzip import REQUIRED, Raw, build, changed

CASES = corpus.every_case()


def tree_digest(root: Path) -> str:
    """Over every path, mode, content, link target and (of all but folders) time below `root`."""
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        time_ns = 0 if path.is_dir() else status.st_mtime_ns
        digest.update(f"{path.relative_to(root)} {status.st_mode:o} {time_ns}\n".encode())
        if path.is_symlink():
            digest.update(os.readlink(path).encode())
        elif path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


@pytest.fixture
def arena(tmp_path):
    """A folder with canaries around the target, all of which must stay as they are."""
    root = tmp_path / "arena"
    (root / "work").mkdir(parents=True)
    for canary in (root / "canary", root / "work" / "canary", root / "work" / "entry.txt"):
        canary.write_bytes(b"sings")
    (root / "work" / "link").symlink_to(root / "canary")
    return root


def write_zip(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "submission.zip"
    path.write_bytes(data)
    return path


def test_the_corpus_is_large_enough():
    assert len(CASES) >= 90
    assert len({case.code for case in CASES}) >= 50


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_hostile_zip_is_refused_for_its_own_reason_and_leaves_no_trace(case, arena, tmp_path):
    zip_path = write_zip(tmp_path, case().zip())
    before = tree_digest(arena)
    with pytest.raises(ArchiveRejected) as refusal:
        open_archive(zip_path, arena / "work" / "entry", limits=case.limits)
    assert refusal.value.code == case.code
    assert case.says in refusal.value.message
    assert refusal.value.fix
    assert (refusal.value.message + refusal.value.fix).isprintable()
    assert not (arena / "work" / "entry").exists()
    assert tree_digest(arena) == before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_an_empty_target_is_empty_again_after_a_refusal(case, tmp_path):
    target = tmp_path / "entry"
    target.mkdir()
    with pytest.raises(ArchiveRejected):
        open_archive(write_zip(tmp_path, case().zip()), target, limits=case.limits)
    assert list(target.iterdir()) == []


@pytest.mark.parametrize("case", [corpus.OverlapBomb, corpus.SharedData], ids=lambda case: case.__name__)
def test_an_overlap_bomb_is_refused_before_anything_is_inflated(case, tmp_path, monkeypatch):
    inflated = []
    monkeypatch.setattr("harness.intake.archive.unpacked_chunks", lambda *args: inflated.append(args) or ())
    with pytest.raises(ArchiveRejected):
        open_archive(write_zip(tmp_path, case().zip()), tmp_path / "entry")
    assert inflated == []


class TestTheControlsMatter:
    """With its control switched off, an attack works: the corpus holds real attacks, and the control stops them."""

    def test_without_name_rules_a_member_lands_outside_the_target(self, arena, tmp_path, monkeypatch):
        monkeypatch.setattr(layout, "checked_name", lambda raw: raw.decode().removesuffix("/"))
        data = build(*REQUIRED, Raw(name=b"../escaped", data=b"x"))
        open_archive(write_zip(tmp_path, data), arena / "work" / "entry")
        assert (arena / "work" / "escaped").read_bytes() == b"x"

    def test_without_case_folding_two_names_become_one_on_some_disks(self, tmp_path, monkeypatch):
        monkeypatch.setattr(names.Tree, "_place", lambda *_, **__: None)
        open_archive(write_zip(tmp_path, corpus.CaseCollision().zip()), tmp_path / "entry")
        found = [path.name for path in (tmp_path / "entry").iterdir()]
        assert len({name.casefold() for name in found}) < len(found)

    def test_the_overlap_bomb_inflates_to_500_times_its_kernel(self, tmp_path):
        path = write_zip(tmp_path, corpus.OverlapBomb().zip())
        with path.open("rb") as file:
            records = read_directory(file.fileno(), read_span(file.fileno(), path.stat().st_size))
            first = min(records, key=lambda record: record.offset)
            member = layout.Member(
                name="0",
                is_folder=False,
                executable=False,
                method=first.method,
                crc32=first.crc32,
                compressed_size=first.compressed_size,
                size=first.size,
                data_at=first.offset + 30 + len(first.raw_name),
            )
            no_limit = ArchiveLimits(ratio=10**6)
            assert sum(map(len, inflate.unpacked_chunks(file.fileno(), member, no_limit))) == first.size
        assert sum(record.size for record in records) >= 500 << 20
        assert path.stat().st_size < 100_000

    @pytest.mark.parametrize("case", [corpus.RatioBomb, corpus.HugeFile, corpus.HugeTogether])
    def test_without_the_limit_a_bomb_unpacks(self, case, tmp_path):
        entry = open_archive(
            write_zip(tmp_path, case().zip()), tmp_path / "entry", limits=ArchiveLimits(ratio=10**6)
        )
        assert entry.unpacked_bytes > 1 << 20

    @pytest.mark.parametrize(
        "case",
        [corpus.TwoZipsJoined, corpus.ShellScriptBefore, corpus.SecondNameInAnExtraField, corpus.Setuid],
    )
    def test_the_usual_reader_opens_what_is_refused_here(self, case):
        with zipfile.ZipFile(io.BytesIO(case().zip())) as archive:
            assert archive.testzip() is None

    def test_of_two_joined_zips_the_usual_reader_shows_the_second(self):
        with zipfile.ZipFile(io.BytesIO(corpus.TwoZipsJoined().zip())) as archive:
            assert archive.read("a.txt") == b"graded, and longer"


class TestTheTarget:
    def test_a_link_is_no_target(self, arena, tmp_path):
        elsewhere = arena / "elsewhere"
        elsewhere.mkdir()
        (arena / "entry").symlink_to(elsewhere)
        with pytest.raises(UsageError) as refusal:
            open_archive(write_zip(tmp_path, build(*REQUIRED)), arena / "entry")
        assert refusal.value.code == "usage.target_not_a_folder"
        assert list(elsewhere.iterdir()) == []

    def test_a_dangling_link_is_no_target(self, arena, tmp_path):
        (arena / "entry").symlink_to(arena / "nowhere")
        with pytest.raises(UsageError):
            open_archive(write_zip(tmp_path, build(*REQUIRED)), arena / "entry")
        assert not (arena / "nowhere").exists()

    def test_a_file_is_no_target(self, arena, tmp_path):
        with pytest.raises(UsageError):
            open_archive(write_zip(tmp_path, build(*REQUIRED)), arena / "canary")
        assert (arena / "canary").read_bytes() == b"sings"

    def test_a_folder_with_files_keeps_them(self, arena, tmp_path):
        before = tree_digest(arena)
        with pytest.raises(UsageError) as refusal:
            open_archive(write_zip(tmp_path, build(*REQUIRED)), arena / "work")
        assert refusal.value.code == "usage.target_not_empty"
        assert tree_digest(arena) == before

    def test_a_parent_that_is_a_link_is_the_operators_business(self, arena, tmp_path):
        (tmp_path / "parent").symlink_to(arena / "work")
        entry = open_archive(write_zip(tmp_path, build(*REQUIRED)), tmp_path / "parent" / "entry")
        assert (arena / "work" / "entry" / "build.sh").is_file()
        assert len(entry.files) == 3

    def test_a_missing_parent_is_the_operators_fault(self, tmp_path):
        with pytest.raises(IntakeFailed):
            open_archive(write_zip(tmp_path, build(*REQUIRED)), tmp_path / "no" / "entry")


class TestTheZipFile:
    def test_a_fifo_is_no_zip_and_nobody_waits_for_it(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        with pytest.raises(UsageError):
            open_archive(tmp_path / "fifo", tmp_path / "entry")

    @pytest.mark.parametrize("name", ["missing.zip", "."])
    def test_no_file_is_no_zip(self, tmp_path, name):
        with pytest.raises(UsageError) as refusal:
            open_archive(tmp_path / name, tmp_path / "entry")
        assert refusal.value.code == "usage.no_zip"

    def test_a_zip_that_changes_while_it_is_opened_is_not_taken(self, tmp_path, monkeypatch):
        path = write_zip(tmp_path, build(*REQUIRED))
        real = layout.located_members

        def swap(*args):
            path.write_bytes(build(*changed(b"build.sh", data=b"#!/bin/sh\nexit 1\n")))
            return real(*args)

        monkeypatch.setattr("harness.intake.archive.located_members", swap)
        with pytest.raises((IntakeFailed, ArchiveRejected)):
            open_archive(path, tmp_path / "entry")
        assert not (tmp_path / "entry").exists()

    def test_a_full_disk_is_the_operators_fault(self, tmp_path, monkeypatch):
        def full(*_args):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("harness.intake.unpack.os.fchmod", full)
        with pytest.raises(IntakeFailed) as failure:
            open_archive(write_zip(tmp_path, build(*REQUIRED)), tmp_path / "entry")
        assert "No space left" in failure.value.message
        assert not (tmp_path / "entry").exists()
