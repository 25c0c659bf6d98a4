"""A grade that the organiser took back: visible, without rank, with its reason, and in nobody's way."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from harness.protocol.regimes import Regime
from harness.results.store import Store
from harness.results.withdrawals import Move, Withdrawal, withdraw
from leaderboard import ladder
from leaderboard.changelog import Kind, changelog
from leaderboard.exports import grade_to_json
from leaderboard.figures import COARSE
from leaderboard.grade_pages import grade_pages
from leaderboard.ladder import Announcements, announce
from leaderboard.publish import publish
from leaderboard.render import render, render_grade
from leaderboard.standings import standings
from leaderboard.withdrawn import published_decisions, struck_out

DAY = "2025-02-03"


def decided(report, reason="scored on the wrong data", move=Move.WITHDRAWN, at=f"{DAY}T12:00:00+00:00"):
    return Withdrawal(move=move, grade_id=report.grade_id, by="rita", reason=reason, at=at)


def restored(report, **more):
    return decided(report, move=Move.RESTORED, **more)


def after(reports, *decisions):
    """What is announced where nothing is private and this was decided."""
    return Announcements(withdrawn=struck_out(decisions, reports))


def rows(shown):
    return [(row.report.entry.entry_name, row.rank) for row in shown.boards[0].rows]


def test_it_has_no_rank_and_takes_none_from_others(grades):
    """The control is Mark.WITHDRAWN in `UNRANKED`; its twin is the same board before the decision."""
    bad, good = grades.seen(0.1, user="a", entry="bad", loss=7.0), grades.seen(0.3, entry="good", loss=8.5)
    assert rows(standings([bad, good])) == [("bad", 1), ("good", 2)]
    shown = standings([bad, good], after([bad, good], decided(bad)))
    assert rows(shown) == [("bad", None), ("good", 1)]
    assert [row.rank for row in shown.sampling[0].rows] == [None, 1]
    assert '<tr class="unranked withdrawn"><td><td>a' in render(shown)


def test_a_restored_grade_ranks_again(grades):
    report = grades.graded()
    assert rows(standings([report], after([report], decided(report), restored(report)))) == [("first", 1)]


@pytest.mark.parametrize("which", [0, 1], ids=["the earlier", "the later"])
def test_another_grade_of_the_entry_ranks_and_the_withdrawn_one_stays_to_be_seen(grades, which):
    """The control is the place of its own that `counting` gives to what was withdrawn; with the entry's place alone it
    would vanish from the board."""
    reports = [grades.seen(0.3, entry="e", loss=9.0), grades.seen(0.2, entry="e", loss=7.0)]
    taken_back, other = reports[which], reports[1 - which]
    shown = standings(reports, after(reports, decided(taken_back)))
    for board in (shown.boards[0], shown.sampling[0]):
        assert {row.report.grade_id: row.rank for row in board.rows} == {
            other.grade_id: 1,
            taken_back.grade_id: None,
        }
    assert "1 entry, 1 withdrawn without a rank" in " ".join(render(shown).split())


def test_a_regrade_of_a_withdrawn_grade_is_withdrawn_and_says_of_which(grades, read_page):
    """The control is `withdrawals.withdrawn`, which goes on to regrades."""
    first = grades.graded(loss=7.0)
    again = replace(first, grade_id="20250301-000000-00000009", regrade_of=first.grade_id)
    reports = [first, again]
    shown = standings(reports, announced := after(reports, decided(first)))
    assert [(row.report.grade_id, row.rank) for row in shown.boards[0].rows] == [(again.grade_id, None)]
    *_, page = grade_pages(reports, shown, announced=announced)
    text = " ".join("".join(read_page(render_grade(page)).texts).split())
    assert f"This was decided of {first.grade_id}, whose answers are scored again here." in text
    assert grade_to_json(page)["withdrawn"]["grade_id"] == first.grade_id
    shown = standings(reports, after(reports, decided(first), restored(again)))
    assert [(row.report.grade_id, row.rank) for row in shown.boards[0].rows] == [
        (first.grade_id, None),
        (again.grade_id, 1),
    ]


def test_its_page_says_when_and_why(grades, hostile, read_page):
    reports = [grades.graded(), grades.graded(user="b", loss=8.0)]
    announced = after(reports, decided(reports[0], reason=hostile))
    page = next(iter(grade_pages(reports, standings(reports, announced), announced=announced)))
    shown = read_page(render_grade(page))
    assert not {"script", "img", "iframe"} & {tag for tag, _ in shown.elements}
    text = " ".join("".join(shown.texts).split())
    assert "Withdrawn by the organiser on 2025-02-03:" in text
    assert "no rank, withdrawn, on heldout" in text


def test_a_withdrawn_best_is_nothing_to_beat_for_what_comes_later(grades):
    """The control is `_Known` in `_climb`: with the mistake on the rung the honest grade would never be announced."""
    mistake, honest = grades.graded(loss=2.0), graded_on(grades, f"{DAY}T13:00:00+00:00", loss=8.0)
    reports = [mistake, honest]
    assert not announce(reports).is_announced(honest)
    announced = announce(reports, decisions=[decided(mistake)])
    assert announced.is_announced(honest)
    assert announced.is_announced(mistake), "what was told is told"


def graded_on(grades, moment, **facts):
    return replace(grades.graded(**facts), finished_at=moment)


def test_a_withdrawal_brings_out_no_older_grade_and_takes_no_crossing_away(grades):
    """The control is the time of a decision in `_Known`; with today's withdrawals applied to the past, eve's grade of
    January would come out in February, dated before the one that was announced as the first below 8.0."""
    mistake, held_back = grades.graded(user="eve", loss=7.0), grades.graded(user="eve", loss=7.5)
    first = graded_on(grades, "2025-01-20T00:00:00+00:00", user="ada", loss=7.8)
    reports = [mistake, held_back, first]
    for decisions in ((), (decided(mistake),), (decided(mistake), restored(mistake))):
        announced = announce(reports, decisions=decisions)
        assert [announced.is_announced(each) for each in reports] == [True, False, True]
    (board,) = standings(reports, announce(reports, decisions=[decided(mistake)])).boards
    assert board.crossing.report.grade_id == first.grade_id


def test_what_was_announced_while_a_better_one_was_withdrawn_stays_announced(grades):
    """A restoration is a decision of its day too; and both stand before what comes later."""
    better, honest = grades.graded(loss=7.0), graded_on(grades, "2025-02-04T00:00:00+00:00", loss=8.0)
    later = graded_on(grades, "2025-02-06T00:00:00+00:00", loss=7.5)
    decisions = [decided(better), restored(better, at="2025-02-05T00:00:00+00:00")]
    announced = announce([better, honest, later], decisions=decisions)
    assert [announced.is_announced(each) for each in (better, honest, later)] == [True, True, False]


def test_a_grade_that_was_not_announced_comes_out_when_it_is_scored_again(grades):
    mistake, held_back = grades.graded(loss=7.0), grades.graded(loss=7.5)
    again = replace(
        held_back,
        grade_id="20250301-000000-00000009",
        finished_at="2025-03-01T00:00:00+00:00",
        regrade_of=held_back.grade_id,
    )
    announced = announce([mistake, held_back, again], decisions=[decided(mistake)])
    assert [announced.is_announced(each) for each in (mistake, held_back, again)] == [True, False, True]


def test_a_withdrawn_regrade_leaves_its_first_record_to_be_beaten(grades):
    """The control is `_Rung.standing`: were the record that was scored again forgotten, anything would be announced."""
    first = grades.graded(loss=8.0)
    again = replace(graded_on(grades, "2025-01-20T00:00:00+00:00", loss=9.0), regrade_of=first.grade_id)
    later = graded_on(grades, "2025-03-01T00:00:00+00:00", loss=8.5)
    reports = [first, again, later]
    assert announce(reports).is_announced(later), "by today's scoring the first is a 9.0"
    assert not announce(reports, decisions=[decided(again)]).is_announced(later)


def test_a_withdrawn_try_is_a_try(grades):
    """It is compared with the best before it, and a later one with that best too."""
    first, mistake = grades.graded(loss=8.0), grades.graded(loss=7.0)
    worse = graded_on(grades, "2025-03-01T00:00:00+00:00", loss=8.2)
    reports = [first, mistake, worse]
    announced = announce(reports, decisions=[decided(mistake)])
    assert [announced.is_announced(report) for report in reports] == [True, True, False]


def sent_one_a_day(grades, losses_NB):
    """Grades of one entrant that come day after day, as good as their losses by window."""
    return [
        with_windows(
            graded_on(grades, f"2025-03-{day:02}T00:00:00+00:00", loss=float(np.mean(losses_B))), losses_B
        )
        for day, losses_B in enumerate(losses_NB, start=1)
    ]


def with_windows(report, losses_B):
    regime = Regime.TEMPORALLY_TEACHER_FORCED
    result = replace(
        report.regimes[regime],
        loss_by_window=tuple(map(float, losses_B)),
        windows=len(losses_B),
        tokens_sha256=report.grade_id.rjust(64, "0"),
    )
    return replace(report, regimes={**report.regimes, regime: result})


def every_best_withdrawn(reports):
    """Each grade is taken back at the evening of its day, as its entrant asks."""
    return [decided(each, at=each.finished_at.replace("T00", "T20")) for each in reports]


def announced_means(reports, decisions):
    announced = announce(reports, decisions=decisions)
    return [
        np.mean(each.regimes[Regime.TEMPORALLY_TEACHER_FORCED].loss_by_window)
        for each in reports
        if announced.is_announced(each)
    ]


@pytest.mark.parametrize("controlled", [True, False])
def test_withdrawals_do_not_switch_the_ladder_off(grades, monkeypatch, controlled):
    """The control is what `_climb` asks of `taken_back`: thirty tries that only noise tells apart, each withdrawn, are
    told once and not thirty times, of which the best would be luck."""
    rng = np.random.default_rng(3)
    model_B = rng.normal(8.5, 0.6, 200)
    reports = sent_one_a_day(grades, model_B + rng.normal(0, 0.3, (30, 200)))
    if not controlled:
        monkeypatch.setattr(ladder, "_is_news", lambda *_same: True)
    told = announced_means(reports, every_best_withdrawn(reports))
    assert len(told) == (1 if controlled else 30)
    assert bool(told[0] - min(told) < COARSE.step) is controlled


def test_what_differs_from_a_withdrawn_grade_by_more_than_noise_is_told(grades):
    """An improvement, and a grade that is worse: the withdrawn one may have been a mistake."""
    rng = np.random.default_rng(3)
    model_B = rng.normal(8.5, 0.6, 200)
    for step in (-0.3, 0.3):
        reports = sent_one_a_day(grades, [model_B, model_B + step + rng.normal(0, 0.3, 200)])
        assert len(announced_means(reports, every_best_withdrawn(reports))) == 2


def test_who_is_told_of_a_worse_grade_first_gains_nothing(grades):
    """Noise around the withdrawn grade beats a poor one that stands; the withdrawn one it does not beat."""
    rng = np.random.default_rng(3)
    model_B = rng.normal(8.5, 0.6, 200)
    tries_NB = model_B + rng.normal(0, 0.3, (20, 200))
    reports = sent_one_a_day(grades, [model_B, model_B + 0.5, *tries_NB])
    told = announced_means(reports, [decided(reports[0], at="2025-03-01T20:00:00+00:00")])
    assert len(told) == 2
    assert min(told) == told[0]


def test_the_changes_tell_of_it(grades):
    reports = [grades.graded(), grades.graded(user="b")]
    decisions = [decided(reports[0]), restored(reports[0], reason="it was right")]
    changes = changelog(reports, published_decisions(decisions))
    assert [change.kind for change in changes] == [Kind.RESTORED, Kind.WITHDRAWN, Kind.GRADED, Kind.GRADED]
    assert changes[1].in_words == "first by ada was withdrawn on heldout: scored on the wrong data"
    assert len({change.name for change in changes}) == 4


def test_a_decision_about_a_grade_that_nobody_knows_of_is_no_change(grades):
    assert changelog([], published_decisions([decided(grades.graded())])) == ()


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
