"""Above a ranking stands who leads, by how much, and whether that is certain."""

from __future__ import annotations

import re

from leaderboard.ladder import announce
from leaderboard.leading import lead_of
from leaderboard.render import render
from leaderboard.standings import standings


def said(reports):
    """The sentence above the only board, as it is read."""
    html = render(standings(reports, announce(reports)))
    (line,) = re.findall('<p class="lead-line">(.*?)</p>', html, re.DOTALL)
    return " ".join(re.sub("<[^>]+>", "", line).split())


def test_a_leader_apart_from_all_others_is_named_with_its_lead(grades):
    reports = [grades.graded(user="b", loss=9.0), grades.graded(user="a", loss=8.25)]
    assert said(reports) == (
        "first by a leads with 8.25 nats per token (11.90 bits); first by b, 0.75 behind, is worse by more than noise."
    )


def test_of_those_that_cannot_be_told_apart_nobody_leads_for_certain(grades):
    reports = [grades.graded(user=name, loss=loss) for name, loss in (("a", 8.25), ("b", 8.3), ("c", 9.0))]
    assert said(reports) == (
        "No certain leader. first by a has the lowest loss, 8.25 nats per token (11.90 bits), but the first 2 cannot "
        "be told apart; first by c, 0.75 behind, is the first that can be."
    )
    assert said(reports[:2]).endswith("but the first 2 cannot be told apart.")


def test_a_lone_entry_leads_nobody(grades):
    assert said([grades.graded(loss=8.25)]).endswith("it is the only entry with a rank.")


def test_where_nothing_has_a_rank_nothing_is_said(grades):
    reports = [grades.graded(loss=1.0, facts={"forbidden_reference": True})]
    (board,) = standings(reports, announce(reports)).boards
    assert lead_of(board) is None
    assert 'lead-line">' not in render(standings(reports, announce(reports)))
