"""The site's files are complete or not there, and depend on nothing but the grades."""

from __future__ import annotations

import json
import os

import pytest

from harness.errors import OutputFailed
from leaderboard.exports import to_csv, to_json
from leaderboard.publish import publish
from leaderboard.render import render

FILES = ["index.html", "leaderboard.csv", "leaderboard.json"]


def contents(site):
    return {path.name: path.read_bytes() for path in sorted(site.iterdir())}


def test_the_site_is_three_files_that_show_the_same_standings(grades, tmp_path):
    shown = publish([grades.graded(), grades.failed()], tmp_path / "a" / "site")
    site = contents(tmp_path / "a" / "site")
    assert list(site) == FILES
    assert json.loads(site["leaderboard.json"]) == to_json(shown)
    assert site["leaderboard.csv"].decode() == to_csv(shown)
    assert site["index.html"].decode() == render(shown)


def test_publishing_twice_gives_the_same_bytes(grades, tmp_path):
    reports = [grades.graded(), grades.graded(user="b", loss=8.2), grades.failed()]
    publish(reports, tmp_path / "one")
    publish(reports, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_other_files_in_the_folder_are_left_alone(grades, tmp_path):
    (tmp_path / "CNAME").write_text("example.org")
    publish([grades.graded()], tmp_path)
    assert list(contents(tmp_path)) == ["CNAME", *FILES]


def test_a_page_that_cannot_be_finished_leaves_the_old_one(grades, tmp_path, monkeypatch):
    publish([grades.graded()], tmp_path)
    before = contents(tmp_path)

    def no_space(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OutputFailed, match="No space left"):
        publish([grades.graded(user="b")], tmp_path)
    monkeypatch.undo()
    assert {name: contents(tmp_path)[name] for name in FILES} == before


def test_a_folder_that_cannot_be_made_is_the_operators_to_fix(grades, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFailed) as caught:
        publish([grades.graded()], tmp_path / "file" / "site")
    assert caught.value.code == "leaderboard.unwritable"


def test_a_web_server_of_another_user_may_read_the_files(grades, tmp_path):
    mask = os.umask(0o022)
    try:
        publish([grades.graded()], tmp_path)
    finally:
        os.umask(mask)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o644}


def test_a_reader_of_the_old_page_keeps_the_old_page(grades, tmp_path):
    publish([grades.graded()], tmp_path)
    before = contents(tmp_path)["index.html"]
    with (tmp_path / "index.html").open("rb") as reader:
        publish([grades.graded(user="somebody-else")], tmp_path)
        assert reader.read() == before
    assert contents(tmp_path)["index.html"] != before
