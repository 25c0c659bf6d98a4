"""Every published grade has a page that says what is known of it, and no text on it becomes markup."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.outcomes import outcomes
from harness.protocol.regimes import Regime
from harness.results.store import Store
from harness.scoring.perceptual import Metric
from leaderboard.curves import Part
from leaderboard.disclosure import Disclosure, disclose
from leaderboard.exports import grade_to_json
from leaderboard.grade_pages import HISTORY, grade_pages
from leaderboard.ladder import Announcements
from leaderboard.publish import publish
from leaderboard.render import render_grade
from leaderboard.rivals import MOST_RIVALS
from leaderboard.samples import Gallery, Sample
from leaderboard.standings import standings


def pages(reports, **options):
    """The pages of these grades by their ids."""
    return {page.report.grade_id: page for page in grade_pages(reports, standings(reports), **options)}


def page_of(reports, **options):
    """The page of the last of them."""
    return pages(reports, **options)[reports[-1].grade_id]


def text_of(html):
    return " ".join(re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def with_losses(report, store, losses=None):
    """The same grade, its losses in the store."""
    regimes = dict(report.regimes)
    for regime, result in report.regimes.items():
        if result:
            drawn = np.random.default_rng(0).uniform(6, 10, (2, len(regime.targets()), 16, 16))
            nats = drawn if losses is None else losses
            file, sha256 = Store(store).save_tokens(
                report.grade_id, regime.value, nats_BTHW=nats, tokens_BTHW=np.zeros(nats.shape, np.uint32),
                starts_B=np.arange(2),
            )  # fmt: skip
            regimes[regime] = replace(result, tokens_file=file, tokens_sha256=sha256)
    return replace(report, regimes=regimes)


def sample(name="a" * 64, alt="Window 5"):
    return Sample(
        regime=Regime.FULLY_AUTOREGRESSIVE, window=5, path=f"samples/{name}.webp", alt=alt, width=1602, height=253,
        source=Path("/nowhere"), sha256=name,
    )  # fmt: skip


def showing(reports, samples=None):
    """A gallery that shows what is held out too."""
    return Gallery(samples=samples or {}, disclosure=disclose(reports, ["heldout@" + "34" * 32]))


@pytest.fixture
def every_page(grades, tmp_path):
    """The HTML of pages that together show everything."""
    made = [
        grades.seen(0.3, user="b", entry="rival", regimes=tuple(Regime)),
        grades.seen(0.25, draws=3, carried_state=True, facts={"external_data": ("DINOv2", "Ego4D")}),
        grades.seen(None, user="c", provenance={"sandbox": "process", "sandbox_details": {"python": "3.11"}}),
        grades.graded(
            user="d", probe_failure="guest.closed", facts={"description": "", "claimed_val_loss": None}
        ),
        grades.graded(user="e", regimes=(Regime.FULLY_AUTOREGRESSIVE,)),
        grades.graded(user="f", loss=1e38),
        grades.failed(user="d"),
        grades.failed(user="g", submission_sha256=None),
    ]
    made[1] = with_losses(made[1], tmp_path)
    gallery = showing(made, {made[1].grade_id: (sample(),)})
    return [render_grade(page) for page in pages(made, gallery=gallery, store=tmp_path).values()]


def test_a_hostile_text_adds_no_element_and_no_attribute(grades, read_page, hostile):
    def shown(name):
        facts = {"description": name, "external_data": (name,)}
        provenance = {"data_name": name, "codec": name, "sandbox_details": {"engine": name}}
        made = [
            grades.seen(0.3, user="b", entry=name, provenance=provenance),
            grades.seen(0.2, user=name, entry=name, facts=facts, provenance=provenance),
            grades.seen(None, user="c", entry=name, missing=name, provenance=provenance),
            grades.failed(user=name, entry=name, message=name),
        ]
        gallery = Gallery(samples={made[1].grade_id: (sample(alt=name),)})
        return [read_page(render_grade(page)) for page in pages(made, gallery=gallery).values()]

    for honest, page in zip(shown("honest"), shown(hostile), strict=True):
        assert page.shape == honest.shape
        assert page.open == []
        assert len(page.texts) == len(honest.texts)
        text = "".join(page.texts)
        assert not any(ord(character) < 32 and character != "\n" for character in text)
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)


def test_every_page_is_well_formed_and_loads_nothing_but_pictures_of_the_site(every_page, read_page):
    for html in every_page:
        page = read_page(html)
        assert html.startswith("<!doctype html>\n")
        assert page.open == []
        assert max(Counter(page.values("id")).values()) == 1
        fragments = {href[1:] for href in page.values("href") if href.startswith("#")}
        assert fragments <= set(page.values("id"))
        assert {name for value in page.values("aria-labelledby") for name in value.split()} <= set(
            page.values("id")
        )
        assert all(re.fullmatch(r"\.\./samples/[0-9a-f]{64}\.webp", source) for source in page.values("src"))
        assert not {"script", "iframe", "object", "embed", "form", "base"} & {tag for tag, _ in page.elements}
        assert not page.values("style")
        (policy,) = [attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv")]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "script-src" not in policy, "it has no script, and default-src allows none"
        for href in (attrs["href"] for tag, attrs in page.elements if tag == "a"):
            assert re.match(r"#|\.\./(index|sampling)\.html(#|$)|[0-9a-f-]+\.(html|json)$", href)


def test_pictures_and_charts_have_text_alternatives(every_page, read_page):
    for html in every_page:
        page = read_page(html)
        assert all(attrs.get("alt") for tag, attrs in page.elements if tag == "img")
        drawings = [attrs for tag, attrs in page.elements if tag == "svg"]
        assert all(attrs.get("aria-hidden") == "true" or attrs.get("aria-label") for attrs in drawings)


def test_headings_never_skip_a_level(every_page, read_page):
    for html in every_page:
        levels = [int(tag[1]) for tag, _ in read_page(html).elements if re.fullmatch(r"h[1-6]", tag)]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_a_grade_says_where_it_stands(grades):
    page = page_of([grades.seen(0.2, user="b", loss=8.0), grades.seen(0.3, loss=9.0)])
    assert [(place.track, place.rank, place.entries) for place in page.places] == [
        ("Compression", 2, 2),
        ("Sampling", 2, 2),
    ]
    html = render_grade(page)
    assert 'href="../sampling.html#sampling-1"' in html
    assert "Compression : rank 2 of 2 on heldout" in text_of(html)


def test_an_earlier_grade_keeps_its_page_and_names_the_latest(grades):
    reports = [grades.graded(loss=9.5), grades.graded(loss=9.0)]
    shown = pages(reports)
    earlier, later = (shown[report.grade_id] for report in reports)
    assert (earlier.places, earlier.is_latest, later.is_latest) == ((), False, True)
    assert f'href="{later.report.grade_id}.html">see the latest' in render_grade(earlier)
    assert f'href="{earlier.report.grade_id}.html"' in render_grade(later)


@pytest.mark.parametrize("other", [{"data_name": "val", "data_sha256": "9" * 64}, {"schedule": "upstream"}])
def test_a_grade_on_other_data_takes_no_grades_place(grades, other):
    reports = [grades.graded(), grades.graded(), grades.graded(provenance=other)]
    shown = pages(reports)
    earlier, later, elsewhere = (shown[report.grade_id] for report in reports)
    assert [page.is_latest for page in (earlier, later, elsewhere)] == [False, True, True]
    assert f'href="{later.report.grade_id}.html">see the latest' in render_grade(earlier)
    assert "see the latest" not in render_grade(later)
    assert len(later.history) == 3


def test_another_senders_grades_are_not_in_the_history(grades):
    mine, theirs = {"email_sha256": "1" * 64}, {"email_sha256": "2" * 64}
    reports = [grades.graded(facts=mine), grades.graded(facts=theirs), grades.graded(facts=mine)]
    assert [report.grade_id for report in page_of(reports).history] == [
        reports[2].grade_id,
        reports[0].grade_id,
    ]


def test_a_submission_that_does_not_say_whose_it_is_has_no_page(grades):
    assert pages([grades.failed(user=None, entry=None)]) == {}


def test_a_history_has_an_end(grades):
    page = page_of([grades.graded() for _ in range(HISTORY + 5)])
    assert len(page.history) == HISTORY
    assert page.history[0] == page.report


def test_a_stopped_grade_says_whose_move_it_is_and_nothing_a_stranger_wrote(grades):
    html = render_grade(page_of([grades.failed(message="I wrote this myself")]))
    row = outcomes()["guest.closed"]
    assert all(words in text_of(html) for words in (row.code, row.cause, row.next_step, "the entrant's"))
    assert "try again" not in html
    assert "I wrote this myself" not in html
    assert "Loss by position" not in html


def test_an_old_record_without_pictures_still_has_its_page(grades):
    page = page_of([grades.graded()])
    text = text_of(render_grade(page))
    assert page.metrics == ()
    assert "This grade measured no pictures." in text
    assert "None are shown here." in text
    assert "not measured" in text


def test_why_a_metric_is_missing_is_said_without_this_hosts_folders(grades):
    text = text_of(
        render_grade(page_of([grades.seen(None, missing="/root/.cache/wmc/alexnet.pth cannot be read")]))
    )
    assert "Not measured: LPIPS. alexnet.pth cannot be read" in text
    assert "/root" not in text


def test_the_horizon_is_drawn_beside_the_best_others_of_the_same_contest(grades):
    others = [grades.seen(0.2 + 0.01 * n, entry=f"other {n}") for n in range(MOST_RIVALS + 3)]
    apart = grades.seen(0.1, entry="apart", provenance={"codec_sha256": "99" * 32})
    lpips, psnr = page_of([*others, apart, grades.seen(0.5, draws=3)]).metrics
    assert (lpips.name, psnr.name) == ("lpips", "psnr")
    assert [curve.name for curve in lpips.curves] == [
        "this entry, mean of 3 draws",
        "this entry, best of 3 draws",
        *(f"other {n}" for n in range(MOST_RIVALS)),
    ]
    assert list(lpips.frames) == list(range(8, 16))
    assert {(curve.part, curve.by) for curve in lpips.curves[2:]} == {(Part.RIVAL, "ada")}


def test_draws_that_are_alike_are_one_curve(grades):
    report = grades.seen(0.3, draws=3)
    result = report.regimes[Regime.FULLY_AUTOREGRESSIVE]
    score = result.samples.lpips
    alike = replace(score, best_of_k=score.mean, best_of_k_by_frame=score.mean_by_frame)
    result = replace(result, samples=replace(result.samples, lpips=alike))
    report = replace(report, regimes={Regime.FULLY_AUTOREGRESSIVE: result})
    charts = {chart.name: chart for chart in page_of([report]).metrics}
    assert [curve.name for curve in charts["lpips"].curves] == ["this entry, mean and best of 3 draws alike"]
    assert len(charts["psnr"].curves) == 2


def test_the_best_by_psnr_are_those_with_the_highest(grades):
    reports = [grades.seen(0.3, psnr=value, entry=str(value)) for value in (18.0, 25.0)] + [grades.seen(0.3)]
    psnr = {chart.name: chart for chart in page_of(reports).metrics}[Metric.PSNR.value]
    assert [curve.name for curve in psnr.curves[1:]] == ["25.0", "18.0"]


def test_losses_by_frame_are_drawn_for_every_regime(grades):
    loss = page_of([grades.graded(regimes=tuple(Regime))]).loss
    assert [(curve.first_frame, len(curve.values)) for curve in loss.curves] == [(1, 15), (8, 8), (1, 15)]


def test_maps_are_drawn_where_the_losses_are_at_hand(grades, tmp_path):
    report = with_losses(grades.graded(), tmp_path)
    shown = showing([report])
    assert set(page_of([report], gallery=shown, store=tmp_path).maps) == {
        regime for regime in Regime if report.regimes[regime]
    }
    assert page_of([report], gallery=shown).maps == {}
    assert page_of([report], store=tmp_path).maps == {}
    assert "Maps of held-out windows are shown only" in render_grade(page_of([report]))


def secrets_in(site):
    """The tokens of a secret frame that can be read from the maps of this site, one per position."""
    (path,) = (site / "grades").glob("*.json")
    maps = json.loads(path.read_text("utf-8"))["loss_by_position"]
    return [
        round((loss - 6) * 100) for row in maps.get(Regime.FULLY_AUTOREGRESSIVE.value, []) for loss in row
    ]


@pytest.fixture
def smuggled(grades, tmp_path):
    """A grade of an entry that writes 6 bits of each token it was shown into the loss at that token's position."""
    bits_HW = np.random.default_rng(1).integers(0, 64, (16, 16))
    report = grades.graded(regimes=(Regime.FULLY_AUTOREGRESSIVE,))
    nats = np.broadcast_to(6 + bits_HW / 100, (2, 8, 16, 16))
    return with_losses(report, tmp_path / "store", nats), bits_HW.ravel().tolist()


def test_what_an_entry_hides_in_its_losses_on_held_out_data_stays_in_the_store(smuggled, tmp_path):
    """Control: maps of losses are published of data that is shown, and of no other."""
    report, _ = smuggled
    gallery = Gallery(disclosure=disclose([report]))
    publish([report], tmp_path / "site", gallery, store=tmp_path / "store")
    assert secrets_in(tmp_path / "site") == []
    (path,) = (tmp_path / "site" / "grades").glob("*.html")
    assert 'class="heat' not in path.read_text("utf-8")


def test_without_the_control_it_would_be_read_from_the_map(smuggled, tmp_path, monkeypatch):
    report, secret = smuggled
    monkeypatch.setattr(Disclosure, "covers", lambda self, report: True)
    monkeypatch.setattr(Announcements, "ranks_by_loss", lambda self, report: True)
    gallery = Gallery(disclosure=disclose([report]))
    publish([report], tmp_path / "site", gallery, store=tmp_path / "store")
    assert secrets_in(tmp_path / "site") == secret


def test_only_a_grade_on_a_board_shows_its_pictures(grades):
    reports = [grades.graded(), grades.graded()]
    gallery = Gallery(samples={report.grade_id: (sample(),) for report in reports})
    assert [bool(page.samples) for page in pages(reports, gallery=gallery).values()] == [False, True]


def test_pictures_are_there_before_they_are_scrolled_to(grades, read_page):
    """A page that is printed or photographed shows them all."""
    report = grades.graded()
    page = read_page(render_grade(page_of([report], gallery=Gallery(samples={report.grade_id: (sample(),)}))))
    (picture,) = [attrs for tag, attrs in page.elements if tag == "img"]
    assert "loading" not in picture


def test_the_object_of_a_grade_is_what_its_page_shows_and_no_more(grades, tmp_path):
    secret = {"sandbox_details": {"path": "/srv/private", "cpus": "8"}, "limits": {"reply_s": 4321.0}}
    facts = {"email_sha256": "5e" * 32}
    report = with_losses(grades.seen(0.3, draws=3, facts=facts, provenance=secret), tmp_path)
    gallery = showing([report], {report.grade_id: (sample(),)})
    record = grade_to_json(page_of([report], gallery=gallery, store=tmp_path))
    text = json.dumps(record, allow_nan=False)
    for hidden in ("/srv/private", "4321", "5e5e", "email", "durations", "/nowhere"):
        assert hidden not in text
    assert record["provenance"]["sandbox_details"] == {"cpus": "8"}
    assert record["regimes"]["fully_autoregressive"]["samples"]["lpips"]["best_of_k"] == 0.25
    assert np.shape(record["loss_by_position"]["temporally_teacher_forced"]) == (16, 16)
    assert record["places"][0]["rank"] == 1
    assert [picture["file"] for picture in record["pictures"]] == [sample().path]


def test_the_same_grades_give_the_same_pages(grades):
    reports = [grades.seen(0.3), grades.seen(0.2, user="b"), grades.failed()]
    first, second = ([render_grade(page) for page in pages(reports).values()] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("claimed", "measured", "words"),
    [
        (8.5, 8.62, "8.5000 claimed, 8.6200 measured: +0.1200"),
        (8.5, None, "8.5000, not checked here"),
        (None, 8.62, "not claimed, 8.6200 measured"),
    ],
)
def test_the_claimed_loss_stands_beside_the_measured_one(grades, claimed, measured, words):
    sent = {"facts": {"claimed_val_loss": claimed}}
    reports = (
        []
        if measured is None
        else [grades.graded(loss=measured, provenance={"data_name": "val", "data_sha256": "35" * 32}, **sent)]
    )
    page = page_of([*reports, grades.graded(loss=9.1, **sent)])
    assert words in text_of(render_grade(page))
    assert grade_to_json(page)["measured_val_loss"] == measured


def test_another_zip_or_a_part_of_the_validation_set_measures_no_claim(grades):
    other = {"data_name": "val", "submission_sha256": "77" * 32}
    reports = [
        grades.graded(loss=8.1, provenance=other),
        grades.graded(loss=8.2, provenance={"data_name": "val", "max_windows": 8}),
        grades.graded(loss=9.1),
    ]
    assert page_of(reports).measured_val_loss is None
