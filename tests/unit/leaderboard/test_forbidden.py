"""What breaks rule 5 on purpose stands where its loss would, and is nobody's rival: no rank, no prize, no record."""

from __future__ import annotations

import re

import pytest

from leaderboard import charts
from leaderboard.exports import to_json
from leaderboard.grade_pages import grade_pages
from leaderboard.marks import Mark
from leaderboard.references import PRIZE
from leaderboard.render import render, render_grade, render_sampling
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import standings

FORBIDDEN = {"forbidden_reference": True}


def unranked_rows(html):
    """What stands in the rows that are marked as having no rank."""
    rows = re.findall(r"<tr([^>]*)>(.*?)(?=<tr|</tbody>)", html, flags=re.DOTALL)
    return [row for attributes, row in rows if attributes == ' class="unranked forbidden_reference"']


@pytest.fixture
def reports(grades):
    """Two honest entries, and one between them that copies and says so; it is the best of all where it imagines."""
    return [
        grades.seen(0.3, entry="good", loss=7.0),
        grades.seen(0.1, entry="copier", loss=7.5, facts=FORBIDDEN),
        grades.seen(0.4, entry="fair", loss=7.9),
    ]


def test_it_has_no_rank_and_takes_none_from_others(reports):
    shown = standings(reports)
    by_loss = [(row.report.entry.entry_name, row.rank) for row in shown.boards[0].rows]
    assert by_loss == [("good", 1), ("copier", None), ("fair", 2)]
    by_lpips = [(row.report.entry.entry_name, row.rank) for row in shown.sampling[0].rows]
    assert by_lpips == [("copier", None), ("good", 1), ("fair", 2)]


def test_without_its_declaration_it_would_be_ranked(grades):
    """The negative twin: nothing but the declaration keeps it from a rank."""
    shown = standings([grades.seen(0.3, entry="good", loss=7.0), grades.seen(0.1, entry="copier", loss=6.0)])
    assert [row.rank for row in shown.boards[0].rows] == [1, 2]
    assert [row.rank for row in shown.sampling[0].rows] == [1, 2]


def test_its_row_is_marked_and_has_no_mark_of_the_prize(reports, read_page):
    html = render(standings(reports))
    rows = unranked_rows(html) + unranked_rows(render_sampling(standings(reports)))
    assert len(rows) == 2
    for row in rows:
        assert Mark.FORBIDDEN_REFERENCE.label in row
        assert row.startswith("<td><td>"), "no rank"
        assert "prize" not in row
    assert f'below\n    <strong class="prize-figure">{PRIZE.loss}' in html
    assert "2 entries, 1 forbidden reference without a rank" in " ".join(html.split())


def test_its_loss_leaves_the_others_their_axis(grades):
    honest = [grades.seen(0.3, entry="good", loss=7.0), grades.seen(0.4, entry="fair", loss=7.9)]
    alone, beside = (
        standings([*honest, *others]) for others in ([], [grades.seen(0.01, loss=0.1, facts=FORBIDDEN)])
    )
    assert charts.scales(alone.boards[0]).interval == charts.scales(beside.boards[0]).interval
    assert (
        charts.sampling_scales(alone.sampling[0]).interval
        == charts.sampling_scales(beside.sampling[0]).interval
    )
    rows = unranked_rows(render(beside)) + unranked_rows(render_sampling(beside))
    assert ["class=w" in row for row in rows] == [False, False]


def test_others_rows_look_as_ever(grades):
    assert unranked_rows(render(standings([grades.seen(0.3)]))) == []


def test_it_is_nobodys_rival_on_a_chart(reports):
    pages = {page.report.entry.entry_name: page for page in grade_pages(reports, standings(reports))}
    assert [curve.name for curve in pages["good"].metrics[0].curves] == ["this entry", "fair"]
    assert [curve.name for curve in pages["copier"].metrics[0].curves] == ["this entry", "good", "fair"]


def test_its_page_says_what_it_is_and_counts_the_others(reports):
    pages = {page.report.entry.entry_name: page for page in grade_pages(reports, standings(reports))}
    html = render_grade(pages["copier"])
    assert [(place.rank, place.entries) for place in pages["copier"].places] == [(None, 2), (None, 2)]
    assert html.count("no rank, forbidden reference") == 2
    assert "it breaks rule 5 on purpose" in html
    assert [(place.rank, place.entries) for place in pages["fair"].places] == [(2, 2), (2, 2)]


def test_machines_are_told_too(reports):
    shown = standings(reports)
    rows = to_json(shown)["boards"][0]["rows"]
    assert [(row["rank"], "forbidden_reference" in row["marks"]) for row in rows] == [
        (1, False),
        (None, True),
        (2, False),
    ]
    header, *lines = to_csv(shown).splitlines()
    ranks = [dict(zip(header.split(","), line.split(","), strict=True))["rank"] for line in lines[:3]]
    assert ranks == ["1", "", "2"]


def test_a_board_of_forbidden_references_alone_ranks_nobody(grades):
    shown = standings([grades.seen(0.1, facts=FORBIDDEN)])
    assert [row.rank for row in shown.boards[0].rows + shown.sampling[0].rows] == [None, None]
    assert shown.sampling[0].why_unranked == ()
    assert "0 entries, 1 forbidden reference" in " ".join(render(shown).split())
