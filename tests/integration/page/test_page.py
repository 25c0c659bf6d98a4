"""The leaderboard in a real browser: nothing to complain about, nothing wider than a phone, both colour schemes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.results.report import GradeReport
from leaderboard.publish import publish

pytestmark = pytest.mark.browser

LIGHT, DARK = 1, 0
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip
# The browser's own window is never narrower than 500 px, a frame in it can be. `window` is the page's.
MEASURING = """<!doctype html><pre id="out"></pre>
<iframe id="page" width="{width}" height="800" style="border:0"></iframe>
<script>
const frame = document.getElementById("page");
frame.onload = () => {{
  const window = frame.contentWindow, document = frame.contentDocument;
  out.textContent = JSON.stringify({measure});
}};
frame.srcdoc = {html};
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, grade: Callable[..., GradeReport]) -> Path:
    """A page whose texts are as long and as hostile as an entrant can make them."""
    site = tmp_path_factory.mktemp("site")
    publish(
        [
            grade(1, loss=7.9, lpips=0.2, user_name="W" * 32, entry_name="W" * 64, description="W" * 2000),
            grade(
                2,
                loss=9.0,
                lpips=0.3,
                entry_name='"><script>alert(1)</script>',
                external_data=["W" * 300] * 50,
            ),
            grade(3, loss=12.6, entry_name="<img src=x onerror=alert(1)>", description="one\ntwo " * 200),
            grade(4, loss=9, failed=True, user_name="W" * 32, entry_name="W" * 64),
        ],
        site,
    )
    return site / "index.html"


@pytest.fixture
def chromium(tmp_path: Path):
    """Runs Chromium on a page; returns (stdout, lines of the page's console)."""

    def run(page: Path, *options: str, scheme: int = LIGHT) -> tuple[str, list[str]]:
        profile = tmp_path / "profile"
        command = [
            "chromium",
            *FLAGS,
            f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={scheme}",
        ]
        # Chromium looks for its settings and caches at home.
        environment = {**os.environ, "HOME": str(tmp_path)}
        done = subprocess.run(
            [*command, *options, page.as_uri()],
            check=True, capture_output=True, text=True, timeout=120, env=environment,
        )  # fmt: skip
        return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    return run


@pytest.fixture
def measured(tmp_path: Path, chromium, page: Path):
    """The value of a JavaScript expression on the page at a width; the page's own policy forbids it scripts."""

    def measure(expression: str, *, width: int, scheme: int = LIGHT) -> Any:
        html = json.dumps(page.read_text("utf-8")).replace("</", "<\\/").replace("<!--", "<\\!--")
        wrapper = tmp_path / "measuring.html"
        wrapper.write_text(MEASURING.format(width=width, measure=expression, html=html), "utf-8")
        dom, _ = chromium(wrapper, "--dump-dom", "--window-size=2000,1000", scheme=scheme)
        return json.loads(re.search(r'<pre id="out">(.+?)</pre>', dom).group(1))

    return measure


def test_the_browser_finds_nothing_to_complain_about(chromium, page):
    dom, console = chromium(page, "--dump-dom")
    assert console == []
    assert dom.count("<tr") > 10


def test_a_style_sheet_that_was_changed_is_refused(chromium, page, tmp_path):
    """The negative twin: the console does speak up, and the policy is in force."""
    changed = tmp_path / "changed.html"
    changed.write_text(page.read_text("utf-8").replace("<style>", "<style>body { color: red }"), "utf-8")
    _, console = chromium(changed, "--dump-dom")
    assert any("Content Security Policy" in line for line in console)


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 1920])
def test_the_page_is_never_wider_than_its_screen(measured, width):
    found = measured("[window.innerWidth, document.documentElement.scrollWidth]", width=width)
    assert found[0] == width
    assert found[1] <= width


def test_on_a_phone_every_figure_of_a_row_is_on_the_screen(measured):
    found = measured(
        "[...document.querySelectorAll('table.board td, table.board tbody th')]"
        ".map(cell => cell.getBoundingClientRect())"
        ".filter(box => box.width && (box.left < 0 || box.right > window.innerWidth)).length",
        width=390,
    )
    assert found == 0


def test_at_1280_pixels_the_table_needs_no_scrolling(measured):
    widths = measured(
        "[...document.querySelectorAll('.ranking')].map(box => [box.scrollWidth, box.clientWidth])",
        width=1280,
    )
    assert widths
    assert [content - box for content, box in widths] == [0] * len(widths)


def test_the_reader_chooses_light_or_dark(measured):
    colours = [
        measured("window.getComputedStyle(document.body).backgroundColor", width=800, scheme=scheme)
        for scheme in (LIGHT, DARK)
    ]
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
    assert brightness[0] > 600
    assert brightness[1] < 150


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_text_stands_out_from_its_ground(measured, scheme):
    """At least 4.5 to 1, what WCAG asks of body text."""
    worst = measured(
        """(() => {
          const light = colour => {
            const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(v => v / 255)
              .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ground = node => {
            const colour = window.getComputedStyle(node).backgroundColor;
            return colour === "rgba(0, 0, 0, 0)" ? ground(node.parentElement) : colour;
          };
          const texts = [...document.body.querySelectorAll("*")].filter(node =>
            [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
          return Math.min(...texts.map(node => {
            const pair = [window.getComputedStyle(node).color, ground(node)].map(light).sort((a, b) => b - a);
            return (pair[0] + 0.05) / (pair[1] + 0.05);
          }));
        })()""",
        width=1280,
        scheme=scheme,
    )
    assert worst >= 4.5


def test_no_text_of_an_entrant_became_an_element(measured):
    found = measured(
        "[...document.querySelectorAll('script, img, iframe, [onerror], [onload]')].map(node => node.localName)",
        width=800,
    )
    assert found == ["script"], "our own, which the policy names"


def test_a_screenshot_of_the_page_shows_something(chromium, page, tmp_path):
    image = tmp_path / "page.png"
    chromium(page, f"--screenshot={image}", "--window-size=1280,1500")
    from PIL import Image

    with Image.open(image) as picture:
        assert picture.size == (1280, 1500)
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20)) > 50
