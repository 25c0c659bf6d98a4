"""The page is one valid, self-contained document, and no name in it becomes markup."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pytest

from harness.protocol.regimes import Regime
from harness.results.store import Store
from leaderboard.columns import COLUMNS
from leaderboard.marks import Mark
from leaderboard.render import render
from leaderboard.standings import standings

VOID = {"meta", "link", "br", "img", "input", "hr"}
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title></head><body onload=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" style="position:fixed" x="',
    "<svg/onload=alert(1)>",
    "<!-- ",
    "]]> <![CDATA[",
    "{{ 7*7 }} {% raw %}",
    "&lt;script&gt; &#60;b&#62;",
    "javascript:alert(1)",
    "\u202ereversed\u202c \u2066isolated",
    "a\x00b\x1b[2Jc",
    "\uff1cscript\uff1e",
    "<a href=https://evil.example>x</a>",
    "W" * 64,
]


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, texts, and whether all is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs), f"an attribute is given twice: {attrs}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, name):
        return [attrs[name] for _, attrs in self.elements if name in attrs]

    @property
    def shape(self):
        """Every element with the names of its attributes, in order."""
        return [(tag, sorted(attrs)) for tag, attrs in self.elements]


@pytest.fixture
def full(grades):
    """A page with everything on it."""
    return render(
        standings(
            [
                grades.graded(loss=7.9, carried_state=True, facts={"external_data": ("DINOv2", "Ego4D")}),
                grades.graded(user="b", loss=9.0, regimes=tuple(Regime), provenance={"sandbox": "process"}),
                grades.graded(
                    user="c", loss=9.1, facts={"description": "long " * 300, "claimed_val_loss": None}
                ),
                grades.graded(user="d", loss=12.6, provenance={"data_sha256": None, "base_image": None}),
                grades.graded(user="e", provenance={"schedule": "upstream", "order_leaks": True}),
                grades.graded(user="f", regimes=(Regime.FULLY_AUTOREGRESSIVE,)),
                grades.failed(),
                grades.failed(user=None, entry=None, submission_sha256="ab" * 32),
                grades.failed(user=None, entry=None, submission_sha256=None),
            ]
        )
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_adds_no_element_and_no_attribute(grades, text):
    def page(name: str) -> Page:
        facts = {"description": name, "external_data": (name,)}
        made = [
            grades.graded(user=name, entry=name, facts=facts, provenance={"data_name": name}),
            grades.failed(user=name, entry=name, message=name),
        ]
        return Page(render(standings(made)))

    honest, hostile = page("honest"), page(text)
    assert hostile.shape == honest.shape
    assert hostile.open == []
    assert len(hostile.texts) == len(honest.texts)
    assert not any(ord(character) < 32 and character != "\n" for text in hostile.texts for character in text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", "".join(hostile.texts))


def test_the_message_of_a_failure_is_not_on_the_page(grades):
    html = render(standings([grades.failed(message="I wrote this myself", code="guest.said_failed")]))
    assert "I wrote this myself" not in html
    assert "guest.said_failed" in html


def test_nothing_is_loaded_from_anywhere(full):
    page = Page(full)
    assert not page.values("src")
    assert not {"script", "img", "iframe", "object", "embed", "form", "base", "video", "audio"} & {
        tag for tag, _ in page.elements
    }
    assert [attrs for tag, attrs in page.elements if tag == "link"] == [{"rel": "icon", "href": "data:,"}]
    style = re.search(r"<style>(.*?)</style>", full, re.DOTALL).group(1)
    assert "url(" not in style
    assert "@import" not in style
    for href in (attrs["href"] for tag, attrs in page.elements if tag == "a"):
        assert re.match(r"#|leaderboard\.(json|csv)$|https://huggingface\.co/1x-technologies/", href)


def test_the_content_security_policy_allows_exactly_this_style_sheet(full):
    page = Page(full)
    (policy,) = [attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv")]
    style = re.search(r"<style>(.*?)</style>", full, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy.split("; ")[:2] == ["default-src 'none'", f"style-src 'sha256-{digest}'"]
    assert "unsafe" not in policy
    assert not page.values("style"), "the policy forbids style attributes"
    assert not [name for _, names in page.shape for name in names if name.startswith("on")]
    assert full.index("Content-Security-Policy") < full.index("<style>")


def test_the_document_is_well_formed(full):
    page = Page(full)
    assert full.startswith("<!doctype html>\n")
    assert page.open == []
    ids = Counter(page.values("id"))
    assert max(ids.values()) == 1, "an id names one element"
    fragments = {href[1:] for href in page.values("href") if href.startswith("#")}
    assert fragments <= set(ids)
    assert {name for value in page.values("aria-labelledby") for name in value.split()} <= set(ids)


def test_headings_never_skip_a_level(full):
    levels = [int(tag[1]) for tag, _ in Page(full).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_tables_say_what_their_headers_head(full):
    page = Page(full)
    assert all(attrs.get("scope") for tag, attrs in page.elements if tag == "th")
    boards = re.findall(r'<table class="board".*?</table>', full, re.DOTALL)
    assert len(boards) == 3
    for board in boards:
        assert board.count("<caption>") == 1
        for row in re.findall(r"<tr.*?</tr>", board, re.DOTALL):
            spans = [int(span) for span in re.findall(r'colspan="(\d+)"', row)]
            cells = len(re.findall(r"<t[hd][ >]", row))
            assert cells - len(spans) + sum(spans) == len(COLUMNS)


def test_every_column_and_badge_is_explained(full):
    for column in COLUMNS:
        assert f'id="column-{column.name}"' in full
    for mark in Mark:
        assert f'id="mark-{mark.value}"' in full
        assert mark.label in full


def test_badges_stand_at_the_rows_they_belong_to(full):
    rows = re.findall(r'<tr role="row">\n<td role="cell" class="rank figure">\d.*?</tr>', full, re.DOTALL)
    marked = [re.findall(r'href="#mark-(\w+)"', row) for row in rows]
    assert sorted(marked) == [[], [], ["carried_state"], ["order_leaks"], ["self_run"]]


def test_what_was_published_elsewhere_stands_once_and_apart(full):
    (section,) = re.findall(r'<section id="published".*?</section>', full, re.DOTALL)
    text = " ".join(re.sub(r"<[^>]+>", " ", section).split())
    assert "val_v1.1" in text
    assert "not comparable with a table of other data" in text
    assert "1X GENIE_138M val_v1.1 8.79 0.0320 0.207 0.075" in text
    assert "1X GENIE_35M val_v1.1 8.99 0.0301 0.217 0.030" in text
    assert full.count("GENIE_138M</a>") == 1


def test_the_prize_line_says_where_the_prize_is_won(full):
    assert full.count("wins on the private held-out set only") == 3


def test_an_absurd_loss_is_called_large(grades):
    html = render(standings([grades.graded(loss=9.0), grades.graded(user="b", loss=1e38)]))
    assert "<strong>&gt;25</strong>" in html
    assert not re.search(r"\d{20}\.", html)


def test_an_empty_store_gives_a_friendly_page(grades):
    html = render(standings([]))
    assert Page(html).open == []
    assert "No ranked entry yet" in html
    assert "wmc grade" in html


def test_the_same_grades_give_the_same_page(grades):
    reports = [grades.graded(loss=9.0), grades.graded(user="b"), grades.failed()]
    assert render(standings(reports)) == render(standings(list(reports)))


def test_the_command_on_the_page_recomputes_the_loss(grades, tmp_path, full):
    nats = np.random.default_rng(1).uniform(5, 12, (3, 15, 16, 16))
    path, _ = Store(tmp_path).save_tokens(
        "g", "temporally_teacher_forced", nats_BTHW=nats, tokens_BTHW=np.zeros(nats.shape, np.uint32),
        starts_B=np.arange(3),
    )  # fmt: skip
    (code,) = [text for text in Page(full).texts if "np.load" in text]
    program = re.search(r'python -c "(.*)" ', code).group(1)
    command = [sys.executable, "-c", program, str(tmp_path / path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert float(printed) == pytest.approx(nats.mean(), abs=1e-6)
