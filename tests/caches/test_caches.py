"""The caches are what the replays take them for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

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
    """Few copies, no query, a redirect, nothing of Age and Via, nodes that take turns, and no PURGE for everybody."""
    with pypi(lab) as cache:
        nodes, cache.nodes = cache.nodes, (cache.url,)
        served_by = [cache.ask(PAGE, "gzip;q=1.0, deflate").headers["X-Served-By"] for _ in range(4)]
        assert served_by[:2] == served_by[2:]
        assert len(set(served_by)) == 2
        again = cache.ask(f"{PAGE}?cache-bust=1", "deflate, gzip").headers
        assert again["X-Cache"] == "HIT"
        assert {"Age", "Via", "X-Varnish"}.isdisjoint(again)
        redirect = cache.ask("/simple", None)
        assert (redirect.status, redirect.headers["Location"]) == (301, "/simple/")
        cache.nodes = nodes
        assert cache.ask(PAGE, None, method="PURGE").status == 401


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
