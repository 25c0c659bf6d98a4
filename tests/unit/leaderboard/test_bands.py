"""Ranks that cannot be told apart are one band, and of private data a band says no more than what is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.protocol.regimes import Regime
from leaderboard.bands import Band, bands
from leaderboard.exports import to_json
from leaderboard.ladder import announce
from leaderboard.render import render
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import standings

TTF = Regime.TEMPORALLY_TEACHER_FORCED


def written(band):
    """As the page has it, with a hyphen."""
    return str(band or "").replace("\N{EN DASH}", "-")


def bands_of(shown):
    (board,) = shown.boards
    return [written(row.band) for row in board.rows]


@pytest.fixture
def field(scored):
    """Three entries on the same windows: two alike but for noise, one worse by half a spread of the windows."""
    rng = np.random.default_rng(4)
    windows_B = rng.normal(9.0, 0.4, 200)
    offsets = {"a": 0.0, "b": 0.002, "c": 0.2}
    made = [
        scored(windows_B + offset + rng.normal(0, 0.05, 200), user=user, provenance={"data_name": "val"})
        for user, offset in offsets.items()
    ]
    return [wide(report) for report in made]


def wide(report):
    """The same with an interval as wide as the spread of windows makes it."""
    result = report.regimes[TTF]
    result = replace(result, loss_ci=(result.loss - 0.3, result.loss + 0.3))
    return replace(report, regimes={**report.regimes, TTF: result})


def test_entries_that_nothing_tells_apart_share_a_band():
    assert [written(band) for band in bands([1, 2, 3], lambda *_: False)] == ["1-3"] * 3
    assert [written(band) for band in bands([1, 2, 3], lambda *_: True)] == ["1", "2", "3"]
    assert bands([], lambda *_: True) == []


def test_a_band_is_measured_from_its_first():
    """Each neighbour is like the next one; the ends are not alike."""
    far = bands([1, 2, 3, 4], lambda first, other, _chance: other - first >= 2)
    assert [written(band) for band in far] == ["1-2", "1-2", "3-4", "3-4"]


def test_equal_published_losses_are_never_parted():
    assert [written(band) for band in bands([1, 1, 3], lambda *_: True)] == ["1-2", "1-2", "3"]


def test_the_more_entries_follow_the_more_it_takes_to_be_told_apart():
    asked = []
    bands([1, 2, 3, 4], lambda first, other, chance: asked.append((first, other, chance)) or other == 2)
    assert asked == [(0, 1, 0.05 / 3), (0, 2, 0.05 / 3), (2, 3, 0.05)]


def test_on_public_data_the_same_windows_tell_what_their_intervals_cannot(field):
    shown = standings(field, announce(field))
    assert bands_of(shown) == ["1-2", "1-2", "3"]
    low, high = ([row.result.loss_ci for row in shown.boards[0].rows][index] for index in (0, 2))
    assert low[1] > high[0], "their intervals overlap"


def test_records_without_losses_by_window_are_told_apart_by_their_intervals(field):
    old = [
        replace(report, regimes={**report.regimes, TTF: replace(report.regimes[TTF], loss_by_window=())})
        for report in field
    ]
    assert bands_of(standings(old, announce(old))) == ["1-3"] * 3


def test_on_private_data_a_band_follows_from_what_is_published(field):
    """The control: `_ranked` takes published intervals where any of the data is private. Its twin is
    `test_on_public_data_the_same_windows_tell_what_their_intervals_cannot`, the same grades on public data."""
    field = [replace(report, provenance=replace(report.provenance, data_name="heldout")) for report in field]
    shown = standings(field, announce(field))
    assert bands_of(shown) == ["1-3"] * 3
    apart = [
        replace(report, regimes={**report.regimes, TTF: replace(report.regimes[TTF], loss_ci=(loss, loss))})
        for report, loss in zip(field, (8.0, 8.0, 8.5), strict=True)
    ]
    assert bands_of(standings(apart, announce(apart))) == ["1-2", "1-2", "3"]


def test_what_has_no_rank_is_in_no_band(field):
    copier = replace(field[0], entry=replace(field[0].entry, forbidden_reference=True))
    reports = [copier, *field[1:]]
    assert sorted(bands_of(standings(reports, announce(reports)))) == ["", "1", "2"]


def test_page_and_machines_are_told(field):
    shown = standings(field, announce(field))
    assert render(shown).replace("\N{EN DASH}", "-").count("<td>1-2<td>") == 2
    assert [row["band"] for row in to_json(shown)["boards"][0]["rows"]] == [[1, 2], [1, 2], [3, 3]]
    header, *lines = to_csv(shown).splitlines()
    cells = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines[:3]]
    assert [(cell["rank"], cell["band_first"], cell["band_last"]) for cell in cells] == [
        ("1", "1", "2"), ("2", "1", "2"), ("3", "3", "3"),
    ]  # fmt: skip


def test_pictures_have_bands_by_their_intervals(grades):
    near = [grades.seen(0.300, user="a"), grades.seen(0.301, user="b"), grades.seen(0.4, user="c")]
    (board,) = standings(near).sampling
    assert [row.band for row in board.rows] == [Band(first=1, last=2)] * 2 + [Band(first=3, last=3)]
