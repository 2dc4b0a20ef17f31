"""The caches are what the replays take them for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab

from .cache import Cache
from .incidents import CACHES
from .nginx import nginx
from .processes import NotStartedError, running
from .squid import squid
from .varnish import cdn, pypi

pytestmark = [pytest.mark.caches, pytest.mark.usefixtures("servers")]

PAGE = "/pypi/lab-00/json"


@pytest.fixture
def lab() -> Iterator[Lab]:
    """Start an origin."""
    with Lab(1, kind="none") as started:
        yield started


@pytest.mark.parametrize("name", CACHES)
def test_a_purge_drops_the_copies_that_it_is_told_to(name: str, lab: Lab) -> None:
    """And no others, of that page alone."""
    with CACHES[name](lab) as cache:
        old = lab.serial
        cache.fill([PAGE, "/simple/"])
        lab.release()
        cache.purge(PAGE, {"identity"})
        for node in range(len(cache.nodes)):
            serials = [cache.ask(PAGE, encoding, node).serial for encoding in ("gzip, deflate", "deflate", None)]
            assert serials == [old, old, lab.serial]
            assert cache.ask("/simple/", None, node).serial == old


def test_requests_are_counted_where_they_arrive(lab: Lab) -> None:
    """Those for metadata, answered from the cache or not."""
    for make in CACHES.values():
        with make(lab) as cache:
            node = cache.nodes
            cache.nodes = (cache.proxy or cache.url,)  # as clients ask
            for _ in range(3):
                cache.ask(PAGE, None)
            assert cache.requests() == 3
            cache.nodes = node


def test_pypis_edge_is_as_described(lab: Lab) -> None:
    """Three copies, no query, nothing of Age and Via, nodes that take turns, and no PURGE for everybody."""
    with pypi(lab) as cache:
        nodes, cache.nodes = cache.nodes, (cache.url,)
        served_by = [cache.ask(PAGE, "gzip;q=1.0, deflate").headers["X-Served-By"] for _ in range(4)]
        assert served_by[:2] == served_by[2:]
        assert set(served_by) == {f"cache-varnish-shield, cache-varnish-{number}" for number in (1, 2)}
        again = cache.ask(f"{PAGE}?cache-bust=1", "deflate, gzip").headers
        assert again["X-Cache"] in ("MISS, HIT", "HIT, HIT")
        assert {"Age", "Via", "X-Varnish", "Surrogate-Control", "Surrogate-Key"}.isdisjoint(again)
        redirects = [cache.ask(path, None) for path in ("/simple", f"{PAGE}/?cache-bust=1")]
        assert [(one.status, one.headers["Location"]) for one in redirects] == [(301, "/simple/"), (301, PAGE)]
        cache.nodes = nodes
        assert cache.ask(PAGE, None, method="PURGE").status == 401


def test_pypis_edge_has_three_copies_over_one_at_its_shield(lab: Lab) -> None:
    """Of which only that for gzip is compressed."""
    with pypi(lab) as cache:
        answers = [cache.ask(PAGE, accepted).headers for accepted in ("gzip", "deflate", None, "br", "gzip, br")]
        states = [headers["X-Cache"] for headers in answers]
        assert states == ["MISS, MISS", "HIT, MISS", "HIT, MISS", "HIT, HIT", "MISS, HIT"]
        codings = [headers["Content-Encoding"] for headers in answers]
        assert codings == ["gzip", None, None, None, "gzip"]
        assert cache.ask(PAGE, None, 1).headers["X-Cache"] == "HIT, MISS"


def test_pypis_edge_passes_other_methods_on(lab: Lab) -> None:
    """OPTIONS are answered with the origin's page, whatever the caches have, and stay in none."""
    with pypi(lab) as cache:
        old = cache.ask(PAGE, None).serial
        lab.release()
        passed = cache.ask(PAGE, None, method="OPTIONS")
        assert passed.headers["X-PyPI-Last-Serial"] == str(lab.serial)
        assert passed.headers["X-Cache"] == "MISS, MISS"
        assert cache.ask(PAGE, None).serial == old
        assert cache.ask(PAGE, None, method="PUT").status == 405


def test_lifetimes_at_pypis_edge_add_up() -> None:
    """Those of the shield and of the edge are the same, and the edge is told nothing of an Age."""
    lifetimes = Lifetimes(page=1000, index=100, while_revalidate=10)
    with Lab(1, kind="none", lifetimes=lifetimes) as lab, pypi(lab) as cache:
        for path, seconds in ((PAGE, 1000), ("/simple/", 100)):
            assert "Age" not in cache.ask(path, None).headers
            assert cache.lifetimes(path) == [(seconds, 0), (seconds, 10)]


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        pytest.param(cdn, {"Age", "Via", "X-Cache"}, id="varnish"),
        pytest.param(nginx, set(), id="nginx"),
        pytest.param(squid, {"Age", "Via", "X-Cache"}, id="squid"),
    ],
)
def test_what_a_hit_shows(make: Callable[[Lab], AbstractContextManager[Cache]], shown: set[str], lab: Lab) -> None:
    """As their makers have it, where nobody configures more."""
    with make(lab) as cache:
        headers = [cache.ask(PAGE, "gzip").headers for _ in range(2)][1]
        assert {"Age", "Via", "X-Cache"} & set(headers) == shown


def test_a_server_that_does_not_start_says_why() -> None:
    """What it printed."""
    with (
        pytest.raises(NotStartedError, match="no such directive"),
        running(lambda *_: ["sh", "-c", "echo no such directive"]),
    ):
        pass
