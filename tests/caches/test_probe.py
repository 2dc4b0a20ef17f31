"""The probe, behind real caches of several configurations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from itertools import product
from typing import Any

import pytest

from bandersnatch_freshness.exit_codes import ProbeExit
from bandersnatch_freshness.lab.behaviours import BEHAVIOURS

from .cache import Cache
from .incidents import CACHES, MakeCache, stale_cache
from .nginx import nginx
from .squid import squid
from .varnish import cdn

pytestmark = [pytest.mark.caches, pytest.mark.usefixtures("servers")]

PROJECT = "lab-00"
FRESH, SOME, ALL, _ = ProbeExit
LADDER_PAST = {"cache_bust": "strip+cache-bust", "no_cache": "no-cache"}


def probe(cache: Cache) -> tuple[int, dict[str, Any]]:
    """Probe as an operator does, and return the exit code and the report."""
    finished = subprocess.run(
        [sys.executable, "-m", "bandersnatch_freshness", "probe", "--master", cache.url, "--json", PROJECT],
        env={"PATH": os.environ["PATH"], **({"http_proxy": cache.proxy} if cache.proxy else {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not finished.stderr
    (report,) = json.loads(finished.stdout)["probes"]
    return finished.returncode, report


def configured() -> list[Any]:
    """Return all caches, by what gets past them: query, no-cache; and whether they keep encodings apart."""
    made = []
    for query, no_cache in product((True, False), repeat=2):
        words = [*(["query"] if query else []), *(["no-cache"] if no_cache else [])]
        for encodings in (True, False):
            name = "-".join([*words, *(["encodings"] if encodings else [])]) or "nothing"
            for make in (cdn, nginx):
                configured = partial(make, query=query, no_cache=no_cache, encodings=encodings)
                made.append(pytest.param(configured, query, no_cache, encodings, id=f"{make.__name__}-{name}"))
        name = "-".join([*words, "encodings"])
        make_squid = partial(squid, query=query, no_cache=no_cache)
        made.append(pytest.param(make_squid, query, no_cache, True, id=f"squid-{name}"))
    return made


@pytest.mark.parametrize(("make", "query", "no_cache", "encodings"), configured())
def test_every_copy_is_stale(make: MakeCache, query: bool, no_cache: bool, encodings: bool) -> None:
    """What gets past the cache decides; where nothing does, it is said that all is stale, and no more."""
    with stale_cache(BEHAVIOURS["purge-broken"], make, projects=1) as (_, cache, _, _):
        code, report = probe(cache)
    decides = [*(["cache_bust"] if query else []), *(["no_cache"] if no_cache else [])]
    assert report["decides"] == decides
    assert code == (SOME if decides else ALL)
    assert report["verdict"] == ("edge-stale" if decides else "unknown")
    assert report["fresh_variants"][:1] == [LADDER_PAST[one] for one in decides][:1]


@pytest.mark.parametrize(("make", "query", "no_cache", "encodings"), [one for one in configured() if one.values[3]])
def test_the_gzip_copy_is_stale(make: MakeCache, query: bool, no_cache: bool, encodings: bool) -> None:
    """The Accept-Encoding decides, whatever else gets past."""
    with stale_cache(BEHAVIOURS["gzip-stale"], make, projects=1) as (_, cache, _, _):
        code, report = probe(cache)
    decides = ["accept_encoding", *(["cache_bust"] if query else []), *(["no_cache"] if no_cache else [])]
    assert (code, report["decides"], report["fresh_variants"][0]) == (SOME, decides, "strip")


@pytest.mark.parametrize(
    ("behaviour", "cache_name", "code", "decides", "cure"),
    [
        pytest.param("healthy", "pypi", FRESH, [], "plain", id="healthy-on-pypi"),
        pytest.param("healthy", "cdn", FRESH, [], "plain", id="healthy-on-varnish"),
        pytest.param("healthy", "nginx", FRESH, [], "plain", id="healthy-on-nginx"),
        pytest.param("healthy", "squid", FRESH, [], "plain", id="healthy-on-squid"),
        pytest.param("gzip-stale", "pypi", SOME, ["accept_encoding"], "strip", id="gzip"),
        pytest.param("gzip-and-identity-stale", "pypi", SOME, ["accept_encoding"], "deflate", id="gzip-and-identity"),
        pytest.param("purge-broken", "pypi", ALL, [], None, id="all-copies"),
        pytest.param("fallback", "pypi", SOME, ["accept_encoding"], "strip", id="fallback"),
        pytest.param("stale-node", "pypi", SOME, [], None, id="node"),
    ],
)
def test_incidents(behaviour: str, cache_name: str, code: ProbeExit, decides: list[str], cure: str | None) -> None:
    """As PyPI's edge shows them; and a healthy cache of any kind."""
    with stale_cache(BEHAVIOURS[behaviour], CACHES[cache_name], projects=1) as (_, cache, _, _):
        found, report = probe(cache)
    assert (found, report["decides"]) == (code, decides)
    assert (report["fresh_variants"] or [None])[0] == cure or behaviour == "stale-node"
    if behaviour == "stale-node":
        old, new = (f"cache-varnish-shield, cache-varnish-{node}" for node in (2, 1))
        assert f"the node: {old} holds the old copy, {new} does not" in report["diagnosis"][0]


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        pytest.param(cdn, "origin-stale", id="varnish"),
        pytest.param(squid, "origin-stale", id="squid"),
        pytest.param(partial(nginx, says_state=True), "origin-stale", id="nginx-that-says-so"),
        pytest.param(nginx, "unknown", id="nginx"),
        pytest.param(CACHES["pypi"], "origin-stale", id="pypi"),
    ],
)
def test_the_origin_is_behind(make: MakeCache, verdict: str) -> None:
    """It is blamed where an answer came past the cache, and the cache says so."""
    with stale_cache(BEHAVIOURS["origin-stale"], make, projects=1) as (_, cache, _, _):
        code, report = probe(cache)
    assert (code, report["verdict"]) == (ALL, verdict)
