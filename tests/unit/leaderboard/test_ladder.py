"""Of private data little is announced: rounded figures, and a new best only when it beats the old beyond noise."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness.cli import main
from harness.protocol.regimes import Regime
from harness.results.fairness import Fairness
from harness.results.public_data import PublicData
from harness.results.report import GradeReport
from harness.results.store import Store
from harness.retrieval.report import Verdict
from leaderboard import improvement, ladder
from leaderboard.disclosure import disclose
from leaderboard.figures import COARSE
from leaderboard.improvement import improves_lpips
from leaderboard.ladder import announce
from leaderboard.marks import Mark
from leaderboard.publish import publish
from leaderboard.samples import Gallery
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import standings
from leaderboard.verdicts import with_latest_check

TTF, FAR = Regime.TEMPORALLY_TEACHER_FORCED, Regime.FULLY_AUTOREGRESSIVE


def announced_ids(reports: Sequence[GradeReport], fairness: Fairness | None = None) -> list[str]:
    announced = announce(reports, fairness)
    return [report.grade_id for report in reports if announced.is_announced(report)]


def announced_losses(reports: Sequence[GradeReport]) -> list[float]:
    """Every loss that becomes public, in its order."""
    ids = set(announced_ids(reports))
    return [report.regimes[TTF].loss for report in reports if report.grade_id in ids]


def probes(scored, number: int = 500, *, windows: int = 200, noise: float = 0.3) -> list[GradeReport]:
    """Submissions that are all as good as one model, but for noise of their own on every window."""
    rng = np.random.default_rng(3)
    model_B = rng.normal(8.5, 0.6, windows)
    return [scored(model_B + rng.normal(0, noise, windows), entry=f"e{index}") for index in range(number)]


def test_500_random_submissions_gain_less_than_a_step(scored):
    """Control: the Ladder, over all of an entrant's entry names."""
    reports = probes(scored)
    told = announced_losses(reports)
    assert told[0] - min(told) < COARSE.step


def test_with_the_ladder_switched_off_they_gain_more(scored, monkeypatch):
    monkeypatch.setattr(
        ladder, "improves_loss", lambda best, new, _n: new.regimes[TTF].loss < best.regimes[TTF].loss
    )
    told = announced_losses(probes(scored))
    assert told[0] - min(told) > 3 * COARSE.step


def test_a_step_alone_would_not_do_nor_would_the_same_interval_for_every_try(scored, monkeypatch):
    """Control: the interval widens with every try."""
    reports = probes(scored)
    monkeypatch.setattr(improvement, "paired_low", lambda *_losses, chance: 1.0)
    told = announced_losses(reports)
    assert told[0] - min(told) > 3 * COARSE.step
    monkeypatch.undo()
    plain = improvement.paired_low
    monkeypatch.setattr(improvement, "paired_low", lambda *losses, chance: plain(*losses, chance=0.025))
    told = announced_losses(reports)
    assert told[0] - min(told) > COARSE.step


def test_an_entrant_that_builds_on_what_is_announced_learns_nothing(scored):
    """The held-out set cannot be climbed by keeping the changes that were announced as better."""
    rng = np.random.default_rng(1)
    best_B = rng.normal(8.5, 0.6, 200)
    reports = [scored(best_B)]
    for _ in range(60):
        tried_B = best_B + rng.normal(0, 0.1, 200)
        reports.append(scored(tried_B))
        if announced_ids(reports)[-1] == reports[-1].grade_id:
            best_B = tried_B
    assert len(announced_ids(reports)) == 1


def test_a_real_improvement_is_announced_also_late(scored):
    reports = probes(scored, 30)
    better_B = np.array(reports[0].regimes[TTF].loss_by_window) - 0.2
    better = scored(better_B + np.random.default_rng(2).normal(0, 0.3, 200), entry="better")
    assert announced_ids([*reports, better]) == [reports[0].grade_id, better.grade_id]


def test_what_cannot_be_seen_is_no_improvement(scored):
    """Every window is better, so there is no noise; but no published digit would change."""
    first = scored(np.linspace(8, 9, 50))
    assert announced_ids([first, scored(np.linspace(8, 9, 50) - 0.009)]) == [first.grade_id]
    assert len(announced_ids([first, scored(np.linspace(8, 9, 50) - 0.011)])) == 2
    assert announced_ids([first, scored(np.linspace(8, 9, 50))]) == [first.grade_id], "the same zip once more"


def test_other_entrants_data_and_window_counts_have_their_own_ladders(scored, grades):
    flat = np.full(50, 8.0)
    sent = ({"email_sha256": "1" * 64}, {"email_sha256": "2" * 64})
    reports = [
        scored(flat, user="ann", facts=sent[0]),
        scored(flat + 1, user="bob", facts=sent[1]),
        scored(flat + 2, user="ann", facts=sent[0], provenance={"data_sha256": "99" * 32}),
        scored(flat[:20] + 3, user="ann", facts=sent[0]),
    ]
    assert announced_ids(reports) == [report.grade_id for report in reports]
    other_name = scored(flat + 1, user="anna", entry="another", facts=sent[0])
    assert other_name.grade_id not in announced_ids([*reports, other_name]), "one address is one entrant"


def test_what_an_entrant_declares_opens_no_ladder_of_its_own(grades):
    """Control: `forbidden_reference`, which is the entrant's own word, is not in the key of a contest."""
    first = grades.graded(loss=9.0)
    declared = grades.graded(loss=9.5, facts={"forbidden_reference": True})
    assert announced_ids([first, declared]) == [first.grade_id]


def test_each_track_publishes_its_own_figures_only(grades, tmp_path):
    """Control: `without_losses` and `without_pictures`. Of three grades one is announced for both, one for its
    pictures alone, one for its loss alone."""
    reports = [
        grades.seen(0.30, psnr=20.0, loss=9.0),
        grades.seen(0.21, psnr=23.4, loss=9.77, entry="pictures"),
        grades.seen(0.43, psnr=17.8, loss=8.11, entry="losses"),
    ]
    store = Store(tmp_path / "store")
    for report in reports:
        store.append(report)
    announced = announce(reports)
    assert [announced.ranks_by_loss(each) for each in reports] == [True, False, True]
    assert [announced.ranks_by_pictures(each) for each in reports] == [True, True, False]
    assert main(["leaderboard", "--store", str(store.folder), "-o", str(tmp_path / "site")]) == 0
    text = "".join(path.read_text() for path in (tmp_path / "site").rglob("*.*") if path.is_file())
    assert [digits in text for digits in ("9.77", "10.07", "0.43", "17.8")] == [False] * 4
    assert [digits in text for digits in ("8.11", "0.21", "23.4")] == [True] * 3
    assert "nan" not in re.findall(r"\bnan\b", text, re.IGNORECASE)


def test_the_interval_of_lpips_widens_with_every_try(grades):
    """Control: `improves_lpips` counts the tries; the twin is the same grade as the first try."""
    first, near = grades.seen(0.30), grades.seen(0.28)
    tries = [grades.seen(0.31) for _ in range(20)]
    assert announced_ids([first, near]) == [first.grade_id, near.grade_id]
    assert announced_ids([first, *tries, near]) == [first.grade_id]
    assert improves_lpips(first, near, 1)
    assert not improves_lpips(first, near, 21)


def test_records_without_losses_by_window_have_to_beat_the_interval(grades):
    first, near, far = grades.graded(loss=9.0), grades.graded(loss=8.96), grades.graded(loss=8.9)
    assert announced_ids([first, near, far]) == [first.grade_id, far.grade_id]


def test_pictures_have_a_ladder_of_their_own(grades):
    first, near, far = grades.seen(0.3, loss=8.0), grades.seen(0.295, loss=9.0), grades.seen(0.28, loss=9.0)
    reports = [first, near, far]
    assert announced_ids(reports) == [first.grade_id, far.grade_id]
    shown = standings(reports, announce(reports))
    assert [row.report.grade_id for row in shown.boards[0].rows] == [first.grade_id]
    assert [row.report.grade_id for row in shown.sampling[0].rows] == [far.grade_id]


def test_answers_that_are_scored_again_stay_announced(scored):
    first = scored(np.full(50, 8.0))
    again = replace(scored(np.full(50, 7.99)), regrade_of=first.grade_id)
    between = scored(np.full(50, 8.05))
    assert announced_ids([first, between, again]) == [first.grade_id, again.grade_id]


def test_the_organisers_own_are_always_announced_and_a_namesake_is_not(scored):
    flat, rules = np.full(50, 8.0), Fairness(organisers=("Baseline",))
    own = [scored(flat + step, user="baseline", facts={"email_sha256": "1" * 64}) for step in range(3)]
    namesake = [scored(flat + step, user="baseline", facts={"email_sha256": "2" * 64}) for step in range(2)]
    assert announced_ids([*own, *namesake], rules) == [*(each.grade_id for each in own), namesake[0].grade_id]


def test_of_disclosed_data_everything_is_announced_with_all_digits(scored):
    reports = [scored(np.full(50, loss), provenance={"data_name": "val"}) for loss in (8.12345, 9.12345)]
    shown = standings(reports, announce(reports))
    assert shown.unannounced == ()
    assert shown.boards[0].rows[0].result.loss == 9.1234
    private = [scored(np.full(50, 8.12345)), *reports]
    assert standings(private, announce(private)).boards[0].rows[0].result.loss == 8.12, "by its digest"


def test_a_name_that_the_organiser_gave_away_is_its_new_owners(scored):
    old = scored(np.full(50, 8.0), facts={"email_sha256": "1" * 64})
    new = scored(np.full(50, 9.0), facts={"email_sha256": "2" * 64})
    for given, other in ((None, new), ({"ada": "2" * 64}, old)):
        announced = announce([old, new], given=given)
        rows = standings([old, new], announced).boards[0].rows
        marked = [row.report.grade_id for row in rows if Mark.OTHER_SENDER in row.marks]
        assert marked == [other.grade_id]


class TestTheSite:
    """What is written, in every format."""

    @pytest.fixture
    def reports(self, scored, grades, found) -> list[GradeReport]:
        first = scored(np.full(50, 8.123456), entry="first")
        better = scored(np.full(50, 7.654321), entry="second", retrieval=found())
        no_better = scored(np.full(50, 7.987654), entry="third", retrieval=found())
        seen = grades.seen(0.123456789, psnr=20.123456, loss=9.0, user="bob")
        return [first, better, no_better, seen]

    def written(self, reports, folder, gallery: Gallery | None = None) -> dict[str, str]:
        publish(reports, folder, gallery)
        return {
            str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*") if path.is_file()
        }

    def test_no_digit_of_a_held_out_figure_beyond_the_rounding_leaves_the_store(self, reports, tmp_path):
        """Control: figures of private data are rounded where records become publishable."""
        every = self.written(reports, tmp_path)
        for name, text in every.items():
            for digits in (
                "8.123",
                "7.654",
                "7.987",
                "1.2345",
                "1.235",
                "0.03204",
                "9.8765",
                "0.1234",
                "20.12",
            ):
                assert digits not in text, f"{digits} in {name}"
        assert "8.12" in every["index.html"]
        assert "+1.23 spreads" in every[f"grades/{reports[1].grade_id}.html"]

    def test_without_that_control_they_would(self, reports, tmp_path, monkeypatch):
        monkeypatch.setattr(PublicData, "why_private", lambda *_data: None)
        assert "7.6543" in self.written(reports, tmp_path)["index.html"]

    def test_what_pictures_are_shown_changes_no_figure(self, reports, tmp_path):
        """Control: the Ladder and the rounding go by `PublicData`, whatever `--publish-samples` names."""
        named = Gallery(disclosure=disclose(reports, ["heldout@" + "34" * 32]))
        every = self.written(reports, tmp_path, named)
        assert every["index.html"] == self.written(reports, tmp_path / "b")["index.html"]
        assert not any(digits in text for text in every.values() for digits in ("8.123", "7.654", "7.987"))

    def test_a_grade_without_announced_improvement_is_listed_without_figures(self, reports, tmp_path):
        every = self.written(reports, tmp_path)
        grade_id = reports[2].grade_id
        page = every[f"grades/{grade_id}.html"]
        assert "No announced improvement" in page
        assert "retrieval:" not in page, "an entry could choose the verdict, too"
        assert f"{grade_id}.html" in every["index.html"]
        kept = json.loads(every[f"grades/{grade_id}.json"])
        assert kept["announced"] is False
        assert set(kept["regimes"].values()) == {None}
        assert kept["retrieval"] is None
        listed = json.loads(every["leaderboard.json"])
        assert [each["entry"] for each in listed["no_announced_improvement"]] == ["third"]
        assert grade_id not in every["leaderboard.csv"]

    @pytest.mark.parametrize("controlled", [True, False])
    def test_nothing_that_its_answers_decide_is_published(
        self, grades, found, tmp_path, monkeypatch, controlled
    ):
        """The control is `Announcements.tells`: of two grades that are not announced the one that remembers, fails
        when it is asked again, and copies, is published as the other is. Marks of host and manifest stay."""
        if not controlled:
            monkeypatch.setattr(ladder.Announcements, "tells", lambda *_grade: True)
        chosen = {"carried_state": True, "depends_on_neighbours": True, "probe_failure": "guest.closed"}
        provenance = {"sandbox": "process", "order_leaks": True}
        first = grades.graded(loss=8.0, provenance=provenance)
        untold = grades.graded(loss=9.0, provenance=provenance, facts={"eligible_for_prize": False})
        loud = grades.graded(loss=9.0, provenance=provenance, facts={"eligible_for_prize": False}, **chosen)
        loud = replace(loud, grade_id=untold.grade_id, finished_at=untold.finished_at, retrieval=found())
        quiet = self.written([first, untold], tmp_path / "quiet")
        assert (self.written([first, loud], tmp_path / "loud") == quiet) is controlled
        kept = json.loads(quiet[f"grades/{untold.grade_id}.json"])
        assert {"no_prize", "self_run", "order_leaks"} <= set(kept["marks"])

    def test_its_pages_are_whole_and_their_links_lead_somewhere(self, reports, tmp_path, read_page):
        every = self.written(reports, tmp_path)
        for name in ("index.html", f"grades/{reports[2].grade_id}.html"):
            page = read_page(every[name])
            assert page.open == []
            ids = set(page.values("id"))
            within = {link.removeprefix("#") for link in page.values("href") if link.startswith("#")}
            assert within <= ids
        assert 'id="announced"' in every["index.html"], "where the page of the grade leads to"

    def test_losses_by_window_are_published_of_no_data(self, reports, tmp_path):
        for name, gallery in (
            ("a", None),
            ("b", Gallery(disclosure=disclose(reports, ["heldout@" + "34" * 32]))),
        ):
            every = self.written(reports, tmp_path / name, gallery)
            assert not any("loss_by_window" in text for text in every.values())

    def test_the_order_tells_no_more_than_the_figures(self, scored):
        """Two losses that look the same stand in the order they came in."""
        reports = [scored(np.full(50, loss), user=user) for user, loss in (("ann", 8.1249), ("bob", 8.1151))]
        announced = announce(reports)
        (board,) = standings(reports, announced).boards
        assert [(row.rank, row.report.entry.user_name) for row in board.rows] == [(1, "ann"), (1, "bob")]
        assert re.search(r"8\.12,8\.\d\d,8\.\d\d,0\.032,", to_csv(standings(reports, announced)))

    def test_the_row_that_stays_has_the_verdict_of_its_zips_last_check(self, scored, found, tmp_path):
        first = scored(np.full(50, 8.0))
        checked = scored(np.full(50, 8.0), retrieval=found())
        reports = with_latest_check([first, checked], is_private=lambda _report: True)
        shown = publish(reports, tmp_path)
        assert [(row.report.grade_id, row.badge.value) for row in shown.boards[0].rows] == [
            (first.grade_id, "copied")
        ]

    @pytest.mark.parametrize("was_checked", [True, False])
    def test_figures_of_another_check_that_is_not_announced_stay_in_the_store(
        self, scored, found, tmp_path, was_checked
    ):
        """Control: of private data `with_latest_check` carries the verdict over and nothing else."""
        clear = replace(found(), verdict=Verdict.CLEAR, delta=0.11, reasons=())
        secret = found(train_gap=replace(clear.train_gap, heldout_loss=7.77), delta=4.242, reasons=("+4.24",))
        first = scored(np.full(50, 8.0), retrieval=clear if was_checked else None)
        untold = scored(np.full(50, 8.5), retrieval=secret)
        better = scored(np.full(50, 7.5))
        store = Store(tmp_path / "store")
        for report in (first, untold, better):
            store.append(report)
        assert main(["leaderboard", "--store", str(store.folder), "-o", str(tmp_path / "site")]) == 0
        every = {path: path.read_text() for path in (tmp_path / "site").rglob("*.*") if path.is_file()}
        assert not [
            (path, text) for path, text in every.items() for secret in ("7.77", "4.24") if secret in text
        ]
        for report in (first, better):
            kept = json.loads(every[tmp_path / "site" / "grades" / f"{report.grade_id}.json"])
            assert kept["retrieval"]["verdict"] == "copied"
