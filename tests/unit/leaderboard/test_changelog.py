"""What happened, grade by grade: on a page and as a feed."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

from harness.errors import Blame
from leaderboard.changelog import IN_FEED, Kind, changelog, to_atom
from leaderboard.publishable import publishable
from leaderboard.render import render_changelog

ATOM = "{http://www.w3.org/2005/Atom}"


def test_every_published_grade_is_a_change_and_the_latest_comes_first(grades):
    first = grades.graded(user="ada", entry="one")
    again = replace(grades.graded(user="ada", entry="one"), regrade_of=first.grade_id)
    ours = grades.failed(blame=Blame.OPERATOR, code="sandbox.failed")
    theirs = grades.failed(user="bob", entry="two", code="guest.closed")
    changes = changelog([first, again, ours, theirs])
    assert [change.kind for change in changes] == [Kind.STOPPED, Kind.REGRADED, Kind.GRADED]
    assert [change.grade_id for change in changes] == [theirs.grade_id, again.grade_id, first.grade_id]
    assert changes[0].stopped_by == "guest.closed"
    assert changes[1].regrade_of == first.grade_id


def test_a_change_tells_no_figure(grades):
    """The control is what a change has fields for: a figure here would slip past what the boards hold back."""
    (change,) = changelog([grades.graded(loss=8.1234)])
    assert "8.12" not in render_changelog([change])
    assert b"8.12" not in to_atom([change], grades="grades")


def test_the_feed_is_what_readers_of_feeds_expect(grades):
    reports = [grades.graded(entry="a < b & c"), grades.failed()]
    feed = ET.fromstring(to_atom(changelog(reports), grades="grades"))
    assert feed.tag == f"{ATOM}feed"
    assert feed.findtext(f"{ATOM}updated") == publishable(reports[1]).finished_at
    entries = feed.findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}updated") for entry in entries] == [
        publishable(report).finished_at for report in reversed(reports)
    ]
    assert "a < b & c" in (entries[1].findtext(f"{ATOM}title") or "")
    assert entries[1].find(f"{ATOM}link").get("href") == f"grades/{reports[0].grade_id}.html"
    ids = [entry.findtext(f"{ATOM}id") for entry in (feed, *entries)]
    assert len(set(ids)) == len(ids)


def test_the_feed_ends_somewhere_and_the_page_does_not(grades):
    changes = changelog([grades.graded() for _ in range(IN_FEED + 1)])
    assert len(ET.fromstring(to_atom(changes, grades="grades")).findall(f"{ATOM}entry")) == IN_FEED
    assert render_changelog(changes).count("<tr>") == IN_FEED + 2


def test_an_empty_store_has_a_page_and_a_feed():
    assert "Nothing was graded yet" in render_changelog([])
    assert ET.fromstring(to_atom([], grades="grades")).findtext(f"{ATOM}updated")


def test_hostile_names_stay_text(grades, hostile, read_page):
    changes = changelog([grades.graded(user=hostile, entry=hostile)])
    page = read_page(render_changelog(changes))
    assert not {"script", "img", "iframe"} & {tag for tag, _ in page.elements}
    ET.fromstring(to_atom(changes, grades="grades"))
