"""Pictures of suspected sources follow the one rule of disclosure, intact, and no other file of the store is one."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from harness.results.store import Store
from harness.retrieval.report import SourcePicture
from leaderboard.disclosure import Disclosure, disclose
from leaderboard.exports import grade_to_json
from leaderboard.grade_pages import grade_pages
from leaderboard.publish import publish
from leaderboard.render import render_grade
from leaderboard.samples import open_gallery
from leaderboard.standings import standings

CANARY = b"RIFF canary of a frame that is held out"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def suspected(grades, found, store):
    """A grade whose record names a picture of a suspected source, which is in the store."""
    report = grades.graded(retrieval=found())
    file, sha256 = store.save_artifact(report.grade_id, "source.window0.frame3.webp", CANARY)
    picture = SourcePicture(
        window=0, frame=3, train_frame=98765, file=file, sha256=sha256, width=588, height=221
    )
    return replace(report, retrieval=found(pictures=(picture,)))


def published(report, store, site, *splits):
    """Whether the picture is anywhere in the site, which shows these splits, and under which name."""
    publish([report], site, open_gallery([report], store.folder, disclose([report], splits)))
    return [path.name for path in site.rglob("*") if path.is_file() and CANARY in path.read_bytes()]


def test_held_out_pictures_are_not_published(suspected, store, tmp_path):
    """Control: only of a split that is named."""
    assert published(suspected, store, tmp_path / "a") == []
    assert published(suspected, store, tmp_path / "b", "heldout") == []
    assert published(suspected, store, tmp_path / "c", "heldout@" + "34" * 32) == [
        f"{hashlib.sha256(CANARY).hexdigest()}.webp"
    ]


def test_without_the_control_they_would_be(suspected, store, tmp_path, monkeypatch):
    monkeypatch.setattr(Disclosure, "covers", lambda self, report: True)
    assert published(suspected, store, tmp_path / "a") != []


def test_what_is_not_published_any_more_is_taken_down(suspected, store, tmp_path):
    assert published(suspected, store, tmp_path / "site", "heldout@" + "34" * 32) != []
    assert published(suspected, store, tmp_path / "site") == []


def test_the_page_shows_it_and_says_what_it_shows(suspected, store):
    gallery = open_gallery([suspected], store.folder, disclose([suspected], ["heldout@" + "34" * 32]))
    (page,) = grade_pages([suspected], standings([suspected]), gallery=gallery)
    html = render_grade(page)
    assert f'src="../samples/{hashlib.sha256(CANARY).hexdigest()}.webp"' in html
    assert "as the entry predicted it (left), as it happened (middle), and training frame 98765" in html
    assert grade_to_json(page)["retrieval_pictures"] == [
        {"window": 0, "frame": 3, "train_frame": 98765, "file": page.retrieval.pictures[0].path}
    ]


def test_an_earlier_grade_shows_none(suspected, store, grades):
    both = [suspected, grades.graded()]
    gallery = open_gallery(both, store.folder, disclose(both, ["heldout@" + "34" * 32]))
    earlier, _ = grade_pages(both, standings(both), gallery=gallery)
    assert earlier.retrieval.pictures == ()


def test_a_picture_that_is_not_the_recorded_one_is_left_out(suspected, store, found):
    (picture,) = suspected.retrieval.pictures
    (store.folder / picture.file).write_bytes(b"another")
    gallery = open_gallery([suspected], store.folder, disclose([suspected], ["heldout@" + "34" * 32]))
    assert (gallery.sources, gallery.lost) == ({}, (picture.file,))


def test_a_record_publishes_no_other_file_of_this_host(suspected, store, found, tmp_path):
    (tmp_path / "private.webp").write_bytes(CANARY)
    picture = replace(suspected.retrieval.pictures[0], file="../private.webp")
    report = replace(suspected, retrieval=found(pictures=(picture,)))
    gallery = open_gallery([report], store.folder, disclose([report], ["heldout@" + "34" * 32]))
    assert (gallery.sources, gallery.lost) == ({}, ("../private.webp",))
