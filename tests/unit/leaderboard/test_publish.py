"""The site's files are complete or not there, and depend on nothing but the grades."""

from __future__ import annotations

import json
import os
import resource
from dataclasses import replace

import pytest

from harness import workers
from harness.errors import Blame, OutputFailed, StoreFailed
from leaderboard import publish as publish_module
from leaderboard.exports import to_json
from leaderboard.publish import publish
from leaderboard.render import render
from leaderboard.spreadsheet import to_csv

FILES = ["changelog.html", "feed.xml", "index.html", "leaderboard.csv", "leaderboard.json", "rules.html",
         "sampling.html"]  # fmt: skip


def contents(site):
    return {
        str(path.relative_to(site)): path.read_bytes() for path in sorted(site.rglob("*")) if path.is_file()
    }


def pages_of(reports):
    return sorted(f"grades/{report.grade_id}.{kind}" for report in reports for kind in ("html", "json"))


def test_the_site_shows_the_same_standings_in_three_files_and_has_two_for_every_grade(grades, tmp_path):
    reports = [grades.graded(), grades.failed()]
    shown = publish(reports, tmp_path / "a" / "site")
    site = contents(tmp_path / "a" / "site")
    assert list(site) == sorted(pages_of(reports) + FILES)
    assert json.loads(site["leaderboard.json"]) == to_json(shown)
    assert site["leaderboard.csv"].decode() == to_csv(shown)
    assert site["index.html"].decode() == render(shown)


def test_publishing_twice_gives_the_same_bytes(grades, tmp_path):
    reports = [grades.graded(), grades.graded(user="b", loss=8.2), grades.failed()]
    publish(reports, tmp_path / "one")
    publish(reports, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_many_grades_are_written_by_all_cores_and_no_byte_is_another(grades, tmp_path, monkeypatch):
    reports = [grades.graded(user=f"user{number}", loss=8.0 + number / 10) for number in range(9)]
    publish(reports, tmp_path / "one")
    write, seen = publish_module._write_grade, tmp_path / "processes"
    seen.mkdir()

    def write_and_tell(page, site):
        (seen / str(os.getpid())).touch()
        return write(page, site)

    monkeypatch.setattr(publish_module, "_write_grade", write_and_tell)
    monkeypatch.setattr(publish_module, "_WORTH_A_PROCESS", 2)
    monkeypatch.setattr(workers, "cores", lambda: 3)
    publish(reports, tmp_path / "many")
    assert contents(tmp_path / "one") == contents(tmp_path / "many")
    assert seen / str(os.getpid()) not in set(seen.iterdir()), "others wrote them"
    with pytest.raises(StoreFailed, match="cannot have a page") as caught:
        publish([*reports, replace(grades.graded(), grade_id="../x")], tmp_path / "bad")
    assert caught.value.code == "store.bad_record"


def test_other_files_in_the_folder_are_left_alone(grades, tmp_path):
    (tmp_path / "CNAME").write_text("example.org")
    reports = [grades.graded()]
    publish(reports, tmp_path)
    assert list(contents(tmp_path)) == sorted(["CNAME", *pages_of(reports), *FILES])


def test_a_page_that_cannot_be_finished_leaves_the_old_one(grades, tmp_path):
    publish([grades.graded()], tmp_path)
    before = contents(tmp_path)
    usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, most))  # the first page breaks off in the middle
    try:
        with pytest.raises(OutputFailed, match="File too large"):
            publish([grades.graded(user="b")], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))
    assert {name: contents(tmp_path)[name] for name in before} == before


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
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}


def test_a_reader_of_the_old_page_keeps_the_old_page(grades, tmp_path):
    publish([grades.graded()], tmp_path)
    before = contents(tmp_path)["index.html"]
    with (tmp_path / "index.html").open("rb") as reader:
        publish([grades.graded(user="somebody-else")], tmp_path)
        assert reader.read() == before
    assert contents(tmp_path)["index.html"] != before


@pytest.mark.parametrize("blame", list(Blame))
def test_only_a_failure_of_the_entry_has_a_page(grades, tmp_path, blame):
    publish([grades.failed(blame=blame)], tmp_path)
    assert bool(list((tmp_path / "grades").iterdir())) is (blame is Blame.ENTRY)


@pytest.mark.parametrize("grade_id", ["../../etc/passwd", "a/b", "", ".", "a\x00b", "x" * 65, '"><script>'])
def test_an_id_that_is_no_file_name_writes_no_file(grades, tmp_path, grade_id):
    with pytest.raises(StoreFailed) as caught:
        publish([replace(grades.graded(), grade_id=grade_id)], tmp_path / "site")
    assert caught.value.code == "store.bad_record"
    assert not contents(tmp_path)


def test_a_page_that_has_not_changed_is_not_written_again(grades, tmp_path):
    reports = [grades.graded(), grades.graded(user="b", loss=8.2)]
    publish(reports, tmp_path)
    written = {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()}
    publish(reports, tmp_path)
    assert {path: path.stat().st_ino for path in tmp_path.rglob("*") if path.is_file()} == written
