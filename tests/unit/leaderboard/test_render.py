"""The page is one valid, self-contained document, and no name in it becomes markup."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from harness.protocol.regimes import Regime
from harness.results.store import Store
from leaderboard.columns import COLUMNS, SAMPLING_COLUMNS
from leaderboard.marks import Mark
from leaderboard.render import render, render_sampling
from leaderboard.standings import standings


@pytest.fixture
def full(grades):
    """A page with everything on it."""
    return render(everything(grades))


def everything(grades):
    """Standings that show all that can be shown."""
    return standings(
        [
            grades.graded(loss=7.9, carried_state=True, facts={"external_data": ("DINOv2", "Ego4D")}),
            grades.graded(user="b", loss=9.0, regimes=tuple(Regime), provenance={"sandbox": "process"}),
            grades.graded(user="c", loss=9.1, facts={"description": "long " * 300, "claimed_val_loss": None}),
            grades.graded(user="d", loss=12.6, provenance={"data_sha256": None, "base_image": None}),
            grades.graded(user="e", provenance={"schedule": "upstream", "order_leaks": True}),
            grades.graded(user="f", regimes=(Regime.FULLY_AUTOREGRESSIVE,)),
            grades.seen(0.3, user="g", draws=3, provenance={"data_sha256": "9" * 64}),
            grades.seen(None, user="h", provenance={"data_sha256": "9" * 64}),
            grades.failed(),
            grades.failed(user="i", submission_sha256=None),
        ]
    )


def test_a_hostile_name_adds_no_element_and_no_attribute(grades, read_page, hostile):
    def page(name):
        facts = {"description": name, "external_data": (name,)}
        made = [
            grades.graded(user=name, entry=name, facts=facts, provenance={"data_name": name}),
            grades.failed(user=name, entry=name, message=name),
        ]
        made.append(grades.seen(0.3, user=name, entry=name, missing=name, provenance={"codec": name}))
        made.append(grades.seen(None, user=name, entry=name, missing=name))
        return [read_page(drawn(standings(made))) for drawn in (render, render_sampling)]

    for honest, shown in zip(page("honest"), page(hostile), strict=True):
        assert shown.shape == honest.shape
        assert shown.open == []
        assert len(shown.texts) == len(honest.texts)
        assert not any(
            ord(character) < 32 and character != "\n" for text in shown.texts for character in text
        )
        assert not re.search("[\u202a-\u202e\u2066-\u2069]", "".join(shown.texts))


def test_the_message_of_a_failure_is_not_on_the_page(grades):
    html = render(standings([grades.failed(message="I wrote this myself", code="guest.wrong_magic")]))
    assert "I wrote this myself" not in html
    assert "guest.wrong_magic" in html


def test_nothing_is_loaded_from_anywhere(full, read_page):
    page = read_page(full)
    assert not page.values("src")
    assert [attrs for tag, attrs in page.elements if tag == "script"] == [{}], "one, in the page itself"
    assert not {"img", "iframe", "object", "embed", "form", "base", "video", "audio"} & {
        tag for tag, _ in page.elements
    }
    links = [(attrs["rel"], attrs["href"]) for tag, attrs in page.elements if tag == "link"]
    assert links == [("icon", "data:,"), ("alternate", "feed.xml")], "a feed is named and not fetched"
    style = re.search(r"<style>(.*?)</style>", full, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style
    for href in (attrs["href"] for tag, attrs in page.elements if tag == "a"):
        assert re.match(
            r"#|(rules|changelog|sampling)\.html(#|$)|leaderboard\.(json|csv)$|grades/[0-9a-f-]+\.html(#declared)?$|https://huggingface\.co/1x-technologies/",
            href,
        )


def source_hash(html, tag):
    text = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL).group(1)
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_content_security_policy_allows_exactly_this_style_sheet_and_this_script(full, read_page):
    page = read_page(full)
    (policy,) = [attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv")]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src {source_hash(full, 'style')}",
        f"script-src {source_hash(full, 'script')}",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert not page.values("style"), "the policy forbids style attributes"
    assert not [name for _, names in page.shape for name in names if name.startswith("on")]
    assert full.index("Content-Security-Policy") < full.index("<style>")


def test_the_document_is_well_formed(full, read_page):
    page = read_page(full)
    assert full.startswith("<!doctype html>\n")
    assert page.open == []
    ids = Counter(page.values("id"))
    assert max(ids.values()) == 1, "an id names one element"
    fragments = {href[1:] for href in page.values("href") if href.startswith("#")}
    assert fragments <= set(ids)
    assert {name for value in page.values("aria-labelledby") for name in value.split()} <= set(ids)


def test_headings_never_skip_a_level(full, read_page):
    levels = [int(tag[1]) for tag, _ in read_page(full).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_tables_say_what_their_headers_head(grades, full, read_page):
    page = read_page(full)
    assert all(attrs.get("scope") for tag, attrs in page.elements if tag == "th")
    boards = re.findall(r'<table class="board compression".*?</table>', full, re.DOTALL)
    apart = render_sampling(everything(grades))
    sampling = re.findall(r'<table class="board sampling".*?</table>', apart, re.DOTALL)
    assert (len(boards), len(sampling)) == (4, 1), "without LPIPS there is a plain table"
    for board, columns in [(board, COLUMNS) for board in boards] + [
        (each, SAMPLING_COLUMNS) for each in sampling
    ]:
        assert board.count("<caption>") == 1
        for row in re.findall(r"<tr.*?(?=<tr|</t(?:head|body)>)", board, re.DOTALL):
            spans = [int(span) for span in re.findall(r'colspan="(\d+)"', row)]
            cells = len(re.findall(r"<t[hd][ >]", row))
            assert cells - len(spans) + sum(spans) == len(columns)


def test_every_column_and_badge_is_explained(grades, full):
    apart = render_sampling(everything(grades))
    for column in COLUMNS:
        assert f'id="column-{column.name}"' in full
    for column in SAMPLING_COLUMNS:
        assert f'id="column-sampling-{column.name}"' in apart
    for mark in Mark:
        assert f'id="mark-{mark.value}"' in full
        assert mark.label in full


def test_badges_stand_at_the_rows_they_belong_to(full):
    rows = re.findall(r"<tr><td>\d.*?(?=<tr|</tbody>)", full, re.DOTALL)
    marked = [re.findall(r"href=#mark-(\w+)", row) for row in rows]
    assert sorted(filter(None, marked)) == [["carried_state"], ["order_leaks"], ["self_run"]]


def test_what_was_published_elsewhere_stands_once_and_apart(full):
    (section,) = re.findall(r'<section id="published".*?</section>', full, re.DOTALL)
    text = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    assert "val_v1.1" in text
    assert "not comparable with a table of other data" in text
    assert "1X GENIE_138M val_v1.1 8.79 0.0320 0.207 0.075" in text
    assert "1X GENIE_35M val_v1.1 8.99 0.0301 0.217 0.030" in text
    assert full.count("GENIE_138M</a>") == 1


def test_the_prize_line_says_where_the_prize_is_won(full):
    assert full.count("wins on the private held-out set only") == 4


def test_an_absurd_loss_is_called_large(grades):
    html = render(standings([grades.graded(loss=9.0), grades.graded(user="b", loss=1e38)]))
    assert "<strong>&gt;25</strong>" in html
    assert not re.search(r"\d{20}\.", html)


def test_an_empty_store_gives_a_friendly_page(grades, read_page):
    html = render(standings([]))
    assert read_page(html).open == []
    assert "No ranked entry yet" in html
    assert "wmc grade" in html


def test_the_same_grades_give_the_same_page(grades):
    reports = [grades.graded(loss=9.0), grades.graded(user="b"), grades.failed()]
    assert render(standings(reports)) == render(standings(list(reports)))


def test_the_command_on_the_page_recomputes_the_loss(grades, tmp_path, full, read_page):
    nats = np.random.default_rng(1).uniform(5, 12, (3, 15, 16, 16))
    path, _ = Store(tmp_path).save_tokens(
        "g", "temporally_teacher_forced", nats_BTHW=nats, tokens_BTHW=np.zeros(nats.shape, np.uint32),
        starts_B=np.arange(3),
    )  # fmt: skip
    (code,) = [text for text in read_page(full).texts if "np.load" in text]
    program = re.search(r'python -c "(.*)" ', code).group(1)
    command = [sys.executable, "-c", program, str(tmp_path / path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert float(printed) == pytest.approx(nats.mean(), abs=1e-6)
