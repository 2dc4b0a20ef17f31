"""The status page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from importlib import resources

import pytest
from msgspec.structs import replace
from selenium.webdriver import ActionChains, Keys

from bandersnatch_freshness.core.history import HOUR, Hour
from bandersnatch_freshness.core.incidents import EDGE, Level
from bandersnatch_freshness.reporting.status_page import render
from bandersnatch_freshness.reporting.summary import Summary

from ..caches.processes import require
from ..http_server import Server, serving
from ..reporting.test_status_page import ASIDE, DAY, HOSTILE, NOW, incident, summary
from .chromium import PACKAGES, Browser, chromium

pytestmark = pytest.mark.browser

SCHEMES = ("light", "dark")
PAPER = 718  # A4 with the margins that a browser leaves, in its pixels of 1/96 inch
STOPPED = "No run has ended for a long time: this page is out of date."

# Each text's contrast with what is behind it, and each bar's, as WCAG 2.2 counts it; those that are too low.
TOO_FAINT = """
const parts = color => color.match(/[\\d.]+/g).map(Number);
const light = color => parts(color).slice(0, 3).map(part => part / 255)
  .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
  .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
const behind = element => {
  for (let one = element; one; one = one.parentElement) {
    const color = getComputedStyle(one).backgroundColor;
    if ((parts(color)[3] ?? 1) > 0) return color;
  }
};
const faint = [];
let seen = 0;
for (const element of document.body.querySelectorAll("*")) {
  const isBar = element.matches("rect"), property = element.matches("rect, text") ? "fill" : "color";
  const hasText = [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.data.trim());
  if (!(isBar || hasText) || !element.checkVisibility() || element.matches("svg title, svg desc")) continue;
  const [front, back] = [getComputedStyle(element)[property], behind(element)];
  const [low, high] = [light(front), light(back)].sort((one, other) => one - other);
  const contrast = (high + 0.05) / (low + 0.05);
  seen += 1;
  if (contrast < (isBar ? 3 : 4.5)) faint.push(`${element.outerHTML}: ${front} on ${back} is ${contrast}`);
}
return [seen, faint];
"""

# What is to fit in the window, and does not.
OUTSIDE = """
const all = document.querySelectorAll("h1, h2, p, dl *, figcaption, .scroll, summary, svg.chart, text, .legend *");
return [...all].filter(one => {
  const place = one.getBoundingClientRect(), chart = one.closest("svg.chart");
  const right = chart ? chart.getBoundingClientRect().right : innerWidth;
  return place.width && (place.left < 0 || place.right > right + 0.5);
}).map(one => one.outerHTML);
"""

ICONS = """
const icons = [...document.querySelectorAll(".icon")];
return icons.filter(one => one.checkVisibility()).map(one => one.classList[1]);
"""


class Served:
    """A page on loopback; `asked` are the paths that were asked for."""

    def __init__(self, url: str) -> None:
        """`url`: the page's address."""
        self.url = url
        self.page = ""
        self.asked: list[str] = []


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start Debian's Chromium."""
    require(PACKAGES)
    with chromium(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve a page, and nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Answer with the page."""
            there.asked.append(self.path)
            body = there.page.encode() if self.path == "/status.html" else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    with Server(("127.0.0.1", 0), Handler) as server:
        there = Served(f"http://127.0.0.1:{server.server_address[1]}/status.html")
        with serving(server):
            yield there


def worst() -> Summary:
    """Return a summary with all that a page can have, and names that mean harm."""
    hour = NOW - NOW % HOUR
    levels = list(Level) * len(HOSTILE)
    return summary(
        *(
            incident(
                name, levels[number], 2 * DAY, evidence=({"variant": "plain", "served_by": name},), in_quarantine=True
            )
            for number, name in enumerate(HOSTILE.values())
        ),
        incident(EDGE, Level.WARNING, count=40, examples=tuple(HOSTILE.values())[:5]),
        serial=4869648,
        master=f"https://master.example/{HOSTILE['script']}{HOSTILE['quotes']}",
        quarantine=dict.fromkeys(HOSTILE.values(), ASIDE) | {"only-set-aside": ASIDE},
        history=[
            Hour(hour - hours * HOUR, hours * 9 % 700, hours % 5, hours % 3, hours % 2) for hours in range(150, 0, -2)
        ],
        complete_at=NOW - 3 * DAY,
    )


PAGES = {
    "fresh": summary(history=[Hour(NOW - NOW % HOUR)], complete_at=NOW),
    "behind": summary(incident(), serial=4872840),
    "stale": worst(),
    "unknown": summary(runs=(), problem="/srv/pypi/freshness.json: not a state file"),
}


@pytest.mark.parametrize("name", PAGES)
def test_asks_for_nothing_but_itself(name: str, browser: Browser, served: Served) -> None:
    """No request beside it, no icon; and nothing in the console, where a browser says what a policy refused."""
    served.page = render(PAGES[name])
    browser.open(served.url, NOW)
    assert browser.driver.title.endswith(": mirror status")
    assert browser.said() == []
    assert served.asked == ["/status.html"]


def test_names_that_mean_harm_do_none(browser: Browser, served: Served) -> None:
    """No script of theirs runs, no element of theirs is there."""
    served.page = render(worst())
    browser.open(served.url, NOW)
    assert browser.driver.title == "Stale: mirror status"
    elements = "return [...document.querySelectorAll('script, img, style, iframe')].map(one => one.tagName)"
    assert browser.evaluate(elements) == ["STYLE", "SCRIPT"]
    assert "<script>document.title = 'owned'</script>" in browser.evaluate("return document.body.innerText")


def test_a_script_that_got_in_would_not_run(browser: Browser, served: Served) -> None:
    """Nor load anything: the policy holds where the escaping would not."""
    harm = "<script>document.title = 'owned'</script><img src='/owned.png' onerror='document.title = `owned`'>"
    served.page = render(worst()).replace("</main>", f"{harm}</main>")
    browser.open(served.url, NOW)
    assert browser.driver.title == "Stale: mirror status"
    assert served.asked == ["/status.html"]
    assert len([line for line in browser.said() if "Content Security Policy" in line]) >= 2


@pytest.mark.parametrize("width", [320, 480, 1000])
@pytest.mark.parametrize("name", PAGES)
def test_fits_on_narrow_screens(name: str, width: int, browser: Browser, served: Served) -> None:
    """The page is no wider than the window; what a table needs beyond that is scrolled within it."""
    served.page = render(PAGES[name])
    browser.open(served.url, NOW, width)
    browser.evaluate("document.querySelector('details').open = true")
    wide, window = browser.evaluate("return [document.documentElement.scrollWidth, innerWidth]")
    assert window == width
    assert wide <= width
    assert browser.evaluate(OUTSIDE) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", PAGES)
def test_is_whole_on_paper(name: str, scheme: str, browser: Browser, served: Served) -> None:
    """No column is beyond what can't be scrolled there; and it is light, as paper is, also for who prefers dark."""
    served.page = render(PAGES[name])
    browser.open(served.url, NOW, PAPER)
    browser.prefer(scheme, "print")
    scrolled = (
        "return [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
    )
    assert browser.evaluate(scrolled) == 0
    assert browser.evaluate(OUTSIDE) == []
    seen, faint = browser.evaluate(TOO_FAINT)
    assert seen > 30
    assert faint == []
    assert browser.evaluate("return getComputedStyle(document.body).color") == "rgb(29, 33, 38)"


@pytest.mark.parametrize("name", PAGES)
def test_has_contrast_in_light_and_dark(name: str, browser: Browser, served: Served) -> None:
    """WCAG AA: 4.5 for each text, 3 for each bar."""
    served.page = render(PAGES[name])
    grounds = []
    for scheme in SCHEMES:
        browser.open(served.url, NOW, scheme=scheme)
        browser.evaluate("document.querySelector('details').open = true")
        seen, faint = browser.evaluate(TOO_FAINT)
        assert seen > 30
        assert faint == []
        grounds.append(browser.evaluate("return getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]


def test_can_be_used_by_keyboard(browser: Browser, served: Served) -> None:
    """Tab reaches the skip link, what scrolls and what opens, and one sees where it is."""
    served.page = render(worst())
    browser.open(served.url, NOW)
    reached = []
    for _ in range(5):
        ActionChains(browser.driver).send_keys(Keys.TAB).perform()
        name, style, width, left = browser.evaluate("""
          const one = document.activeElement, style = getComputedStyle(one);
          const name = one.className || one.tagName;
          return [name, style.outlineStyle, parseFloat(style.outlineWidth), one.getBoundingClientRect().left];
        """)
        if name == "BODY":
            break
        reached.append(name)
        assert style != "none"
        assert width >= 2
        assert left >= 0
    assert reached == ["skip", "scroll", "SUMMARY"]
    browser.open(served.url, NOW)
    ActionChains(browser.driver).send_keys(Keys.TAB, Keys.ENTER).perform()
    assert browser.evaluate("return document.activeElement.id") == "waiting"


def test_a_screen_reader_finds_its_way(browser: Browser, served: Served) -> None:
    """Headings, landmarks, tables and pictures have their roles and names."""
    served.page = render(worst())
    browser.open(served.url, NOW)
    browser.evaluate("document.querySelector('details').open = true")
    found = [
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in browser.devtools("Accessibility.getFullAXTree")["nodes"]
        if not node["ignored"]
    ]
    assert [name for role, name in found if role == "heading"] == [
        "This mirror is behind and not catching up: most of what it asks for is old.",
        "In figures",
        "What waits, and why",
        "The last 7 days",
    ]
    assert [name for role, name in found if role == "table"] == [
        "What is not as it should be, the worst first",
        "The most in each hour, the newest first; times in UTC",
    ]
    assert [name for role, name in found if role in ("image", "img")] == ["Serials behind", "Open incidents by level"]
    assert {"banner", "main", "contentinfo", "rowheader", "columnheader"} <= {role for role, _ in found}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [320, 1000])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_wrong(name: str, width: int, scheme: str, browser: Browser, served: Served) -> None:
    """The checks of axe-core, that of WCAG's AA among them."""
    axe = resources.files("axe_selenium_python") / "node_modules/axe-core/axe.min.js"
    served.page = render(PAGES[name])
    browser.devtools("Page.setBypassCSP", enabled=True)  # or it would not be let in
    try:
        browser.open(served.url, NOW, width, scheme)
        browser.evaluate("document.querySelector('details').open = true")
        browser.evaluate(axe.read_text("utf-8"))
        result = browser.driver.execute_async_script("axe.run().then(arguments[0])")
    finally:
        browser.devtools("Page.setBypassCSP", enabled=False)
    assert len(result["passes"]) > 20
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in result["violations"]] == []


def test_an_old_page_says_that_runs_have_stopped(browser: Browser, served: Served) -> None:
    """Once none has ended for as long as makes an incident critical; not before."""
    served.page = render(summary())
    until = summary().state.runs[-1].finished + DAY
    browser.open(served.url, until)
    assert browser.driver.title == "Fresh: mirror status"
    browser.open(served.url, until + 1)
    assert browser.driver.title == "Unknown: mirror status"
    said = browser.evaluate("return document.getElementById('verdict').innerText")
    assert STOPPED in said
    assert "When this page was written, it said: This mirror has everything that was announced." in said
    assert browser.evaluate(ICONS) == ["unknown"]
    assert browser.said() == []


def test_a_page_that_stays_open_grows_old_too(browser: Browser, served: Served) -> None:
    """It looks at the clock each minute."""
    served.page = render(replace(summary()))
    minute = "window.setInterval = (look, every) => { window.everyMinute = every === 60000 && look; };"
    script = browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=minute)
    try:
        browser.open(served.url, NOW)
        browser.evaluate("Date.now = () => arguments[0]; window.everyMinute()", (NOW + 2 * DAY) * 1000)
    finally:
        browser.devtools("Page.removeScriptToEvaluateOnNewDocument", **script)
    assert browser.evaluate("return document.querySelector('h1').textContent") == STOPPED


def test_works_without_scripts(browser: Browser, served: Served) -> None:
    """Then it is the time it was written at that tells."""
    served.page = render(summary())
    browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(served.url, NOW + 9 * DAY)
        shown = browser.driver.find_element("id", "verdict").text
    finally:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=False)
    assert "This mirror has everything that was announced." in shown
    assert "Written 2018-10-16 12:30 UTC, after a run; anything later is not on it." in shown
