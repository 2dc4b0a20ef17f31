"""The edge as PyPI's: what is kept where, for how long, and what gets past it. Rows of the table in docs/lab.md."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.observations import SERIAL_HEADER
from bandersnatch_freshness.lab.behaviours import BEHAVIOURS, Behaviour
from bandersnatch_freshness.lab.documents import SIMPLE_HTML, SIMPLE_JSON
from bandersnatch_freshness.lab.edge import Request
from bandersnatch_freshness.lab.origin import INDEX, Answer, Lifetimes, Origin
from bandersnatch_freshness.lab.pypi_edge import PyPIEdge

from .clock import DAY, HOUR, MINUTE, Clock

PAGE = "/pypi/lab-00/json"
RELEASE_PAGE = "/pypi/lab-00/1.0/json"
SIMPLE_PAGE = "/simple/lab-00/"
ENCODINGS = ("gzip, deflate", "deflate", "")
DOWN = Behaviour("the origin is down", origin_down=True)


class Asked:
    """An edge with PyPI's lifetimes in front of an origin of two projects, and a clock."""

    def __init__(self, behaviour: str = "healthy") -> None:
        """It has kept nothing yet."""
        self.clock = Clock()
        self.origin = Origin()
        for name in ("lab-01", "lab-00"):
            self.origin.publish(name)
        times = Lifetimes()
        self.edge = PyPIEdge(self.origin, BEHAVIOURS[behaviour], "http://lab", self.clock, times.other)

    def __call__(self, path: str, accept_encoding: str = "", accept: str = SIMPLE_JSON, **more: object) -> Answer:
        """Return the answer to a GET."""
        return self.edge.answer(Request(path, accept=accept, accept_encoding=accept_encoding, **more))[0]  # type: ignore[arg-type]

    def state(self, path: str, accept_encoding: str = "", accept: str = SIMPLE_JSON, **more: object) -> str:
        """Return its X-Cache."""
        return self(path, accept_encoding, accept, **more).headers["X-Cache"]

    def behind(self, path: str, accept_encoding: str = "") -> int:
        """Return by how many serials it is behind the origin."""
        return self.origin.serial - int(self(path, accept_encoding).headers[SERIAL_HEADER])


@pytest.fixture
def ask() -> Asked:
    """Return a healthy edge."""
    return Asked()


def test_both_tiers_sign_the_shield_first(ask: Asked) -> None:
    """An edge keeps what the shield said when it was fetched; Age, Via and what is for caches are not sent."""
    first, again = ask(PAGE), ask(PAGE)
    assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("MISS, MISS", "MISS, HIT")
    assert first.headers["X-Served-By"] == "cache-iad, cache-ams-1"
    assert {"Age", "Via", "Surrogate-Control", "Surrogate-Key"}.isdisjoint(again.headers)
    assert again.headers["Cache-Control"] == "max-age=900, public"


def test_an_edge_has_three_copies_over_one_at_the_shield(ask: Asked) -> None:
    """By gzip, deflate and neither; whatever else is accepted makes no copy."""
    assert [ask.state(PAGE, encoding) for encoding in ENCODINGS] == ["MISS, MISS", "HIT, MISS", "HIT, MISS"]
    assert ask.state(PAGE, "br, zstd") == "HIT, HIT"
    assert [ask.edge.copy_for(one) for one in ("br, gzip;q=0", "x-gzip", "deflate, br")] == ["gzip", "gzip", "deflate"]
    assert ask.edge.compresses == {"gzip"}


def test_points_of_presence_share_a_shield(ask: Asked) -> None:
    """Each has its own copies."""
    ask(PAGE)
    ask.edge.switch()
    there = ask(PAGE).headers
    assert (there["X-Cache"], there["X-Served-By"]) == ("HIT, MISS", "cache-iad, cache-fra-1")
    ask.edge.switch()
    assert ask.state(PAGE) == "MISS, HIT"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        pytest.param(PAGE, "cache-bust=1", id="json"),
        pytest.param(RELEASE_PAGE, "cache-bust=1", id="release"),
        pytest.param("/pypi/Lab_00/json", "", id="other-spelling"),
        pytest.param(SIMPLE_PAGE, "cache-bust=1", id="simple"),
        pytest.param(INDEX, "cache-bust=1", id="index"),
    ],
)
def test_what_makes_no_difference(path: str, query: str, ask: Asked) -> None:
    """A query, no-cache, and how a name is spelled in the JSON API."""
    ask(path.replace("Lab_00", "lab-00"))
    assert ask.state(path, query=query, no_cache=True).endswith("HIT")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        pytest.param("/pypi/lab%2D00/json", "", id="name-encoded"),
        pytest.param("/pypi/lab-00/%6Ason", "a=1", id="json-encoded-with-its-query"),
        pytest.param("/simple/lab%2D00/", "", id="simple"),
    ],
)
def test_the_path_is_matched_as_sent_and_read_decoded(path: str, query: str, ask: Asked) -> None:
    """Another way to write it is another copy, at both tiers, of the same page."""
    decoded = PAGE if path.startswith("/pypi") else SIMPLE_PAGE
    ask(decoded)
    found = ask(path, query=query)
    assert (found.status, found.headers["X-Cache"]) == (200, "MISS, MISS")
    assert found.body == ask(decoded).body


def test_the_query_counts_where_pypi_keeps_it(ask: Asked) -> None:
    """Under /pypi, but for the JSON API; in whatever order."""
    path = "/pypi/lab-00/%6Ason"
    states = [ask.state(path, query=query) for query in ("a=1&b=2", "b=2&a=1", "a=2")]
    assert states == ["MISS, MISS", "MISS, HIT", "MISS, MISS"]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (SIMPLE_JSON, SIMPLE_JSON),
        ("application/vnd.pypi.simple.latest+json", SIMPLE_JSON),
        (f"{SIMPLE_JSON}, {SIMPLE_HTML}; q=0.1, text/html; q=0.01", SIMPLE_JSON),
        (f"{SIMPLE_JSON};q=0.1, {SIMPLE_HTML}", SIMPLE_HTML),
        ("application/*", SIMPLE_HTML),
        ("text/html", "text/html; charset=UTF-8"),
        ("*/*", "text/html; charset=UTF-8"),
        ("image/png", "text/html; charset=UTF-8"),
        ("text/html;q=often", "text/html; charset=UTF-8"),
        ("", "text/html; charset=UTF-8"),
    ],
)
def test_accept_is_reduced(accept: str, kind: str, ask: Asked) -> None:
    """To JSON or HTML, one copy each, though HTML has two names; the JSON API has one copy for all."""
    html = "json" not in kind
    ask(INDEX, accept="text/html" if html else SIMPLE_JSON)
    found = ask(INDEX, accept=accept)
    assert (found.headers["Content-Type"], found.headers["X-Cache"]) == (kind, "MISS, HIT")
    ask(PAGE)
    assert ask.state(PAGE, accept=accept) == "MISS, HIT"


def test_a_format_in_the_query_outranks_accept(ask: Asked) -> None:
    """And is not looked up."""
    ask(INDEX, accept=SIMPLE_JSON)
    found = ask(INDEX, accept="text/html", query="format=application/vnd.pypi.simple.v1%2Bjson")
    assert (found.headers["Content-Type"], found.headers["X-Cache"]) == (SIMPLE_JSON, "MISS, HIT")


def test_lifetimes_of_the_index_add_up(ask: Asked) -> None:
    """Half an hour a tier, and at the edge five minutes more for whoever asks first; no release purges it."""
    ask(INDEX)
    ask.clock.move(30 * MINUTE - 1)
    assert ask.state(INDEX, "gzip") == "HIT, MISS"
    ask.edge.release(["lab-00"])
    ask.clock.move(30 * MINUTE - 1)
    assert ask.behind(INDEX, "gzip") == 1
    ask.clock.move(5 * MINUTE)
    assert ask.behind(INDEX, "gzip") == 1
    assert ask.behind(INDEX, "gzip") == 0


def test_the_index_in_html_is_kept_for_a_day(ask: Asked) -> None:
    """Only that in JSON has a shorter lifetime."""
    ask(INDEX, accept="text/html")
    ask.clock.move(DAY - 1)
    assert ask.state(INDEX, accept="text/html") == "MISS, HIT"
    ask.clock.move(6 * MINUTE)
    assert ask.state(INDEX, accept="text/html") == "MISS, MISS"


@pytest.mark.parametrize("path", [PAGE, RELEASE_PAGE, SIMPLE_PAGE])
def test_a_page_is_purged_softly(path: str, ask: Asked) -> None:
    """For five minutes whoever asks first gets the old one, which is a hit; the next gets the new one."""
    for encoding in ENCODINGS:
        ask(path, encoding)
    ask.edge.release(["lab-00"])
    assert [ask.behind(path, "deflate") for _ in range(2)] == [1, 0]
    ask.clock.move(5 * MINUTE)
    assert ask.behind(path, "gzip") == 0
    assert ask.state("/pypi/lab-01/json") == "MISS, MISS"


def test_the_first_after_a_purge_gets_a_hit(ask: Asked) -> None:
    """So that no proof of an old origin can be seen in it."""
    ask(PAGE)
    ask.edge.release(["lab-00"])
    assert [ask.state(PAGE) for _ in range(2)] == ["MISS, HIT", "MISS, HIT"]


def test_a_page_that_no_purge_reaches_can_be_had_past_the_edge() -> None:
    """By OPTIONS, which leaves no trace in any cache. In the end it expires."""
    ask = Asked("purge-broken")
    otherwise_spelled = "/pypi/lab%2D00/json"
    ask(otherwise_spelled, "gzip")
    ask.edge.release(["lab-00"])
    assert ask.behind(otherwise_spelled, "deflate") == 1  # the shield has not been purged either
    for encoding in ENCODINGS:
        assert ask.behind(PAGE, encoding) == 1
    passed, state = ask.edge.pass_on(Request(PAGE), "OPTIONS")
    assert (passed.headers[SERIAL_HEADER], state) == (str(ask.origin.serial), "MISS, MISS")
    assert ask.behind(PAGE) == 1  # it is in no cache because of that
    ask.clock.move(DAY + 6 * MINUTE)
    assert ask.behind(PAGE) == 0


def test_where_the_purge_misses_copies_of_an_edge_the_others_come_from_the_shield() -> None:
    """It was purged."""
    ask = Asked("gzip-stale")
    ask.edge.release(["lab-00"])
    ask.clock.move(6 * MINUTE)
    assert [ask.behind(PAGE, encoding) for encoding in ENCODINGS] == [1, 0, 0]


def test_what_is_shared_only_by_nodes_of_an_edge() -> None:
    """One of two is never purged, at either point of presence; the shield is."""
    ask = Asked("stale-node")
    ask.edge.release(["lab-00"])
    ask.clock.move(6 * MINUTE)
    assert [ask.behind(PAGE) for _ in range(4)] == [1, 0, 1, 0]


def test_a_404_is_kept_for_a_minute_a_tier_and_never_purged(ask: Asked) -> None:
    """That of a new project as well."""
    new = "/pypi/lab-02/json"
    assert ask(new).status == 404
    ask.clock.move(59)
    assert ask.state(new, "gzip") == "HIT, MISS"
    ask.edge.release(["lab-02"])
    ask.clock.move(1)
    assert [ask(new, encoding).status for encoding in ("", "gzip")] == [200, 404]
    ask.clock.move(58)
    assert ask(new, "gzip").status == 404
    ask.clock.move(1)
    assert ask(new, "gzip").status == 200


def test_a_held_404_outlasts_its_lifetime() -> None:
    """The incident of a cached 404 can be played for as long as one likes."""
    ask = Asked("cached-404")
    (new,) = ask.edge.release(["lab-00"])
    ask.clock.move(DAY)
    assert [ask(f"/pypi/{new}/json", encoding).status for encoding in ENCODINGS] == [404, 200, 200]


def test_old_pages_stand_in_for_a_broken_origin(ask: Asked) -> None:
    """For a day; what the shield gave as such, an edge keeps as if it were new."""
    ask(PAGE)
    ask.clock.move(DAY + 6 * MINUTE)
    ask.edge.behave(DOWN)
    assert ask.state(PAGE) == "HIT, MISS"
    assert ask("/pypi/lab-01/json").status == 503
    ask.edge.release(["lab-01"])
    ask.edge.behave(BEHAVIOURS["healthy"])
    assert ask("/pypi/lab-01/json").status == 200  # an error is not kept
    ask.clock.move(DAY - 1)
    assert ask.state(PAGE) == "HIT, HIT"
    ask.edge.behave(DOWN)
    ask.clock.move(DAY + HOUR)
    assert ask(PAGE).status == 503


@pytest.mark.parametrize("path", [f"{PAGE}/", f"{RELEASE_PAGE}/"])
def test_the_edge_itself_takes_a_slash_away(path: str, ask: Asked) -> None:
    """And is never asked for more."""
    found = ask(path.replace("lab-00", "Lab.00"), query="a=1")
    assert (found.status, found.headers["Location"]) == (301, path[:-1])
    assert (found.headers["X-Cache"], found.headers["X-Served-By"]) == ("HIT", "cache-ams-1")
    assert ask.edge.pass_on(Request(path), "OPTIONS")[0].status == 301


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/simple", "/simple/"),
        ("/simple/lab-00", "/simple/lab-00/"),
        ("/simple/nothing", "/simple/nothing/"),
        ("/simple/Lab_00/", "/simple/lab-00/"),
        ("/pypi/%4Cab-00/json", "/pypi/lab-00/json"),
    ],
)
def test_the_origin_redirects(path: str, where: str, ask: Asked) -> None:
    """To the slash and the normalized name; where the name is one that it knows, for as long as the page is kept."""
    found = ask(path)
    assert (found.status, found.headers["Location"], found.headers["X-Cache"]) == (301, where, "MISS, MISS")
    ask.clock.move(2 * MINUTE)
    known = "ab_00/" in path or "%4C" in path
    assert ask.state(path) == ("MISS, HIT" if known else "MISS, MISS")


@pytest.mark.parametrize("method", ["POST", "PUT", "PURGE"])
def test_other_methods_are_passed_on_and_refused_by_the_origin(method: str, ask: Asked) -> None:
    """It names those that it takes."""
    found, state = ask.edge.pass_on(Request(PAGE), method)
    assert (found.status, found.headers["Allow"], state) == (405, "GET, HEAD, OPTIONS", "MISS, MISS")


@pytest.mark.parametrize("status", [403, 405])
def test_options_can_be_refused(status: int, ask: Asked) -> None:
    """Instead of being answered with the page; GET is as before."""
    ask.edge.behave(Behaviour("no OPTIONS", refuses_options=status))
    assert ask.edge.pass_on(Request(PAGE), "OPTIONS")[0].status == status
    assert ask(PAGE).status == 200


def test_an_invitation_raises_a_serial_and_purges_nothing(ask: Asked) -> None:
    """So a healthy PyPI, too, has pages below what its index announces, for a day a tier."""
    ask(PAGE)
    ask.edge.invite("lab-00")
    assert ask.behind(INDEX) == 0
    ask.clock.move(DAY - 1)
    ask.edge.switch()
    assert ask.state(PAGE) == "HIT, MISS"
    ask.clock.move(DAY - 1)
    assert ask.behind(PAGE) == 1
    ask.clock.move(6 * MINUTE)
    assert ask.behind(PAGE) == 0


@pytest.mark.parametrize("index_copy", ["gzip", "identity"])
def test_a_planted_index_is_let_go_by_the_next_release(index_copy: str, ask: Asked) -> None:
    """However long that takes."""
    ask.edge.plant(INDEX, Answer(200, {SERIAL_HEADER: "1"}), [index_copy])
    ask.clock.move(DAY)
    encoding = "" if index_copy == "identity" else index_copy
    assert ask(INDEX, encoding).headers[SERIAL_HEADER] == "1"
    ask.edge.release(["lab-00"])
    assert ask.behind(INDEX, encoding) == 0


def test_a_new_start_empties_both_tiers(ask: Asked) -> None:
    """Healed or restored."""
    for start in (ask.edge.heal, lambda: ask.edge.restore(ask.origin.serial)):
        ask(PAGE)
        start()
        assert ask.state(PAGE) == "MISS, MISS"
