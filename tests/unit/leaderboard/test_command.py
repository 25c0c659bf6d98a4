"""`wmc leaderboard` writes the site and shows the ranking on stdout."""

from __future__ import annotations

import argparse
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from harness.cli import leaderboard as command
from harness.cli.console import Console
from harness.cli.grade_view import show_report
from harness.errors import Blame, StoreFailed, UsageError
from harness.protocol.regimes import Regime
from harness.results.store import Store


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    """Runs the command on a store with `reports`; returns (stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(*options, reports=()):
        for report in reports:
            Store(tmp_path / "store").append(report)
        parser = argparse.ArgumentParser()
        command.register(parser.add_subparsers())
        args = parser.parse_args(
            ["leaderboard", "--store", str(tmp_path / "store"), "-o", str(tmp_path / "site"), *options]
        )
        args.run(args, Console())
        return capsys.readouterr()

    run.capsys = capsys
    return run


def test_the_ranking_is_on_stdout_and_the_page_is_named_on_stderr(run, grades):
    shown = run(reports=[grades.graded(loss=9.5), grades.graded(user="bob", loss=9.0), grades.failed()])
    assert re.search(r"1  bob/first +9\.00 +8\.95 to 9\.05 +0\.032 +9\.30 +\u2013", shown.out)
    assert re.search(r"2  ada/first +9\.50", shown.out)
    assert max(map(len, shown.out.splitlines())) <= 80
    assert "index.html" in shown.err.replace("\n", "")
    assert "1 grade(s) stopped by their entry" in shown.err
    assert "another reason" not in shown.err


def test_of_a_long_ranking_the_first_are_shown_and_the_others_counted(run, grades, monkeypatch):
    monkeypatch.setattr(command, "_ROWS", 2)
    reports = [
        grades.seen(0.2, loss=9 + number / 10, entry=f"e{number}", provenance={"data_name": "val"})
        for number in range(4)
    ]
    shown = run(reports=reports)
    assert re.findall(r"ada/(e\d)", shown.out) == ["e0", "e1"] * 2
    assert shown.out.count("the first 2 of 4; all are on the page, and in --json") == 2


def test_an_edited_record_is_not_published(run, grades, tmp_path):
    """The control is `require_as_recorded` before anything is written; the twin is the page of the whole store."""
    run(reports=[grades.graded(), grades.graded(user="bob")])
    page = (tmp_path / "site" / "index.html").read_bytes()
    with closing(sqlite3.connect(tmp_path / "store" / "grades.sqlite")) as database, database:
        database.execute("DROP TRIGGER grades_are_not_edited")
        database.execute("UPDATE grades SET report = replace(report, '9.0', '7.0') WHERE number = 1")
    with pytest.raises(StoreFailed, match="row 1") as caught:
        run()
    assert caught.value.code == "store.not_as_recorded"
    assert (tmp_path / "site" / "index.html").read_bytes() == page, "what was published stays"


def test_the_sampling_track_is_on_stdout_too(run, grades):
    val = {"data_name": "val"}
    seen = [
        grades.seen(lpips, entry=entry, provenance=val)
        for lpips, entry in ((0.3, "a"), (0.2, "b"), (None, "c"))
    ]
    shown = run(reports=seen)
    assert re.search(r"1  ada/b +0\.2000 +0\.1877 to 0\.2100 +0\.2000 +20\.00 +\u2013", shown.out)
    assert re.search(r"2  ada/a +0\.3000", shown.out)
    assert re.search(r"    ada/c +\u2013 +\u2013 +\u2013 +20\.00", shown.out)
    assert "24 windows, no LPIPS: not ranked" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80


def test_the_organiser_hears_of_what_the_page_does_not_say(run, grades):
    sent = [{"email_sha256": "1" * 64}, {"email_sha256": "2" * 64}]
    taken = grades.graded(facts=sent[1])
    failures = [grades.failed(blame=blame) for blame in (Blame.OPERATOR, Blame.USAGE, Blame.BUG)]
    shown = run(reports=[grades.graded(facts=sent[0]), taken, *failures])
    assert f"ada/first (grade {taken.grade_id}) came from another e-mail address" in shown.err
    assert "3 grade(s) stopped by no fault of their entry" in shown.err
    assert "by their entry" not in shown.err


def test_the_organiser_hears_of_suspicions_but_not_of_what_declares_itself(run, grades, found):
    val = {"data_name": "val"}
    suspected = grades.graded(entry="suspected", retrieval=found(), provenance=val)
    declared = grades.graded(
        entry="declared", retrieval=found(), facts={"forbidden_reference": True}, provenance=val
    )
    shown = run(reports=[grades.graded(entry="other", provenance=val), suspected, declared])
    said = [line for line in shown.err.splitlines() if "retrieval: " in line]
    assert len(said) == 1
    assert f"ada/suspected (grade {suspected.grade_id}) has the badge retrieval: copied" in said[0]
    assert re.search(r"\n +ada/declared", shown.out), "without a rank"


def test_an_interval_is_what_grade_says_it_is(run, grades):
    """8.41447 is 8.4145, whichever command prints it."""
    report = grades.graded(provenance={"data_name": "val"})
    ranked = Regime.TEMPORALLY_TEACHER_FORCED
    exact = replace(report.regimes[ranked], loss_ci=(8.41447, 9.04096))
    report = replace(report, regimes={**report.regimes, ranked: exact})
    assert "8.4145 to 9.0410" in run(reports=[report]).out
    show_report(report, Console(), as_json=False)
    assert "8.4145 to 9.0410" in run.capsys.readouterr().out


def test_markup_and_escapes_in_a_name_are_shown_not_obeyed(run, grades):
    shown = run(reports=[grades.graded(entry="[bold]x[/bold]\x1b[31m")])
    assert "[bold]x[/bold]" in shown.out
    assert "\x1b" not in shown.out


def test_json_is_what_the_file_holds(run, grades, tmp_path):
    shown = run("--json", reports=[grades.graded()])
    assert json.loads(shown.out) == json.loads((tmp_path / "site" / "leaderboard.json").read_text())


def test_a_store_that_is_not_there_leaves_the_page_alone(run, grades, tmp_path):
    run(reports=[grades.graded()])
    before = (tmp_path / "site" / "index.html").read_bytes()
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreFailed) as caught:
        run()
    assert caught.value.code == "store.missing"
    assert not (tmp_path / "store").exists()
    assert (tmp_path / "site" / "index.html").read_bytes() == before


def test_an_empty_store_says_what_to_do_next(run, grades, tmp_path):
    shown = run(reports=[grades.failed(blame=Blame.OPERATOR)])
    assert shown.out == ""
    assert "wmc grade" in shown.err
    assert (tmp_path / "site" / "index.html").exists()


@pytest.mark.parametrize("place", ["store", "store/site", "."])
def test_a_site_that_would_be_published_with_the_store_is_refused(run, grades, tmp_path, place):
    """Control: the two folders lie apart, for the store has exact figures, predictions and logs."""
    with pytest.raises(UsageError) as caught:
        run("-o", str(tmp_path / place), reports=[grades.graded()])
    assert caught.value.code == "usage.site_in_store"
    assert not list(tmp_path.rglob("index.html"))


def test_a_site_in_another_store_is_refused(run, grades, tmp_path):
    Store(tmp_path / "other").append(grades.graded())
    with pytest.raises(UsageError, match="holds a store of records") as caught:
        run("-o", str(tmp_path / "other"), reports=[grades.graded()])
    assert caught.value.code == "usage.site_in_store"
    assert not list(tmp_path.rglob("index.html"))


def test_a_row_without_a_rank_says_why_on_stdout_too(run, grades):
    shown = run(reports=[grades.graded(), grades.seen(0.2, user="eve", facts={"forbidden_reference": True})])
    assert len(re.findall(r"    eve/first \(forbidden reference\) ", shown.out)) == 2
