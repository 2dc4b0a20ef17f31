"""The status page, as a parser reads it."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.history import HOUR, Batch, Hour, PastRun
from bandersnatch_freshness.core.incidents import EDGE, INDEX, MIRROR, Incident, Level, Thresholds
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.reporting.status_page import render
from bandersnatch_freshness.reporting.summary import Summary
from bandersnatch_freshness.state.document import State

NOW = 1_539_691_200 + 1800
DAY = 24 * HOUR
VOID = {"meta", "link"}

HOSTILE = {
    "script": "<script>document.title = 'owned'</script>",
    "quotes": "\"><img src=x onerror='document.title = `owned`'>",
    "template": "{{ 7 * 7 }}{% for %}",
    "end-of-data": "]]></style></script>-->",
    "override": "\u202egnp.exe",
    "control": "a\x00\x1b[31m\r\nb",
    "long": "x" * 5000,
}


class Page(HTMLParser):
    """What is on a page; fails where elements don't nest."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Pass an element of a picture."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Record a text for every element that it is in."""
        for tag in set(self._open):
            self.texts[tag][-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of these elements."""
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, tag: str) -> list[str]:
        """Return the texts of these elements."""
        return [" ".join(text.split()) for text in self.texts.get(tag, [])]

    def rows(self) -> list[str]:
        """Return what waits."""
        return [text for text in self.words("tr") if "UTC" in text]


def incident(subject: str = "foo", level: Level = Level.STALE, age: int = HOUR, **more: object) -> Incident:
    """Return an incident that was seen just now."""
    one = Incident(subject, NOW - age, NOW, 3, 4872850, 4869648, Verdict.EDGE_STALE, level=level)
    return replace(one, **more)


def summary(
    *incidents: Incident,
    serial: int | None = 4872850,
    runs: tuple[PastRun, ...] = (PastRun(NOW - 310, NOW - 300, "fresh", 4872850, 4872850),),
    problem: str = "",
    master: str = "https://master.example",
    **state: object,
) -> Summary:
    """Return a summary of a mirror."""
    waiting, since = state.pop("waiting", 0), {"complete_at": NOW - 305, **state}
    known = State(master, {one.subject: one for one in incidents}, list(runs), **since)  # type: ignore[arg-type]
    return Summary("/srv/pypi", master, serial, waiting, NOW, Thresholds(HOUR, DAY), known, problem)  # type: ignore[arg-type]


ASIDE = QuarantineEntry(43, NOW - DAY, NOW - HOUR, 2)
FAILED = PastRun(NOW - 20, NOW - 10, "failed", 4872850)


@pytest.mark.parametrize(
    ("shown", "tone", "said"),
    [
        pytest.param(summary(), "fresh", "This mirror has everything that was announced.", id="fresh"),
        pytest.param(
            summary(quarantine={"foo": replace(ASIDE, is_accepted=True)}),
            "fresh",
            "This mirror has everything that was announced.",
            id="accepted",
        ),
        pytest.param(summary(serial=4872849), "behind", "This mirror is behind: by 1 change.", id="behind"),
        pytest.param(
            summary(incident()), "behind", "This mirror is behind: 1 package waits for its newest page.", id="stale"
        ),
        pytest.param(
            summary(incident(), incident("bar", Level.WARNING)),
            "stale",
            "This mirror is behind and not catching up: 2 packages wait for their newest page.",
            id="warning",
        ),
        pytest.param(
            summary(quarantine={"foo": ASIDE}),
            "behind",
            "This mirror has everything that was announced, but for 1 package.",
            id="quarantine-without-an-incident",
        ),
        pytest.param(
            summary(incident(in_quarantine=True), incident("bar"), quarantine={"foo": ASIDE}),
            "behind",
            "This mirror is behind: 2 packages wait for their newest page.",
            id="quarantine-with-an-incident",
        ),
        pytest.param(
            summary(incident(EDGE, count=40, examples=("a", "b"))),
            "behind",
            "This mirror is behind: most of what it asks for is old.",
            id="edge",
        ),
        pytest.param(
            summary(incident(EDGE, count=40, cause="no answer in time")),
            "behind",
            "This mirror is behind: most of what it asks for fails.",
            id="edge-fails",
        ),
        pytest.param(summary(incident(INDEX)), "behind", "This mirror cannot see new releases.", id="index-refused"),
        pytest.param(
            summary(incident(INDEX, Level.WARNING)), "stale", "This mirror cannot see new releases.", id="for-long"
        ),
        pytest.param(
            summary(incident(MIRROR, cause="the disk is full")),
            "behind",
            "This mirror is behind: what is new is not known.",
            id="a-run-failed",
        ),
        pytest.param(
            summary(incident(MIRROR, Level.WARNING, cause="a run was killed"), waiting=812),
            "stale",
            "This mirror is behind and not catching up: 812 packages are left to sync.",
            id="runs-fail",
        ),
        pytest.param(
            summary(waiting=1), "behind", "This mirror is behind: 1 package is left to sync.", id="a-run-is-not-done"
        ),
        pytest.param(
            summary(serial=None, complete_at=0, batch=Batch(42, 900, NOW, 850)),
            "behind",
            "This mirror is being filled for the first time.",
            id="first-sync",
        ),
        pytest.param(
            summary(incident(level=Level.WARNING), serial=None, complete_at=0),
            "stale",
            "This mirror has not been filled yet.",
            id="first-sync-that-is-stuck",
        ),
        pytest.param(
            summary(complete_at=0), "behind", "This mirror is behind: what is new is not known.", id="not-complete-yet"
        ),
        pytest.param(summary(runs=()), "unknown", "The freshness of this mirror is unknown.", id="nothing-remembered"),
        pytest.param(
            summary(problem="/srv/x: not a state file"),
            "unknown",
            "The freshness of this mirror is unknown.",
            id="problem",
        ),
        pytest.param(
            summary(runs=(PastRun(NOW - 2 * DAY, NOW - DAY - 1, "fresh", 1, 1),)),
            "unknown",
            "No run has ended for a long time: this page is out of date.",
            id="stopped",
        ),
    ],
)
def test_says_first_how_fresh_the_mirror_is(shown: Summary, tone: str, said: str) -> None:
    """In one sentence, and in a word and an icon beside its color."""
    page = Page(render(shown))
    assert page.words("h1") == [said]
    (verdict,) = [one for one in page.of("section") if one.get("id") == "verdict"]
    assert verdict["class"] == f"verdict {tone}"
    assert any(one.get("class") == f"icon {tone}" for one in page.of("svg"))
    (title,) = [text for text in page.words("title") if text.endswith(": mirror status")]
    assert title.startswith(
        {"fresh": "Fresh", "behind": ("Behind", "First sync"), "stale": "Stale"}.get(tone, "Unknown")  # type: ignore[arg-type]
    )
    if shown.problem:
        assert "unknown. x: not a state file" in page.words("section")[0]  # and no path of the host


def test_a_day_of_failed_runs_is_no_fresh_mirror() -> None:
    """Although each left the serial where it was, at what the index announced last; and why, since when, what to do."""
    failed = tuple(PastRun(NOW - ago - 10, NOW - ago, "failed", 4872850) for ago in range(22 * HOUR, 0, -HOUR))
    trouble = incident(MIRROR, Level.WARNING, 22 * HOUR, verdict=Verdict.FAILING, cause="the disk is full")
    shown = Page(render(summary(trouble, runs=failed, complete_at=NOW - 22 * HOUR)))
    assert shown.words("title")[0] == "Stale: mirror status"
    section = shown.words("section")[0]
    assert "This mirror is behind and not catching up: what is new is not known." in section
    assert "Since 2018-10-15 14:30 UTC, for 22 h: the disk is full." in section
    assert "To do: make room on the mirror's disk, or enlarge it." in section
    assert shown.rows()[0].startswith("the mirror warning the disk is full (failing) 2018-10-15 14:30 UTC for 22 h")


def test_a_first_sync_says_how_far_it_is() -> None:
    """By what is left to do."""
    shown = Page(render(summary(serial=None, complete_at=0, batch=Batch(42, 900, NOW, 850))))
    assert "first sync, 50 of 900" in shown.words("section")[0]


def test_the_page_is_good_for_as_long_as_runs_may_be_silent() -> None:
    """Three times the usual interval, and at least `critical_after`."""
    daily = tuple(PastRun(NOW - days * DAY - 10, NOW - days * DAY, "fresh", 4872850) for days in (2, 1, 0))
    for runs, until in ((daily, NOW + 3 * DAY), (daily[-1:], NOW + DAY)):
        (verdict,) = [one for one in Page(render(summary(runs=runs))).of("section") if one.get("id") == "verdict"]
        assert verdict["data-until"] == str(until)


def test_says_since_when_and_by_how_much() -> None:
    """Serials, times, the last run's outcome, incidents by level."""
    shown = summary(
        incident(),
        incident("bar", Level.CRITICAL, 2 * DAY),
        serial=4869648,
        complete_at=NOW - 3 * DAY,
        quarantine={"q": ASIDE},
    )
    figures = Page(render(shown)).words("dd")
    assert figures == [
        "3,202 serials at serial 4,869,648, of 4,872,850 announced",
        "2018-10-13 12:30 UTC 3 d before this was written",
        "2018-10-16 12:25 UTC got everything it asked for, in 10 s",
        "2 1 critical, 1 stale, 1 in quarantine, 0 still to sync",
    ]


def test_lists_what_waits_and_why() -> None:
    """The worst first, with the nodes as evidence; what is in quarantine without an incident last."""
    evidence = (
        {"variant": "plain", "serial": 41, "served_by": "cache-ams1-AMS"},
        {"variant": "strip", "serial": 41, "served_by": "cache-ams1-AMS"},
        {"variant": "bust", "via": "1.1 proxy"},
    )
    shown = summary(
        incident("young", age=60, got=None, verdict=Verdict.UNKNOWN),
        incident("bad", Level.CRITICAL, 2 * DAY, evidence=evidence, in_quarantine=True),
        incident(EDGE, Level.WARNING, count=40, examples=("a", "b")),
        quarantine={"bad": ASIDE, "only": ASIDE},
    )
    assert Page(render(shown)).rows() == [
        "bad critical in quarantine a cache on the way holds an old copy (edge-stale) "
        "2018-10-14 12:30 UTC for 2 d 4,872,850 4,869,648 cache-ams1-AMS 1.1 proxy",
        "most of what was asked for 40 packages, such as a, b warning a cache on the way holds an old copy "
        "(edge-stale) 2018-10-16 11:30 UTC for 1 h 4,872,850 4,869,648",
        "young stale no answer proves who holds the old page (unknown) 2018-10-16 12:29 UTC for 1 min 4,872,850 none",
        "only in quarantine the mirror goes on without it, and asks for it again 2018-10-15 12:30 UTC for 1 d 43 none",
    ]


def test_each_cause_is_summed_up_with_what_to_do() -> None:
    """The worst first, then what concerns the most."""
    shown = summary(
        *(incident(f"p{number}", age=60 + number) for number in range(500)),
        incident("slow", Level.CRITICAL, 2 * DAY, verdict=Verdict.FAILING, cause="its page: status 503"),
        incident("odd", verdict=Verdict.UNKNOWN),
    )
    causes = [found for found in Page(render(shown)).words("li") if "To do: " in found]
    assert causes[0] == (
        "critical 1: its page: status 503 (slow; failing), since 2018-10-14 12:30 UTC, for 2 d. "
        "To do: see what the master answers, by bandersnatch-freshness probe slow."
    )
    assert causes[1].startswith("stale 500: a cache on the way holds an old copy (p")
    assert "…; edge-stale), since 2018-10-16 12:" in causes[1]
    assert causes[2].startswith("stale 1: no answer proves who holds the old page (odd; unknown)")
    assert len(causes) == 3


def test_leads_to_the_facts_for_programs() -> None:
    """By their name beside it."""
    assert [one["href"] for one in Page(render(summary(), "status.json")).of("a")] == ["#waiting", "status.json"]


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_text_from_outside_is_only_text(value: str) -> None:
    """Wherever it comes from; the elements are those of the same page with names that do no harm."""

    def build(text: str) -> str:
        shown = summary(
            incident(text, evidence=({"variant": text, "served_by": text},)),
            incident(EDGE, age=60, count=3, examples=(text, text)),
            master=f"https://master.example/{text}",
            problem=text,
            runs=(PastRun(NOW - 310, NOW - 300, text, 1, 1),),
            quarantine={f"{text}!": ASIDE},
        )
        return render(shown)

    written = build(value)
    page, harmless = Page(written), Page(build("harmless"))
    assert page.elements == harmless.elements
    assert written.isascii() or set(re.findall(r"[^\x00-\x7f]", written)) == {"…"}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", written)
    assert len(written) < 25_000
    assert "49" not in page.rows()[0]


def test_allows_just_what_is_its_own() -> None:
    """The policy comes before all that it is about, and names the style and the script by what they are."""
    page = Page(render(summary(incident())))
    policy = page.of("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    hashes = [
        f"'sha256-{base64.b64encode(hashlib.sha256(page.texts[tag][0].encode()).digest()).decode()}'"
        for tag in ("style", "script")
    ]
    assert policy["content"] == (
        f"default-src 'none'; style-src {hashes[0]}; script-src {hashes[1]}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )
    assert {"name": "referrer", "content": "no-referrer"} in page.of("meta")
    assert {"name": "robots", "content": "noindex"} in page.of("meta")


def test_asks_for_nothing() -> None:
    """No address anywhere but of places on the page itself, no style or handler in an attribute."""
    page = Page(render(summary(incident(), history=[Hour(NOW - NOW % HOUR, 5, 1)])))
    for _, attributes in page.elements:
        assert not {"style", "src", "srcset", "xlink:href", "action"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]
        assert attributes.get("href", "#")[0] == "#" or attributes["href"] == "data:,"  # type: ignore[index]
    assert page.of("link") == [{"rel": "icon", "href": "data:,"}]  # or a browser asks the server for one
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", "".join(page.texts["style"] + page.texts["script"]))


def test_many_incidents_make_no_large_page() -> None:
    """So many rows, and how many more there are."""
    many = [incident(f"package-{number}", Level(1 + number % 3), number) for number in range(100_000)]
    page = render(summary(*many))
    read = Page(page)
    assert len(read.rows()) == 50
    assert read.rows()[0].startswith("package-99998 critical")
    assert "And 99,950 more." in read.words("p")
    assert len(page) < 100_000


def test_what_is_in_quarantine_counts_among_the_rows() -> None:
    """However many there are of both."""
    shown = summary(
        *(incident(f"a{number}") for number in range(50 - 1)),
        quarantine={f"b{number}": ASIDE for number in range(3)},
    )
    page = Page(render(shown))
    assert len(page.rows()) == 50
    assert "And 2 more." in page.words("p")


def test_can_be_read_without_seeing_it() -> None:
    """One first heading, landmarks, captions, scopes, times that a machine reads."""
    page = Page(render(summary(incident(), history=[Hour(NOW - NOW % HOUR, 5, 1)], complete_at=NOW)))
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("h1", "main", "header", "footer")] == [1, 1, 1, 1]
    assert tags.count("caption") == tags.count("table") == 2
    assert {one.get("scope") for one in page.of("th")} == {"row", "col"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(one["datetime"])) for one in page.of("time"))
    names = [one["id"] for _, one in page.elements if "id" in one]
    assert len(names) == len(set(names))
    referred = [
        name for _, one in page.elements for key in ("aria-labelledby", "aria-describedby") if (name := one.get(key))
    ]
    assert set(referred) <= set(names)
