"""Machines read the same standings, and a spreadsheet runs none of it."""

from __future__ import annotations

import csv
import io
import json

import pytest

from harness.protocol.regimes import Regime
from leaderboard.exports import to_json
from leaderboard.publish import publish
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import standings

FORMULAS = [
    "=1+1",
    "+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    " =1",
    "\uff1d1+1",
    'x";=1',
    "a; =HYPERLINK(1)",
]


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_table_has_a_row_per_ranked_entry_then_the_published_ones(grades):
    rows = rows_of(to_csv(standings([grades.graded(loss=9.5), grades.graded(entry="b", loss=9.0)])))
    assert [(row["kind"], row["rank"], row["entry"], row["loss"]) for row in rows] == [
        ("graded", "1", "b", "9.0"),
        ("graded", "2", "first", "9.5"),
        ("published", "", "GENIE_138M", "8.79"),
        ("published", "", "GENIE_35M", "8.99"),
    ]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_with_either_separator(grades, text):
    report = grades.graded(user=text, entry=text, facts={"external_data": ("fine", text)})
    table = to_csv(standings([report]))
    for separator in ",;":
        for row in csv.reader(io.StringIO(table, newline=""), delimiter=separator):
            for cell in row:
                assert not cell.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d")), cell


def test_quotes_commas_and_apostrophes_come_back_as_they_were(grades):
    name = 'a "quoted", comma\'d; name'
    assert rows_of(to_csv(standings([grades.graded(entry=name)])))[0]["entry"] == name


def test_numbers_stay_numbers(grades):
    row = rows_of(to_csv(standings([grades.graded(loss=9.0, regimes=tuple(Regime))])))[0]
    figures = ("loss", "loss_low", "loss_high", "token_accuracy", "seconds_per_frame", "training_flops", "windows",
               "fully_autoregressive_loss", "fully_teacher_forced_loss", "claimed_val_loss", "rank")  # fmt: skip
    assert [float(row[name]) for name in figures] == pytest.approx(
        [9.0, 8.9488, 9.0488, 0.032, 0.075, 1.5e19, 24, 9.3, 9.3, 8.5, 1]
    )


def test_the_object_is_json_without_nan_and_holds_every_regime(grades):
    shown = to_json(standings([grades.graded(), grades.failed(message="SECRET")]))
    text = json.dumps(shown, allow_nan=False)
    (board,) = json.loads(text)["boards"]
    assert set(board["rows"][0]["regimes"]) == {regime.value for regime in Regime}
    assert board["rows"][0]["regimes"]["fully_teacher_forced"] is None
    assert board["rows"][0]["marks"] == []
    assert set(shown["failed"][0]) == {
        "grade_id", "finished_at", "user", "entry", "submission_sha256", "code",
    }  # fmt: skip
    assert "SECRET" not in text


def test_the_senders_address_is_in_no_file(grades, tmp_path):
    digest = "5e" * 32
    sent = [grades.graded(facts={"email_sha256": digest}), grades.graded(facts={"email_sha256": "6f" * 32})]
    publish([*sent, grades.failed()], tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 13
    for path in files:
        assert digest not in path.read_text("utf-8")
        assert "email" not in path.read_text("utf-8")


def test_the_hosts_own_policy_is_not_published(grades):
    secret = {"sandbox_details": {"path": "/srv/private"}, "limits": {"reply_s": 4321.0}}
    text = json.dumps(to_json(standings([grades.graded(provenance=secret)])))
    assert "/srv/private" not in text
    assert "4321" not in text
