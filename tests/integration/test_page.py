"""The leaderboard in a real browser: nothing to complain about, nothing wider than a phone, both colour schemes."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.protocol.regimes import Regime
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


def regime(loss: float, first_frame: int) -> dict[str, Any]:
    return {
        "loss": loss,
        "loss_ci": [loss - 0.05, loss + 0.05],
        "token_accuracy": 0.0312,
        "loss_by_frame": [loss + 0.01 * frame for frame in range(first_frame, 16)],
        "first_frame": first_frame,
        "windows": 243,
        "seconds_per_frame": 0.031,
        "reply_s_median": 0.02,
        "reply_s_p95": 0.03,
        "batch": 16,
        "logits_dtype": "<f4",
        "state_probe": {
            "windows": 13, "mean_gain": 0.5, "largest_change": 0.5, "carried_state": True,
            "depends_on_neighbours": True,
        },
        "tokens_file": "grades/a/temporally_teacher_forced.npz",
        "tokens_sha256": "ab" * 32,
    }  # fmt: skip


def grade(number: int, *, loss: float, failed: bool = False, **entry: Any) -> GradeReport:
    """A grade with every column filled and every badge."""
    failure = {"code": "guest.closed", "blame": "entry", "message": "", "fix": ""} if failed else None
    facts = {
        "user_name": "ada", "entry_name": f"entry {number}", "description": "Counts.", "training_flops": 1.5e19,
        "external_data": ["DINOv2"], "claimed_val_loss": 8.5, "causal": True,
    }  # fmt: skip
    provenance = {
        "harness_version": "0.1.0", "git_commit": "0" * 40, "spec_version": "1", "gate_version": 1, "seed": 0,
        "schedule": "upstream", "sandbox": "process", "sandbox_details": {}, "limits": {}, "base_image": None,
        "submission_sha256": "cd" * 32, "entry_tree_sha256": "ef" * 32, "entry_bytes": 1, "data_name": "heldout",
        "data_sha256": "12" * 32, "order_leaks": True, "durations_s": {},
    }  # fmt: skip
    scores = {kind.value: None if failed else regime(loss, kind.first_target()) for kind in Regime}
    return GradeReport.from_json(
        {
            "grade_id": f"20250101-000000-{number:08x}",
            "finished_at": f"2025-01-{number:02}T00:00:00+00:00",
            "status": "failed" if failed else "graded",
            "entry": facts | entry,
            "regimes": scores,
            "failure": failure,
            "provenance": provenance,
        }
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose texts are as long and as hostile as an entrant can make them."""
    site = tmp_path_factory.mktemp("site")
    publish(
        [
            grade(1, loss=7.9, user_name="W" * 32, entry_name="W" * 64, description="W" * 2000),
            grade(2, loss=9.0, entry_name='"><script>alert(1)</script>', external_data=["W" * 300] * 50),
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
        "[...document.querySelectorAll('script, img, iframe, [onerror], [onload]')].length", width=800
    )
    assert found == 0


def test_a_screenshot_of_the_page_shows_something(chromium, page, tmp_path):
    image = tmp_path / "page.png"
    chromium(page, f"--screenshot={image}", "--window-size=1280,1500")
    from PIL import Image

    with Image.open(image) as picture:
        assert picture.size == (1280, 1500)
        assert len(picture.convert("RGB").getcolors(maxcolors=1 << 20)) > 50
