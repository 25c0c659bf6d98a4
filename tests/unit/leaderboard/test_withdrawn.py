"""A grade that the organiser took back: visible, without rank, with its reason, and in nobody's way."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest

from harness.results.store import Store
from harness.results.withdrawals import Move, Withdrawal, withdraw
from leaderboard.changelog import Kind, changelog
from leaderboard.grade_pages import grade_pages
from leaderboard.ladder import Announcements, announce
from leaderboard.publish import publish
from leaderboard.render import render, render_grade
from leaderboard.standings import standings
from leaderboard.withdrawn import Struck, struck_out


def struck(report, reason="scored on the wrong data", **more):
    return Struck(grade_id=report.grade_id, at="2025-02-03T00:00:00+00:00", reason=reason, **more)


def after(*decisions):
    """What is announced where nothing is private and this was decided."""
    return Announcements(withdrawn=struck_out(decisions))


def rows(shown):
    return [(row.report.entry.entry_name, row.rank) for row in shown.boards[0].rows]


def test_it_has_no_rank_and_takes_none_from_others(grades):
    """The control is Mark.WITHDRAWN in `UNRANKED`; its twin is the same board before the decision."""
    bad, good = grades.seen(0.1, user="a", entry="bad", loss=7.0), grades.seen(0.3, entry="good", loss=8.5)
    assert rows(standings([bad, good])) == [("bad", 1), ("good", 2)]
    shown = standings([bad, good], after(struck(bad)))
    assert rows(shown) == [("bad", None), ("good", 1)]
    assert [row.rank for row in shown.sampling[0].rows] == [None, 1]
    assert '<tr class="unranked withdrawn"><td><td>a' in render(shown)


def test_a_restored_grade_ranks_again(grades):
    report = grades.graded()
    assert rows(standings([report], after(struck(report), struck(report, restored=True)))) == [("first", 1)]


def test_an_earlier_grade_of_the_entry_stands_in_its_place(grades):
    earlier, later = grades.graded(loss=9.0), grades.graded(loss=7.0)
    shown = standings([earlier, later], after(struck(later)))
    assert [row.report.grade_id for row in shown.boards[0].rows] == [earlier.grade_id]
    shown = standings([earlier, later], after(struck(earlier)))
    assert [row.report.grade_id for row in shown.boards[0].rows] == [later.grade_id]


def test_its_page_says_when_and_why(grades, hostile, read_page):
    reports = [grades.graded(), grades.graded(user="b", loss=8.0)]
    announced = after(struck(reports[0], reason=hostile))
    page = next(iter(grade_pages(reports, standings(reports, announced), announced=announced)))
    shown = read_page(render_grade(page))
    assert not {"script", "img", "iframe"} & {tag for tag, _ in shown.elements}
    text = " ".join("".join(shown.texts).split())
    assert "Withdrawn by the organiser on 2025-02-03:" in text
    assert "no rank, withdrawn, on heldout" in text


def test_a_withdrawn_best_is_nothing_to_beat_on_private_data(grades):
    """The control is the rung in `_climb`: with the mistake on it the honest grade would never be announced."""
    mistake, honest = grades.graded(loss=2.0), grades.graded(loss=8.0)
    reports = [mistake, honest]
    assert not announce(reports).is_announced(honest)
    announced = announce(reports, withdrawn=struck_out([struck(mistake)]))
    assert announced.is_announced(honest)
    assert announced.is_announced(mistake), "what was told is told"


def test_a_withdrawn_try_is_a_try(grades):
    """It is compared with the best before it, and a later one with that best too."""
    first, mistake, worse = grades.graded(loss=8.0), grades.graded(loss=7.0), grades.graded(loss=8.2)
    reports = [first, mistake, worse]
    announced = announce(reports, withdrawn=struck_out([struck(mistake)]))
    assert [announced.is_announced(report) for report in reports] == [True, True, False]


def test_the_changes_tell_of_it(grades):
    reports = [grades.graded(), grades.graded(user="b")]
    decisions = [struck(reports[0]), struck(reports[0], reason="it was right", restored=True)]
    changes = changelog(reports, decisions)
    assert [change.kind for change in changes] == [Kind.RESTORED, Kind.WITHDRAWN, Kind.GRADED, Kind.GRADED]
    assert changes[1].in_words == "first by ada was withdrawn on heldout: scored on the wrong data"
    assert len({change.name for change in changes}) == 4


def test_a_decision_about_a_grade_that_nobody_knows_of_is_no_change(grades):
    assert changelog([], [struck(grades.graded())]) == ()


@pytest.fixture
def site(grades, tmp_path):
    """A site after a withdrawal that is in the store."""
    store = Store(tmp_path / "store")
    reports = [grades.graded(loss=7.0), grades.graded(user="b", loss=8.5)]
    for report in reports:
        store.append(report)
    withdraw(
        store,
        Withdrawal(
            move=Move.WITHDRAWN, grade_id=reports[0].grade_id, by="SECRET", reason="copied <b>this</b>"
        ),
    )
    publish(store.reports(), tmp_path / "site", store=store.folder)
    return tmp_path / "site"


def test_the_site_says_it_everywhere_and_never_who_decided(site):
    files = {path.name: path.read_text("utf-8") for path in site.rglob("*") if path.is_file()}
    assert not [name for name, text in files.items() if "SECRET" in text]
    (grade,) = [name for name in files if name.endswith("00000001.json")]
    assert json.loads(files[grade])["withdrawn"]["reason"] == "copied <b>this</b>"
    assert re.search(
        "withdrawn on .*copied &lt;b&gt;this&lt;/b&gt;", files["changelog.html"].replace("\n", " ")
    )
    titles = [
        each.text for each in ET.fromstring(files["feed.xml"]).iter("{http://www.w3.org/2005/Atom}title")
    ]
    assert any("was withdrawn on heldout: copied <b>this</b>" in (title or "") for title in titles)
    board = json.loads(files["leaderboard.json"])["boards"][0]
    assert [(row["rank"], row["band"], "withdrawn" in row["marks"]) for row in board["rows"]] == [
        (None, None, True),
        (1, [1, 1], False),
    ]
