"""A grade's page says what the retrieval check found, held against what, and of held-out data no single window."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from harness.retrieval.report import EntryFile, EntryScan, TrainingRun, Verdict
from harness.retrieval.verdict import Findings, judge
from leaderboard import publishable_retrieval
from leaderboard.disclosure import Disclosure, disclose
from leaderboard.exports import grade_to_json, to_json
from leaderboard.grade_pages import grade_pages
from leaderboard.publish import publish
from leaderboard.publishable_retrieval import MOST_SOURCES
from leaderboard.render import render, render_grade
from leaderboard.retrieval_pages import FRAME_BITS
from leaderboard.samples import Gallery
from leaderboard.spreadsheet import to_csv
from leaderboard.standings import standings
from leaderboard.verdicts import NEVER_ALONE, Badge, badge_of

WINDOWS_OWN = {"delta_by_window", "sources", "pictures"}
"""What the check says of single windows."""


def page_of(report, *, shown=False):
    gallery = Gallery(disclosure=disclose([report], ["heldout@" + "34" * 32])) if shown else Gallery()
    (page,) = grade_pages([report], standings([report]), gallery=gallery)
    return page


def text_of(html):
    return " ".join(re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def section_of(html):
    return re.search(r'<section id="retrieval".*?</section>', html, flags=re.DOTALL).group()


def test_every_row_and_page_has_the_badge_of_its_verdict(grades, found, read_page):
    reports = [
        grades.graded(entry=verdict.value, retrieval=found(verdict=verdict)) for verdict in Verdict
    ] + [grades.graded(entry="old")]
    badges = {row.report.entry.entry_name: row.badge for row in standings(reports).boards[0].rows}
    assert badges == {
        "clear": Badge.CLEAR,
        "review": Badge.REVIEW,
        "copied": Badge.COPIED,
        "uncalibrated": Badge.UNCALIBRATED,
        "unmeasured": Badge.UNCHECKED,
        "old": Badge.UNCHECKED,
    }
    page = read_page(render(standings(reports)))
    linked = [
        attrs["href"]
        for tag, attrs in page.elements
        if "verdict" in (attrs.get("class") or "") and tag == "a"
    ]
    assert sorted(linked) == sorted(f"#retrieval-{badge_of(report).value}" for report in reports)
    assert set(linked) <= {f"#{each}" for each in page.values("id")}


def test_the_legend_and_every_page_say_that_no_badge_disqualifies(grades, found):
    reports = [grades.graded(retrieval=found())]
    assert NEVER_ALONE in text_of(render(standings(reports)))
    for report in (grades.graded(), grades.graded(retrieval=found())):
        assert NEVER_ALONE in text_of(render_grade(page_of(report)))


def test_each_statistic_stands_beside_its_interval_and_threshold(grades, found):
    page = page_of(grades.graded(retrieval=found()))
    shown = {each.title: each for each in page.retrieval.statistics}
    delta, gap = shown["Shared mistakes, delta"], shown["Train gap"]
    assert (delta.value, delta.interval, delta.beyond) == ("+1.235 spreads", "+1.123 to +1.346", True)
    assert "+0.401" in delta.threshold
    assert "+0.251" in delta.threshold
    assert (gap.value, gap.interval, gap.beyond) == ("+0.5123 nats", "+0.4000 to +0.6000", True)
    assert shown["Flagged windows"].value == "17 of 24, p 0.00035"
    assert shown["Flagged windows"].beyond is True
    assert shown["Near-duplicates"].value == "1.23% of 360 frames"
    assert "the nearest 120, 0.1% 200" in shown["Near-duplicates"].meaning
    assert (shown["Path"].value, shown["Path"].beyond) == ("75.12%", None)
    html = text_of(section_of(render_grade(page)))
    for each in shown.values():
        assert f"{each.value} {each.interval} {each.threshold or 'nothing'}" in html
    assert "delta +1.235 is above +0.401" in html


def test_what_lies_within_is_called_so(grades, found):
    page = page_of(grades.graded(retrieval=found(verdict=Verdict.CLEAR, delta=0.1, delta_ci=(0.0, 0.2))))
    assert page.retrieval.statistics[0].beyond is False
    assert "or with the interval above +0.301: within" in text_of(section_of(render_grade(page)))


@pytest.mark.parametrize(
    ("delta", "ends", "beyond"),
    [
        (0.5, (0.1, 0.9), True),
        (0.39, (0.31, 0.45), True),
        (0.3, (0.26, 0.35), False),
        (0.4, (0.2, 0.5), False),
    ],
)
def test_delta_is_beyond_where_the_verdict_says_so(grades, found, delta, ends, beyond):
    shown = found(delta=delta, delta_ci=ends)
    assert page_of(grades.graded(retrieval=shown)).retrieval.statistics[0].beyond is beyond
    alone = Findings(delta=delta, delta_ci=ends, delta_by_window=(0.0,) * 24)
    assert (judge(alone, shown.thresholds).verdict is not Verdict.CLEAR) is beyond


@pytest.mark.parametrize(("sandbox", "words"), [("docker", "It had no network"), ("process", "Nothing kept")])
def test_what_kept_an_entry_from_copying_is_said_of_a_sandbox_only(grades, found, sandbox, words):
    report = grades.graded(retrieval=found())
    run_in = replace(report, provenance=replace(report.provenance, sandbox=sandbox))
    section = section_of(render_grade(page_of(run_in)))
    assert words in section
    assert ("It had no network" in section) is (sandbox == "docker")


def test_without_a_panel_nothing_is_beyond_anything(grades, found):
    near = replace(found().near_duplicates, share=None)
    bare = found(
        verdict=Verdict.UNCALIBRATED, thresholds=None, panel_sha256=None, windows_flagged=None, windows_p=None,
        near_duplicates=near,
    )  # fmt: skip
    page = page_of(grades.graded(retrieval=bare), shown=True)
    assert {each.beyond for each in page.retrieval.statistics} == {None}
    html = text_of(section_of(render_grade(page)))
    assert "nearest 120 bits" in html
    assert Badge.UNCALIBRATED.meaning in html
    assert "Panel of honest entries none" in html
    assert [line.kind for line in page.retrieval.histogram.lines] == ["mean"]


def test_a_grade_that_was_not_checked_says_how_it_would_be(grades):
    html = render_grade(page_of(grades.graded()))
    assert "The record of this grade says nothing of it." in text_of(html)
    assert "--train" in section_of(html)


def test_what_could_not_be_measured_says_why_without_this_hosts_folders(grades, found):
    bare = replace(found(), verdict=Verdict.UNMEASURED, delta=None, missing="/root/data/train cannot be read")
    html = text_of(section_of(render_grade(page_of(grades.graded(retrieval=bare)))))
    assert "Not measured: train cannot be read" in html
    assert "/root" not in html


def test_a_stopped_grade_has_no_verdict(grades):
    page = page_of(grades.failed())
    assert (page.badge, page.retrieval) == (None, None)
    assert 'id="retrieval"' not in render_grade(page)
    assert grade_to_json(page)["retrieval"] is None


def test_of_shown_data_the_windows_and_sources_are_on_the_page(grades, found):
    html = section_of(render_grade(page_of(grades.graded(retrieval=found()), shown=True)))
    assert 'class="bar flagged"' in html
    assert '<td class="figure">4200</td>' in html
    assert f"{MOST_SOURCES} of 70" in html
    assert html.count('<td class="figure">1187</td>') == MOST_SOURCES


def test_what_the_entry_holds_is_beside_what_it_declares(grades, found):
    html = text_of(section_of(render_grade(page_of(grades.graded(retrieval=found())))))
    assert "50.0 MB in 12 files" in html
    assert "10.0 MB; added by build.sh: 40.0 MB" in html
    assert "10.0 bytes of the built entry for each" in html
    assert (
        "3,000 frames that touch, the first of them training frame 98000, in weights.bin at byte 4096, as packed18"
        in html
    )


@pytest.mark.parametrize(
    ("runs", "missing", "said"),
    [((), None, "none found"), (None, "it is too large", "not searched : it is too large")],
)
def test_files_that_were_not_searched_are_not_called_clean(grades, found, runs, missing, said):
    scan = replace(found().entry_scan, runs=runs, missing=missing)
    html = text_of(section_of(render_grade(page_of(grades.graded(retrieval=found(entry_scan=scan))))))
    assert f"Runs of training frames {said}".replace(" :", ":") in html.replace(" :", ":")


def test_a_hostile_file_name_is_text(grades, found, read_page, hostile):
    def shown(name):
        scan = EntryScan(
            size_bytes=1, num_files=1, sent_bytes=1, largest=(EntryFile(path=name, size_bytes=1),),
            runs=(TrainingRun(path=name, offset=0, layout="uint32", frames=2, train_frame=0),), missing=name,
        )  # fmt: skip
        record = found(entry_scan=scan, reasons=(name,), references=(name,), train_name=name, missing=name)
        return read_page(render_grade(page_of(grades.graded(retrieval=record), shown=True)))

    page = shown(hostile)
    assert page.shape == shown("honest").shape
    assert page.open == []
    text = "".join(page.texts)
    assert not any(ord(character) < 32 and character != "\n" for character in text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", text)


def test_the_object_of_a_grade_has_the_check_in_publishable_form(grades, found):
    record = grade_to_json(page_of(grades.graded(retrieval=found()), shown=True))["retrieval"]
    json.dumps(record, allow_nan=False)
    assert (record["verdict"], record["delta"], record["delta_ci"]) == ("copied", 1.235, (1.123, 1.346))
    assert (record["windows_flagged"], record["train_gap"]["gap"]) == (17, 0.5123)
    assert record["near_duplicates"]["share"] == 0.0123
    assert record["near_duplicates"]["bits_quantiles"] == (120, 200, 500, 900, 1400)
    assert record["thresholds"]["delta_copied"] == 0.401
    assert record["sources"][0]["support"] == 9.877
    assert len(record["sources"]) == MOST_SOURCES
    assert len(record["delta_by_window"]) == 24
    assert "pictures" not in record


def test_an_unchecked_grade_has_the_same_keys(grades, found):
    checked, unchecked = (
        grade_to_json(page_of(grades.graded(retrieval=each)))["retrieval"] for each in (found(), None)
    )
    assert checked.keys() == unchecked.keys()
    assert (unchecked["verdict"], unchecked["delta"]) == ("unchecked", None)


def test_the_rankings_for_machines_have_verdict_and_figures(grades, found):
    shown = standings([grades.graded(retrieval=found())])
    row = to_json(shown)["boards"][0]["rows"][0]["retrieval"]
    assert (row["verdict"], row["delta"], row["thresholds"]["honest"]) == ("copied", 1.235, 5)
    assert not WINDOWS_OWN & set(row)
    header, line, *_ = to_csv(shown).splitlines()
    cells = dict(zip(header.split(","), line.split(","), strict=True))
    assert (cells["retrieval"], cells["retrieval_delta"]) == ("copied", "1.235")


def written(site):
    """Everything of this site as text."""
    return "\n".join(
        path.read_text("utf-8") for path in site.rglob("*") if path.suffix in {".html", ".json", ".csv"}
    )


@pytest.fixture
def smuggled(grades, found):
    """A grade of an entry that writes what it was shown into windows' deltas and into its choice of sources."""
    sources = tuple(
        replace(source, train_frame=777000 + number) for number, source in enumerate(found().sources)
    )
    return grades.graded(retrieval=found(delta_by_window=(0.777123, 0.777456), sources=sources))


def test_what_an_entry_hides_in_its_sources_on_held_out_data_stays_in_the_store(smuggled, tmp_path):
    """Control: figures of single windows are published of data that is shown, and of no other."""
    publish([smuggled], tmp_path, Gallery(disclosure=disclose([smuggled])))
    site = written(tmp_path)
    assert "777" not in site
    assert "retrieval: copied" in site
    assert "+1.23 spreads" in site


def test_without_the_control_it_would_be_read_from_the_site(smuggled, tmp_path, monkeypatch):
    monkeypatch.setattr(Disclosure, "covers", lambda self, report: True)
    publish([smuggled], tmp_path, Gallery(disclosure=disclose([smuggled])))
    site = written(tmp_path)
    assert "777003" in site
    assert "0.78" in site


@pytest.fixture
def talkative(grades, found):
    """A grade of an entry that writes what it was shown into the message it fails with."""
    failure = "the entry says: token 777123 (guest.closed)"
    judged = judge(Findings(delta=0.0, delta_ci=(0.0, 0.0), delta_by_window=(), gap_failure=failure), None)
    assert any("777123" in reason for reason in judged.reasons)
    record = found(verdict=Verdict.REVIEW, reasons=judged.reasons, train_gap=None, gap_failure=failure)
    return grades.graded(retrieval=record)


def test_how_an_entry_failed_is_published_as_a_code(talkative, tmp_path):
    """Control: its words are not, for they may be what it was shown."""
    publish([talkative], tmp_path, Gallery(disclosure=disclose([talkative], ["heldout@" + "34" * 32])))
    site = written(tmp_path)
    assert "777123" not in site
    assert "failed while its train gap was measured: guest.closed" in site
    assert "failed while training windows were among the others: guest.closed." in site


def test_without_that_control_its_words_would_be(talkative, tmp_path, monkeypatch):
    monkeypatch.setattr(publishable_retrieval, "failure_code", lambda failure: failure)
    publish([talkative], tmp_path)
    assert "777123" in written(tmp_path)


def test_a_frame_has_as_many_bits_as_its_tokens():
    assert FRAME_BITS == 4608


def test_a_page_with_everything_stays_small(grades, found):
    html = section_of(render_grade(page_of(grades.graded(retrieval=found()), shown=True)))
    assert len(html) < 30_000
