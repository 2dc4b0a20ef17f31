"""The ways of asking: few, ordered, one difference at a time."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.variants import LADDER, AcceptEncoding, Variant
from bandersnatch_freshness.probe import ways
from bandersnatch_freshness.probe.ways import Agent, Client, Method, Page, Way

ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"]
OTHERS = (Client.REQUESTS, Client.CURL)


@pytest.mark.parametrize("project", ["foo", ""])
def test_single_differences_are_single(project: str) -> None:
    """Or what decides could not be told."""
    base = ways.base(project)
    singles = ways.one_by_one(project, ADDRESSES, OTHERS)
    assert {len(way.differences(base)) for way in singles} == {1}
    assert len(set(singles)) == len(singles)


@pytest.mark.parametrize("project", ["foo", ""])
def test_all_ways_of_the_plugins_are_among_them(project: str) -> None:
    """What the probe calls a cure is what the plugins do."""
    base = ways.base(project)
    asked = [base, *ways.one_by_one(project, ()), *ways.past_caches(project)]
    assert {base.dressed(variant) for variant in LADDER} <= set(asked)


def test_no_more_than_thirty() -> None:
    """Also for a host with many addresses."""
    asked = [
        *[ways.base("foo")] * 2,
        *ways.one_by_one("foo", ADDRESSES, OTHERS),
        *ways.together("foo", OTHERS),
        *ways.past_caches("foo"),
        *ways.again("foo", LADDER[1]),
    ]
    assert len(asked) <= 30


def test_what_changes_a_cache_comes_last() -> None:
    """A cache that honours no-cache keeps what it then gets."""
    late = [way.no_cache for way in ways.past_caches("foo")]
    assert late == sorted(late)
    early = [ways.base("foo"), *ways.one_by_one("foo", ADDRESSES, OTHERS), *ways.together("foo", OTHERS)]
    assert not any(way.passes_caches for way in early)
    assert all(way.passes_caches for way in ways.past_caches("foo"))


def test_the_index_is_not_asked_for_by_options() -> None:
    """A page is, once, as Bandersnatch asks for it but for the method."""
    assert not [way for way in ways.past_caches("") if way.method is Method.OPTIONS]
    (way,) = (way for way in ways.past_caches("foo") if way.method is Method.OPTIONS)
    assert way.differences(ways.base("foo")) == ("method",)


@pytest.mark.parametrize("project", ["foo", ""])
def test_one_way_alone_is_about_the_user_agent(project: str) -> None:
    """All others say who asks, as PyPI wants mirrors to."""
    asked = [
        *ways.one_by_one(project, ADDRESSES, OTHERS),
        *ways.together(project, OTHERS),
        *ways.past_caches(project),
    ]
    (way,) = (way for way in asked if way.agent is not Agent.BANDERSNATCH)
    assert way.differences(ways.base(project)) == ("agent",)


def test_one_address_is_no_difference() -> None:
    """A host that has no other is asked as ever."""
    assert not any(way.address for way in ways.one_by_one("foo", ["192.0.2.1"]))


@pytest.mark.parametrize("here", [(), (Client.REQUESTS,), (Client.CURL,), OTHERS])
def test_a_client_that_is_not_here_is_not_asked_by(here: tuple[Client, ...]) -> None:
    """Beside the plugins' own, which always is."""
    asked = [*ways.one_by_one("foo", (), here), *ways.together("foo", here)]
    assert {way.client for way in asked} == {Client.AIOHTTP, *here}


@pytest.mark.parametrize(
    ("way", "words"),
    [
        pytest.param(ways.base("foo"), "", id="base"),
        pytest.param(Way(Page.JSON_API, AcceptEncoding.ABSENT), "no Accept-Encoding", id="absent"),
        pytest.param(Way(Page.JSON_API, AcceptEncoding.EMPTY), "empty Accept-Encoding", id="empty"),
        pytest.param(
            Way(Page.SIMPLE_HTML, AcceptEncoding.BR, client=Client.CURL, agent=Agent.CURL, address="192.0.2.1"),
            "simple page in HTML + Accept-Encoding: br + client curl + User-Agent: curl + address 192.0.2.1",
            id="much",
        ),
    ],
)
def test_says_what_differs(way: Way, words: str) -> None:
    """In the words of HTTP."""
    assert way.describe(ways.base("foo")) == words


@pytest.mark.parametrize(
    ("page", "project", "path"),
    [
        pytest.param(Page.JSON_API, "foo", "/pypi/foo/json", id="json"),
        pytest.param(Page.SIMPLE_JSON, "foo", "/simple/foo/", id="simple"),
        pytest.param(Page.SIMPLE_HTML, "", "/simple/", id="index"),
    ],
)
def test_paths(page: Page, project: str, path: str) -> None:
    """Those that are answered without a redirect."""
    assert page.path(project) == path


def test_a_variant_is_put_on_and_read_back() -> None:
    """In the plugins' own words."""
    variant = Variant(AcceptEncoding.DEFLATE, cache_bust=True, no_cache=True)
    assert ways.base("foo").dressed(variant).variant == variant
