"""The site as its readers use it: Debian's chromium, driven by its own driver, at a phone's width and wider.

Screenshots are kept in the folder that WMC_SCREENSHOTS names, else in build/screenshots.
"""

from __future__ import annotations

import base64
import functools
import http.server
import io
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from leaderboard.figures import NOTHING

pytestmark = pytest.mark.browser

SCREENSHOTS = Path(os.environ.get("WMC_SCREENSHOTS") or "build/screenshots")
WIDTHS = (390, 1280, 1920)
NARROWEST = 320
SHEET = 1031
SCHEMES = ("light", "dark")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
)  # fmt: skip
APPLE = "grades/20250101-000000-00000002.html"
HOSTILE = "grades/20250101-000000-00000004.html"
STOPPED = "grades/20250101-000000-00000005.html"
SEEKER = "grades/20250101-000000-00000006.html"
UNCALIBRATED = "grades/20250101-000000-00000003.html"
WITHDRAWN = "grades/20250101-000000-00000007.html"
PAGES = {
    "board": "index.html", "grade": APPLE, "hostile": HOSTILE, "stopped": STOPPED, "seeker": SEEKER,
    "uncalibrated": UNCALIBRATED, "sampling": "sampling.html", "changelog": "changelog.html", "rules": "rules.html",
    "withdrawn": WITHDRAWN,
}  # fmt: skip
UNRANKED = "unranked forbidden_reference"
PUBLISHED_ROWS = [UNRANKED, "", "line prize", "unranked withdrawn", "", "", "line uniform", ""]

LEAST_CONTRAST = """
const light = colour => {
  const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = node => {
  const colour = getComputedStyle(node).backgroundColor;
  return colour === "rgba(0, 0, 0, 0)" ? ground(node.parentElement) : colour;
};
const texts = [...document.body.querySelectorAll("*:not(script):not(option)")].filter(node =>
  node.checkVisibility() && [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
return Math.min(...texts.map(node => {
  const style = getComputedStyle(node);
  const pair = [node.closest("svg") ? style.fill : style.color, ground(node)].map(light).sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05);
}));
"""


class Reader:
    """Somebody with a browser."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def see(self, *, width: int = 1280, scheme: str = "light") -> None:
        """Have a screen of this width, and prefer this colour scheme."""
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})

    def print_from(self, *, scheme: str) -> None:
        """Have a sheet of A4, lying, within its margins."""
        metrics = {"width": SHEET, "height": 700, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})

    def open(self, address: str) -> None:
        """Go to this page; what was said and asked for before is forgotten."""
        self.complaints()
        self.asked_for()
        self.driver.get(address)

    def run(self, script: str) -> Any:
        """The value that a script returns on the page."""
        return self.driver.execute_script(script)

    def find(self, selector: str) -> Any:
        """The first element that matches."""
        return self.driver.find_element("css selector", selector)

    def complaints(self) -> list[str]:
        """What the console said since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked_for(self) -> list[str]:
        """The addresses that were asked for since this was last asked; data: is not on the network."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in sent if not url.startswith("data:")]

    def column(self, table: str, name: str) -> list[str]:
        """The texts of a column's cells, in the order of the rows that are shown."""
        return self.run(
            f"const at = [...document.querySelectorAll('{table} thead th')]"
            f".findIndex(head => head.classList.contains('{name}'));"
            f"return [...document.querySelectorAll('{table} tbody tr:not([hidden]):not(.line)')]"
            ".map(row => row.cells[at]).map(cell => (cell.querySelector('a, strong') ?? cell).textContent.trim())"
        )  # fmt: skip

    def rows(self, table: str) -> list[str]:
        """The classes of the rows that are shown, in order; an entry's row has none."""
        return self.run(
            f"return [...document.querySelectorAll('{table} tbody tr:not([hidden])')].map(row => row.className)"
        )

    def look_at_everything(self) -> None:
        """Wait for every picture, also below the screen."""
        self.driver.set_script_timeout(20)
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "Promise.all([...document.images].map(image => image.decode())).then(() => done(), () => done());"
        )

    def screenshot(self) -> bytes:
        """The whole page as a PNG."""
        options = {"format": "png", "captureBeyondViewport": True}
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", options)["data"])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    if not shutil.which("chromedriver"):
        pytest.skip("there is no chromedriver on the PATH (Debian: apt-get install chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is in wmc[dev]")
    home = tmp_path_factory.mktemp("home")
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={home / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # A driver that is named is not looked for on the network.
    service = webdriver.ChromeService(shutil.which("chromedriver"), env={**os.environ, "HOME": str(home)})
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield Reader(driver)
    finally:
        driver.quit()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@contextmanager
def served(folder: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    with served(site) as address:
        yield address


@pytest.fixture
def board(reader: Reader, address: str) -> Reader:
    """A reader in front of the rankings."""
    reader.see()
    reader.open(address + "index.html")
    return reader


def press(reader: Reader, table: str, name: str) -> None:
    reader.find(f"{table} thead .{name} button").click()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_for_nothing_beyond_the_site_and_has_no_complaint(reader, address, page):
    reader.see()
    reader.open(address + PAGES[page])
    reader.look_at_everything()
    assert reader.complaints() == []
    asked = reader.asked_for()
    assert asked[0] == address + PAGES[page]
    assert [url for url in asked if not url.startswith(address)] == []
    assert all(re.search(r"/samples/[0-9a-f]{64}\.png$", url) for url in asked[1:])


def test_the_check_sees_a_request_elsewhere_and_a_complaint(reader, address, site, tmp_path):
    """The negative twin: without the policy the picture of another site is asked for; with it the console says so."""
    text = (
        (site / "index.html").read_text("utf-8").replace("</h1>", "</h1><img src='http://127.0.0.1:9/x.png'>")
    )
    (tmp_path / "kept.html").write_text(text, "utf-8")
    (tmp_path / "none.html").write_text(re.sub("<meta http-equiv[^>]*>", "", text), "utf-8")
    with served(tmp_path) as other:
        reader.open(other + "none.html")
        assert "http://127.0.0.1:9/x.png" in reader.asked_for()
        reader.open(other + "kept.html")
        assert any("Content Security Policy" in line for line in reader.complaints())


def test_the_rankings_sort_by_what_is_pressed_and_back(board):
    """Names sort as people sort them; the prize line is of the published order and goes with it."""
    table, head = "#boards table.board", "#boards thead .entry"
    assert board.column(table, "entry")[:5] == ["seeker", "apple", "Undone", "mango", "Zebra"]
    assert board.rows(table) == PUBLISHED_ROWS
    press(board, table, "entry")
    assert board.column(table, "entry")[1:] == ["apple", "mango", "seeker", "Undone", "Zebra"]
    assert board.find(head).get_attribute("aria-sort") == "ascending"
    press(board, table, "entry")
    assert board.column(table, "entry")[:5] == ["Zebra", "Undone", "seeker", "mango", "apple"]
    assert board.find(head).get_attribute("aria-sort") == "descending"
    assert board.find("#boards .sorted").text == "Sorted by Entry, descending."
    assert sorted(board.rows(table)) == [""] * 4 + [UNRANKED, "unranked withdrawn"]
    press(board, table, "rank")
    assert board.column(table, "entry")[:5] == ["seeker", "apple", "Undone", "mango", "Zebra"]
    assert board.find(head).get_attribute("aria-sort") is None
    assert board.rows(table) == PUBLISHED_ROWS


def test_what_is_not_known_stands_last_whichever_way_the_rest_is_sorted(board):
    orders = []
    for _ in range(2):
        press(board, "#boards table.board", "lpips")
        orders.append(board.column("#boards table.board", "lpips"))
    assert [order[-1] for order in orders] == [NOTHING, NOTHING]
    assert orders[0][:5] == orders[1][4::-1] == sorted(orders[0][:5])


def test_figures_sort_as_numbers(board):
    press(board, "#boards table.board", "autoregressive")
    assert board.column("#boards table.board", "autoregressive")[-1] == "12.9000", "twelve is more than nine"


def test_a_heading_is_pressed_from_the_keyboard_too(board, address):
    from selenium.webdriver.common.keys import Keys

    board.open(address + "sampling.html")
    assert board.column("#sampling table.board", "entry") == ["seeker", "mango", "apple", "Undone", "Zebra"]
    board.find("#sampling thead .psnr button").send_keys(Keys.ENTER)
    assert board.find("#sampling thead .psnr").get_attribute("aria-sort") == "descending"
    assert board.column("#sampling table.board", "entry") == ["seeker", "mango", "apple", "Undone", "Zebra"]
    board.find("#sampling thead .psnr button").send_keys(Keys.SPACE)
    assert board.column("#sampling table.board", "entry") == ["Zebra", "Undone", "apple", "mango", "seeker"]


def test_a_filter_leaves_the_rows_that_have_its_words_and_says_how_many(board):
    table = "#boards table.board"
    board.find("#boards .tools input").send_keys("copied")
    assert board.rows(table) == [UNRANKED], "the lines say nothing among a few rows"
    assert board.find("#boards .sorted").text == "1 of 6 entries are shown."
    board.find("#boards .tools input").clear()
    board.find("#boards .tools input").send_keys("BOB")
    assert board.column(table, "entry") == ["apple"]
    press(board, table, "entry")
    assert board.column(table, "entry") == ["apple"]
    assert "Sorted by Entry, ascending. 1 of 6" in board.find("#boards .sorted").text
    board.find("#boards .tools input").clear()
    board.find("#boards .tools input").send_keys(" ")
    press(board, table, "rank")
    assert board.rows(table) == PUBLISHED_ROWS


def test_what_has_no_rank_is_struck_or_set_apart(board):
    line = "return getComputedStyle(document.querySelector('#boards .withdrawn > th > a')).textDecorationLine"
    assert board.run(line) == "line-through"
    assert board.column("#boards table.board", "rank")[:3] == ["", "1", ""]


@pytest.mark.parametrize("width", [NARROWEST, 1280])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_that_keeps_anybody_out(reader, address, page, width):
    """Deque's axe-core, the rules of WCAG 2.1 A and AA and its best practices; the twin is the test below."""
    reader.see(width=width)
    reader.open(address + PAGES[page])
    assert complaints_of_axe(reader) == []


def test_axe_does_find_what_is_wrong(reader, address):
    reader.open(address + "index.html")
    reader.run("document.documentElement.removeAttribute('lang'); document.querySelector('h1').remove()")
    assert {"html-has-lang", "page-has-heading-one"} <= {rule for rule, *_ in complaints_of_axe(reader)}


def complaints_of_axe(reader: Reader) -> list[tuple[str, str]]:
    """Which rules are broken, and the first element that breaks each."""
    folder = Path(
        pytest.importorskip("axe_core_python", reason="axe-core-python is in wmc[dev]").__file__
    ).parent
    reader.driver.execute_cdp_cmd(
        "Runtime.evaluate", {"expression": (folder / "axe.min.js").read_text("utf-8")}
    )
    reader.driver.set_script_timeout(60)
    found = reader.driver.execute_async_script(
        "const done = arguments[0];"
        "axe.run(document, {resultTypes: ['violations']}).then(done, error => done({error: String(error)}));"
    )
    return [(each["id"], each["nodes"][0]["html"][:200]) for each in found["violations"]]


def test_on_a_phone_the_cards_are_sorted_by_a_choice(board):
    from selenium.webdriver.support.select import Select

    board.see(width=390)
    Select(board.find("#boards select")).select_by_visible_text("Entry")
    assert board.column("#boards table.board", "entry")[1:] == ["apple", "mango", "seeker", "Undone", "Zebra"]


def test_an_entry_leads_to_its_page_and_back(board, address):
    board.driver.find_element("link text", "apple").click()
    assert board.driver.current_url == address + APPLE
    assert board.find("h1").text == "apple by bob"
    assert board.run("return document.querySelectorAll('.chart > svg').length") == 4
    board.look_at_everything()
    assert board.run("return [...document.images].map(image => image.naturalWidth)") == [1602] * 3
    squares = board.run(
        "return [...document.querySelectorAll('.map svg')].map(map => "
        "[...map.querySelectorAll('path')].map(path => path.getAttribute('d').match(/M/g).length)"
        ".reduce((sum, count) => sum + count, 0))"
    )
    assert squares == [256] * 3
    assert board.complaints() == []
    board.driver.find_element("partial link text", "Leaderboard").click()
    assert board.driver.current_url == address + "index.html"


def test_a_verdict_leads_to_its_meaning_and_its_evidence_can_be_seen(board, address):
    board.find("#boards .forbidden_reference a.verdict").click()
    assert board.driver.current_url == address + "index.html#retrieval-copied"
    board.open(address + SEEKER)
    board.look_at_everything()
    assert (
        board.run("return [...document.querySelectorAll('.suspect img')].map(image => image.naturalWidth)")
        == [588] * 6
    )
    windows = (
        "return [...document.querySelectorAll('.deltas tbody .figure')].map(cell => Number(cell.textContent))"
    )
    assert sum(board.run(windows)) == 243
    assert board.run("return document.querySelectorAll('.deltas .level').length") == 8, (
        "four, each with its key"
    )
    assert board.complaints() == []


def test_the_grade_can_be_downloaded_as_it_is_published(board, address, site):
    board.open(address + APPLE)
    link = board.find("nav a[download]").get_attribute("href")
    assert link == address + APPLE.replace(".html", ".json")
    record = json.loads((site / APPLE).with_suffix(".json").read_text("utf-8"))
    assert record["grade_id"] in link
    assert f"{record['regimes']['temporally_teacher_forced']['loss']:.4f}" in board.find(".tiles").text


def test_without_javascript_everything_is_there(board, address):
    board.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        board.open(address + "index.html")
        assert board.driver.find_elements("css selector", "thead button, select, input") == []
        board.find("#boards thead .accuracy a").click()
        assert board.driver.current_url.endswith("#column-accuracy")
        board.driver.find_element("link text", "mango").click()
        assert board.find("h1").text == "mango by carol"
    finally:
        board.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_the_folder_opens_without_a_server(reader, site):
    reader.see()
    reader.open((site / APPLE).as_uri())
    reader.look_at_everything()
    assert reader.complaints() == []
    assert reader.run("return [...document.images].every(image => image.naturalWidth === 1602)")


def test_a_hostile_name_is_text_on_every_page(reader, address):
    for page in ("index.html", HOSTILE, STOPPED):
        reader.open(address + page)
        elements = "return document.querySelectorAll('h1 script, td img, th img, h1 img, [onerror], [onload]').length"
        assert reader.run(elements) == 0
        assert "<script>alert(1)</script>" in reader.find("body").text


@pytest.mark.parametrize("page", PAGES)
def test_enlarged_fourfold_a_page_still_needs_no_scrolling_sideways(reader, address, page):
    """A screen of 1280 pixels at 400% is one of 320."""
    reader.see(width=NARROWEST)
    reader.open(address + PAGES[page])
    assert reader.run("return document.documentElement.scrollWidth") <= NARROWEST


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_screen_and_can_be_read(reader, address, page, scheme, width):
    reader.see(width=width, scheme=scheme)
    reader.open(address + PAGES[page])
    reader.look_at_everything()
    image = reader.screenshot()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / f"{page}-{width}-{scheme}.png").write_bytes(image)
    assert reader.run("return document.documentElement.scrollWidth") <= width
    assert reader.run(LEAST_CONTRAST) >= 4.5
    from PIL import Image

    with Image.open(io.BytesIO(image)) as picture:
        assert picture.width == width
        assert picture.height > 800
        pixels = picture.convert("L").histogram()
    light = sum(pixels[128:]) > sum(pixels[:128])
    assert light is (scheme == "light")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("page", PAGES)
def test_on_paper_a_page_is_whole_and_dark_on_light(reader, address, page, scheme):
    """No table is cut at the margin, nothing is there to be pressed, and a dark screen prints no dark sheet."""
    reader.print_from(scheme=scheme)
    reader.open(address + PAGES[page])
    reader.look_at_everything()
    assert reader.run("return document.documentElement.scrollWidth") <= SHEET
    right = (
        "return Math.max(0, ...[...document.querySelectorAll('table')].filter(each => each.checkVisibility())"
    )
    assert reader.run(right + ".map(each => each.getBoundingClientRect().right))") <= SHEET
    assert reader.run(LEAST_CONTRAST) >= 4.5
    to_press = "return [...document.querySelectorAll('nav, input, select, summary')]"
    assert reader.run(to_press + ".filter(each => each.checkVisibility())") == []
    assert reader.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_on_paper_rows_are_rows_and_a_heading_stands_on_every_sheet(reader, address):
    """Chromium repeats a heading, but no button in it: that would be missing on the second sheet."""
    reader.print_from(scheme="light")
    reader.open(address + "index.html")
    style = "return getComputedStyle(document.querySelector('#boards {}')).display"
    assert reader.run(style.format("tbody tr")) == "table-row"
    assert reader.run(style.format("thead")) == "table-header-group"
    assert reader.run(style.format("thead button")) == "contents"


def test_whoever_walks_with_the_keyboard_sees_where_they_are(board):
    """Every thing that takes the focus shows it, by an outline or by coming into sight."""
    from selenium.webdriver.common.keys import Keys

    seen = 0
    for _ in range(40):
        board.driver.switch_to.active_element.send_keys(Keys.TAB)
        name, style, width = board.run(
            "const style = getComputedStyle(document.activeElement);"
            "return [document.activeElement.tagName, style.outlineStyle, parseFloat(style.outlineWidth)]"
        )
        if name == "BODY":
            break
        assert style != "none", name
        assert width >= 1, name
        seen += 1
    assert seen > 20


def test_nothing_on_a_page_moves(reader, address):
    """So nobody has to ask for less of it."""
    reader.open(address + "index.html")
    moving = (
        "return [...document.querySelectorAll('*')].map(getComputedStyle).filter(style => "
        "style.animationName !== 'none' || style.transitionDuration !== '0s').length"
    )
    assert reader.run(moving) == 0
