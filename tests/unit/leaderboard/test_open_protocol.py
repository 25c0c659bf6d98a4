"""A grade of the open protocol stands apart: no rank, no prize, nobody's rival; of held-out data it shows no figure."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html import unescape

import pytest

from harness.cli import main
from harness.errors import Blame
from harness.notice import notice_of
from harness.protocol.regimes import Regime
from harness.results.report import OPEN, Failure, OpenRun, Rescored
from harness.results.store import Store
from leaderboard.changelog import Kind, changelog
from leaderboard.exports import to_json
from leaderboard.grade_pages import grade_pages
from leaderboard.ladder import Announcements, announce
from leaderboard.marks import Mark, unranked_by
from leaderboard.render import render, render_grade
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import standings
from leaderboard.verdicts import with_latest_check
from leaderboard.withdrawn import Struck

ON_VAL = {"data_name": "val", "data_sha256": "aa" * 32}
PRINTED = {"loss": 0.0, "acc": 1.0, "pred_lpips": 0.0123456, "gen_time": 0.0754, "canary": 104729.5}
RESCORED = Rescored(
    loss=0.1047291, loss_ci=(0.1, 0.104729), token_accuracy=0.9104729, loss_by_frame=(1.04729,) * 15, first_frame=1,
    windows=24, logits_sha256="99" * 32, tokens_file="grades/x/open.npz", tokens_sha256="ab" * 32,
)  # fmt: skip


@pytest.fixture
def open_grade(grades):
    """A grade of a program that claims to know everything."""

    def make(*, rescored=None, printed=PRINTED, not_rescored=None, **options):
        provenance = {"protocol": OPEN, "schedule": "upstream", **ON_VAL, **options.pop("provenance", {})}
        report = grades.graded(regimes=(), provenance=provenance, **options)
        found = OpenRun(self_reported=printed, rescored=rescored, not_rescored=not_rescored)
        return replace(report, open_run=found)

    return make


@pytest.fixture
def honest(grades):
    return grades.seen(0.3, entry="good", loss=7.0, provenance=ON_VAL)


def test_a_liar_has_no_rank_and_takes_none(open_grade, honest):
    """Control: what is printed is never among the regimes that rank."""
    shown = standings([honest, open_grade(entry="liar"), open_grade(entry="other", rescored=RESCORED)])
    assert [(row.report.entry.entry_name, row.rank) for row in shown.boards[0].rows] == [("good", 1)]
    assert [row.report.entry.entry_name for row in shown.sampling[0].rows] == ["good"]
    assert [row.report.entry.entry_name for row in shown.opened] == ["liar", "other"]
    assert shown.not_ranked == 0


def test_were_its_figures_taken_for_a_regimes_it_would_win(grades, honest):
    """The negative twin: nothing but the field keeps it from the first place and below the prize line."""
    taken = grades.seen(0.0, entry="liar", loss=0.0, provenance={**ON_VAL, "protocol": OPEN})
    assert [row.report.entry.entry_name for row in standings([honest, taken]).boards[0].rows] == [
        "liar",
        "good",
    ]


def test_an_open_grade_never_stands_for_the_entrys_gated_one(open_grade, grades):
    gated = grades.graded(entry="same", loss=8.0, provenance={**ON_VAL, "schedule": "upstream"})
    shown = [gated, open_grade(entry="same")]
    assert [row.report.grade_id for row in standings(shown).boards[0].rows] == [gated.grade_id]
    pages = {page.report.grade_id: page for page in grade_pages(shown, standings(shown))}
    assert all(page.is_latest for page in pages.values()), "each is the latest of its kind"


def test_the_badge_says_what_was_checked(open_grade, honest, read_page):
    shown = standings([honest, open_grade(entry="liar"), open_grade(entry="saved", rescored=RESCORED)])
    assert [row.marks for row in shown.opened] == [(Mark.SELF_REPORTED,), (Mark.RESCORED,)]
    page = read_page(html := render(shown))
    links = [attributes.get("href") for name, attributes in page.elements if name == "a"]
    for mark in (Mark.SELF_REPORTED, Mark.RESCORED):
        assert f"#mark-{mark.value}" in links
        assert mark.meaning in unescape(html)
    ranking, opened = html.split('id="open-title"')
    assert "liar" not in ranking
    assert "0.1047" in opened, "the rescored loss, rounded"
    assert "prize" not in opened.split("</section>")[0]


def test_either_badge_keeps_a_row_without_a_rank(open_grade):
    """Control: both are in `UNRANKED`, so that not even a figure among the regimes would give it one."""
    shown = standings([open_grade(entry="liar"), open_grade(entry="saved", rescored=RESCORED)])
    assert [unranked_by(row.marks) for row in shown.opened] == [Mark.SELF_REPORTED, Mark.RESCORED]


def test_a_withdrawn_one_says_so_and_takes_no_others_place(open_grade):
    earlier, later = open_grade(entry="same"), open_grade(entry="same")
    struck = {
        later.grade_id: Struck(grade_id=later.grade_id, at="2025-02-03T00:00:00+00:00", reason="a slip")
    }
    announced = Announcements(withdrawn=struck)
    assert [row.report.grade_id for row in standings([earlier, later]).opened] == [later.grade_id]
    assert [row.report.grade_id for row in standings([earlier, later], announced).opened] == [
        earlier.grade_id,
        later.grade_id,
    ]
    [row] = standings([later], announced).opened
    assert row.marks == (Mark.WITHDRAWN, Mark.SELF_REPORTED)
    [page] = grade_pages([later], standings([later], announced), announced=announced)
    assert "a slip" in render_grade(page)


def test_without_an_open_grade_the_page_does_not_speak_of_it(honest):
    assert 'id="open-title"' not in render(standings([honest]))


def test_the_page_of_a_grade_keeps_both_kinds_of_figures_apart(open_grade):
    reports = [open_grade(entry="saved", rescored=RESCORED, printed={**PRINTED, "loss": 0.2})]
    (page,) = grade_pages(reports, standings(reports))
    html = render_grade(page)
    assert '<td class="figure">0.2000</td><td class="figure">0.1047</td>' in html
    assert page.badge is None
    assert page.places == ()
    for absent in ('id="loss"', 'id="retrieval"', 'id="timing"', "104729.5", "canary"):
        assert absent not in html


def test_why_saved_logits_were_not_scored_is_told_in_fixed_words(open_grade):
    trouble = Failure(code="open.unreadable", blame=Blame.ENTRY, message="canary-104729", fix="canary")
    reports = [open_grade(not_rescored=trouble)]
    (page,) = grade_pages(reports, standings(reports))
    html = render_grade(page)
    assert "The saved logits cannot be loaded as a tensor." in html
    assert "canary" not in html


def test_exports_carry_the_marks_and_no_rank(open_grade, honest):
    shown = standings([honest, open_grade(entry="liar"), open_grade(entry="saved", rescored=RESCORED)])
    rows = list(csv.DictReader(io.StringIO(to_csv(shown))))
    opened = [row for row in rows if row["kind"] == "open"]
    assert [(row["rank"], row["marks"], row["loss"]) for row in opened] == [
        ("", "self_reported", "0.0"),
        ("", "rescored", "0.1047"),
    ]
    first, second = to_json(shown)["open_protocol"]
    assert (first["marks"], first["rescored"], first["self_reported"]["loss"]) == (
        ["self_reported"],
        None,
        0.0,
    )
    assert second["rescored"] == {"loss": 0.1047, "token_accuracy": 0.9105}
    assert "canary" not in json.dumps(to_json(shown))
    assert [row["entry"] for row in to_json(shown)["boards"][0]["rows"]] == ["good"]


def test_of_held_out_data_nothing_it_printed_or_saved_leaves(
    open_grade, tmp_path, capsys: pytest.CaptureFixture[str]
):
    """Control: open_figures and announcements. What leaves says that it was run, and no figure; not even whether it
    saved logits, which is its own choice (control: `Announcements.tells`)."""
    store = Store(tmp_path / "store")
    private = {"data_name": "heldout", "data_sha256": "34" * 32}
    report = open_grade(entry="saved", rescored=RESCORED, provenance=private)
    store.append(report)
    store.grade_folder(report.grade_id).joinpath("open.log").write_text(
        "canary 104729\n{'loss': '0.104729'}\n"
    )
    where = ["--store", str(store.folder)]
    assert main(["notice", report.grade_id, *where, "-o", str(tmp_path / "out")]) == 0
    assert main(["notice", report.grade_id, *where, "--json"]) == 0
    assert main(["leaderboard", *where, "-o", str(tmp_path / "site"), "--json"]) == 0
    files = [path for name in ("out", "site") for path in (tmp_path / name).rglob("*") if path.is_file()]
    out = capsys.readouterr().out + "".join(path.read_text() for path in files)
    assert report.grade_id in out
    for canary in ("10472", "0.1047", "0.9105", "0.0123", "0.0754", "canary"):
        assert canary not in out
    kept = json.loads((tmp_path / "site" / "grades" / f"{report.grade_id}.json").read_text())
    assert kept["marks"] == ["self_reported"], "that it was run, with its badge"
    (row,) = json.loads((tmp_path / "site" / "leaderboard.json").read_text())["open_protocol"]
    assert row["marks"] == ["self_reported"]


def test_of_public_val_the_notice_tells_both_and_says_what_they_are_worth(
    open_grade, tmp_path, capsys: pytest.CaptureFixture[str]
):
    store = Store(tmp_path / "store")
    report = open_grade(entry="saved", rescored=RESCORED)
    store.append(report)
    assert main(["notice", report.grade_id, "--store", str(store.folder)]) == 0
    shown = capsys.readouterr().out
    for words in ("has no rank", "self-reported loss", "rescored loss", "0.1047"):
        assert words in shown
    assert "104729.5" not in shown, "only what 1X's script prints by name"
    assert notice_of(report, [report]).open_figures is not None


def test_val_with_open_grades_alone_is_still_public(open_grade):
    reports = [open_grade(entry="liar")]
    announced = announce(reports)
    (row,) = standings(reports, announced).opened
    assert row.loss == 0.0


def test_an_open_grade_is_never_the_announced_best(open_grade, grades):
    """Control: the Ladder climbs by regimes alone."""
    private = {"data_name": "heldout", "data_sha256": "34" * 32}
    opened = open_grade(entry="a", rescored=RESCORED, provenance=private)
    gated = grades.graded(entry="a", loss=9.0, provenance=private)
    announced = announce([opened, gated])
    assert announced.by_loss == {gated.grade_id}


def test_a_verdict_on_copying_does_not_pass_to_an_open_grade(open_grade, grades, found):
    gated = grades.graded(loss=8.0, provenance=ON_VAL, retrieval=found())
    opened = open_grade()
    assert with_latest_check([gated, opened])[1].retrieval is None


def test_the_changelog_says_by_which_protocol(open_grade):
    (change,) = changelog([open_grade()])
    assert change.kind is Kind.RUN_OPENLY
    assert change.in_words == "first by ada was run by the open protocol on val"


def test_no_regime_of_an_open_grade_is_ever_ranked(open_grade):
    assert not any(open_grade(rescored=RESCORED).regimes.get(regime) for regime in Regime)
