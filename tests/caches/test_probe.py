"""The probe, behind real caches of several configurations."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any
from unittest import mock

import pytest

from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.exit_codes import ProbeExit
from bandersnatch_freshness.lab.behaviours import BEHAVIOURS
from bandersnatch_freshness.probe import asking

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
    """Probe as an operator does, but without a pause, and return the exit code and the report."""
    environment = {"PATH": os.environ["PATH"], **({"http_proxy": cache.proxy} if cache.proxy else {})}
    output, errors = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(asking, "PAUSE", 0),
        redirect_stdout(output),
        redirect_stderr(errors),
    ):
        code = cli.main(["probe", "--master", cache.url, "--json", PROJECT])
    assert not errors.getvalue()
    (report,) = json.loads(output.getvalue())["probes"]
    return code, report


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
    """What gets past the cache decides: OPTIONS always do; where nothing else does, purging is called broken."""
    with stale_cache(BEHAVIOURS["purge-broken"], make, projects=1) as (_, cache, _, _):
        code, report = probe(cache)
    past = [*(["cache_bust"] if query else []), *(["no_cache"] if no_cache else [])]
    assert report["decides"] == ["method", *past]
    assert (code, report["verdict"]) == (SOME, "edge-stale")
    assert report["fresh_variants"][:1] == [LADDER_PAST[one] for one in past][:1]
    assert ("purging is broken" in report["diagnosis"][0]) is (not past)


@pytest.mark.parametrize(("make", "query", "no_cache", "encodings"), [one for one in configured() if one.values[3]])
def test_the_gzip_copy_is_stale(make: MakeCache, query: bool, no_cache: bool, encodings: bool) -> None:
    """The Accept-Encoding decides, whatever else gets past."""
    with stale_cache(BEHAVIOURS["gzip-stale"], make, projects=1) as (_, cache, _, _):
        code, report = probe(cache)
    decides = ["accept_encoding", "method", *(["cache_bust"] if query else []), *(["no_cache"] if no_cache else [])]
    assert (code, report["decides"], report["fresh_variants"][0]) == (SOME, decides, "strip")


@pytest.mark.parametrize(
    ("behaviour", "cache_name", "code", "decides", "cure"),
    [
        pytest.param("healthy", "pypi", FRESH, [], "plain", id="healthy-on-pypi"),
        pytest.param("healthy", "cdn", FRESH, [], "plain", id="healthy-on-varnish"),
        pytest.param("healthy", "nginx", FRESH, [], "plain", id="healthy-on-nginx"),
        pytest.param("healthy", "squid", FRESH, [], "plain", id="healthy-on-squid"),
        pytest.param("gzip-stale", "pypi", SOME, ["accept_encoding", "method"], "strip", id="gzip"),
        pytest.param(
            "gzip-and-identity-stale", "pypi", SOME, ["accept_encoding", "method"], "deflate", id="gzip-and-identity"
        ),
        pytest.param("purge-broken", "pypi", SOME, ["method"], None, id="all-copies"),
        pytest.param("fallback", "pypi", SOME, ["accept_encoding", "method"], "strip", id="fallback"),
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
    ("make", "says_state"),
    [
        pytest.param(cdn, True, id="varnish"),
        pytest.param(squid, True, id="squid"),
        pytest.param(partial(nginx, says_state=True), True, id="nginx-that-says-so"),
        pytest.param(nginx, False, id="nginx"),
        pytest.param(CACHES["pypi"], True, id="pypi"),
    ],
)
@pytest.mark.parametrize("refuses_options", [0, 405])
def test_the_origin_is_behind(make: MakeCache, says_state: bool, refuses_options: int) -> None:
    """It is blamed where it says so itself, or where an answer came past the cache, and the cache says so."""
    behaviour = replace(BEHAVIOURS["origin-stale"], refuses_options=refuses_options)
    with stale_cache(behaviour, make, projects=1) as (_, cache, _, _):
        code, report = probe(cache)
    assert (code, report["verdict"]) == (ALL, "origin-stale" if says_state or not refuses_options else "unknown")
