"""The climb through aiohttp, against real servers on loopback."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bandersnatch_freshness.core.climb import RecheckBudget
from bandersnatch_freshness.core.refusals import Refusal
from bandersnatch_freshness.core.variants import LADDER

from .aiohttp_upstream import STRIP, Upstream, page


@pytest.mark.parametrize(
    ("serial", "body", "fresh"),
    [
        pytest.param("42", "{}", True, id="header"),
        pytest.param("43", '{"last_serial": 1}', True, id="header-before-body"),
        pytest.param("41", '{"last_serial": 43}', False, id="stale-header-before-body"),
        pytest.param(None, '{"last_serial": 42}', True, id="body"),
        pytest.param("", '{"last_serial": 42}', True, id="empty-header"),
        pytest.param("4_2", '{"last_serial": 42}', True, id="malformed-header"),
        pytest.param("9" * 30, '{"last_serial": 42}', True, id="absurd-header"),
        pytest.param("9" * 9000, '{"last_serial": 42}', True, id="header-beyond-aiohttps-limit"),
        pytest.param(None, '{"last_serial": 41}', False, id="stale-body"),
        pytest.param(None, "no JSON", False, id="nothing"),
        pytest.param("-1", "{}", False, id="malformed-only"),
    ],
)
async def test_judges_by_header_then_body(serial: str | None, body: str, fresh: bool) -> None:
    """And a body that was looked into can still be read."""
    upstream = Upstream(lambda _: page(serial, body))
    async with upstream.session([STRIP]) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
        assert outcome.error is None
        assert (outcome.response is not None) is fresh
        if outcome.response:
            async with outcome.response as response:
                assert await response.text() == body


@pytest.mark.parametrize("by_body", [False, True])
async def test_a_new_header_lets_no_older_page_in(by_body: bool) -> None:
    """Nor is one whose header was new ever evidence of more than its body is; without an own copy it is as bare."""
    headers, old, new = (
        {"X-PyPI-Last-Serial": "42", "X-Served-By": "node-1"},
        '{"last_serial": 41}',
        '{"last_serial": 42}',
    )

    def answer(request: web.Request) -> web.Response:
        if "Accept-Encoding" in request.headers:
            return web.Response(text=old, headers=headers)
        return page("42", new)

    upstream = Upstream(answer)
    async with upstream.session(LADDER) as session:
        for _ in range(2):  # then it begins where it was fresh
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42, by_body=by_body)
            assert outcome.response is not None
            async with outcome.response as response:
                assert await response.text() == (new if by_body else old)
            if len(upstream.asked) == 2 and by_body:
                assert str(outcome.observations[0]) == "plain got serial 41 from node-1"
    assert len(upstream.asked) == (3 if by_body else 2)


def cut_off(request: web.Request) -> web.StreamResponse:
    """Return a page that breaks off."""
    response = web.Response(body=b'{"last_', headers={"X-PyPI-Last-Serial": "42", "Content-Length": "100"})
    response.force_close()
    return response


@pytest.mark.parametrize("whole", [True, False])
async def test_a_page_that_breaks_off_may_be_whole_in_another_copy(whole: bool) -> None:
    """If it is in none, the error is the one that Bandersnatch would have met."""
    upstream = Upstream(
        lambda request: page() if whole and "Accept-Encoding" not in request.headers else cut_off(request)
    )
    async with upstream.session(LADDER) as session:
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.wrapped.get(upstream.url("/pypi/foo/json")) as response:
                await response.json()
        before = len(upstream.asked)
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42, by_body=True)
        if outcome.response is not None:
            outcome.response.release()
    assert (outcome.response is not None) is whole
    assert whole or isinstance(outcome.error, aiohttp.ClientPayloadError)
    assert not outcome.is_missing
    assert str(outcome.observations[0]) == "plain got a body that breaks off"
    assert len(upstream.asked) - before == (2 if whole else len(LADDER))


async def test_a_page_that_breaks_off_beside_an_old_one_is_stale() -> None:
    """As any that no way gets."""
    upstream = Upstream(lambda request: page("41") if "cb" in request.query else cut_off(request))
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42, by_body=True)
    assert (outcome.response, outcome.error) == (None, None)


@pytest.mark.parametrize("first", [True, False])
async def test_a_time_out_in_a_body_ends_the_climb(first: bool) -> None:
    """With Bandersnatch's own error where the first answer meets it; in a later one, the page is stale."""
    never = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if not first and "Accept-Encoding" in request.headers:
            return page("41")
        response = web.StreamResponse(headers={"X-PyPI-Last-Serial": "42", "Content-Length": "100"})
        await response.prepare(request)
        await never.wait()
        return response

    upstream = Upstream(answer)
    async with upstream.session(LADDER) as session:
        timeout = aiohttp.ClientTimeout(total=0.2)
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42, by_body=True, timeout=timeout)
        never.set()
    assert outcome.response is None
    assert isinstance(outcome.error, TimeoutError) is first
    assert len(upstream.asked) == (1 if first else 2)


async def test_a_climb_stops_at_the_first_fresh_answer(caplog: pytest.LogCaptureFixture) -> None:
    """One line says which variant cured it, and what the others got."""
    caplog.set_level(logging.INFO, "bandersnatch.freshness")
    upstream = Upstream(lambda request: page("42" if "cb" in request.query else "41"))
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
        assert outcome.response is not None
        outcome.response.release()
    assert len(upstream.asked) == 3
    assert caplog.messages == [
        "foo was stale, cured by strip+cache-bust: "
        "plain got serial 41, strip got serial 41, strip+cache-bust got serial 42"
    ]


@pytest.mark.parametrize("raise_for_status", [True, False])
async def test_a_404_that_no_way_cures_is_handed_on(raise_for_status: bool) -> None:
    """Asked for in one other way; and not at all where no serial is asked for."""
    upstream = Upstream(lambda _: web.Response(status=404))
    async with upstream.session(LADDER, raise_for_status) as session:
        for required_serial, requests in ((42, 2), (42, 4), (0, 5)):
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), required_serial)
            assert isinstance(outcome.error, aiohttp.ClientResponseError)
            assert outcome.error.status == 404
            assert len(upstream.asked) == requests


async def test_a_page_that_is_known_follows_the_others_and_leaves_out_what_is_no_use() -> None:
    """In the way that has just cured another one, then in the first."""
    upstream = Upstream(
        lambda request: page("42" if "bar" in request.path and "Accept-Encoding" not in request.headers else "41")
    )
    async with upstream.session(LADDER) as session:
        session.climber.leave_out({"cache_bust", "no_cache"})
        for name, budget, count in (("foo", None, 3), ("bar", None, 2), ("baz", RecheckBudget(1, None, 41), 2)):
            before = len(upstream.asked)
            outcome = await session.fetch(upstream.url(f"/pypi/{name}/json"), 42, budget)
            assert (outcome.response is not None) is (name == "bar")
            if outcome.response is not None:
                outcome.response.release()
            assert len(upstream.asked) == before + count


async def test_a_page_that_is_known_to_be_stale_is_asked_for_sparingly() -> None:
    """In as many ways as allowed; and what is learned of it, is of no other page."""
    upstream = Upstream(lambda request: page("42" if "fresh" in request.path else "41"))
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42, RecheckBudget(2, 4, 41))
        assert (outcome.response, outcome.error) == (None, None)
        assert len(upstream.asked) == 2
        outcome = await session.fetch(upstream.url("/pypi/bar/json"), 42, RecheckBudget(2, 0, 40))
        assert len(upstream.asked) == 2 + len(LADDER)
        outcome = await session.fetch(upstream.url("/pypi/fresh/json"), 42, RecheckBudget(1, 2, 41))
        assert outcome.response is not None
        outcome.response.release()
        async with session.get(upstream.url("/simple/")):
            pass
    assert "cb" in upstream.asked[-2].query
    assert "Accept-Encoding" in upstream.asked[-1].headers


async def test_a_404_beside_an_old_page_is_stale() -> None:
    """Caches that disagree prove no deletion; the other copies may have a new page."""
    upstream = Upstream(lambda request: page("41") if "cb" in request.query else web.Response(status=404))
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert (outcome.response, outcome.error, outcome.is_missing) == (None, None, False)
    assert len(upstream.asked) == len(LADDER)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
async def test_a_404_is_asked_for_in_one_other_way(status: int) -> None:
    """The one that differs most; whatever comes of it, the page is missing, and that is not proven."""
    upstream = Upstream(lambda request: web.Response(status=status if "cb" in request.query else 404))
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert isinstance(outcome.error, aiohttp.ClientResponseError)
    assert (outcome.error.status, outcome.is_missing, outcome.is_proven_gone) == (404, True, False)
    assert ["cb" in request.query for request in upstream.asked] == [False, True]


async def test_after_many_404s_that_another_way_confirms_further_ones_are_taken_as_they_are() -> None:
    """They are missing all the same, and asked for again later."""
    upstream = Upstream(lambda _: web.Response(status=404))
    counts = []
    async with upstream.session(LADDER) as session:
        for number in range(30):
            before = len(upstream.asked)
            outcome = await session.fetch(upstream.url(f"/pypi/dead{number}/json"), 42)
            assert (outcome.is_missing, outcome.is_proven_gone) == (True, False)
            counts.append(len(upstream.asked) - before)
    assert counts == [2] * 20 + [1] * 10


async def test_a_404_before_a_broken_connection_is_missing() -> None:
    """It ends the climb, and says nothing of the page."""

    def answer(request: web.Request) -> web.Response:
        if "Accept-Encoding" not in request.headers:
            assert request.transport
            request.transport.abort()
        return web.Response(status=404)

    upstream = Upstream(answer)
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert isinstance(outcome.error, aiohttp.ClientResponseError)
    assert (outcome.is_missing, outcome.is_proven_gone) == (True, False)


async def test_a_404_is_proven_in_the_other_way_too() -> None:
    """A cache had one; past it there is no page either."""
    headers = {"X-Cache": "MISS"}
    upstream = Upstream(
        lambda request: web.Response(status=404, headers=headers if "cb" in request.query else {"X-Cache": "HIT"})
    )
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert outcome.is_proven_gone
    assert len(upstream.asked) == 2


async def test_a_404_after_a_stale_page_is_asked_for_in_one_other_way() -> None:
    """Bandersnatch's second attempt, which meets another copy: all ways were asked in the first."""
    upstream = Upstream(lambda _: page("41") if len(upstream.asked) <= len(LADDER) else web.Response(status=404))
    async with upstream.session(LADDER) as session:
        first = await session.fetch(upstream.url("/pypi/foo/json"), 42)
        assert (first.response, first.error) == (None, None)
        second = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert second.is_missing
    assert len(upstream.asked) == len(LADDER) + 2


async def test_a_404_where_an_old_page_was_seen_before_is_stale_again() -> None:
    """In each of Bandersnatch's attempts, by two requests after the first climb."""
    upstream = Upstream(lambda request: page("41") if "cb" in request.query else web.Response(status=404))
    async with upstream.session(LADDER) as session:
        for count in (len(LADDER), len(LADDER) + 2):
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
            assert (outcome.error, outcome.is_missing) == (None, False)
            assert len(upstream.asked) == count


async def test_very_many_stale_pages_are_not_said_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    """When the whole edge is stale, a line for each page helps nobody; nor one for a page that is old only once."""
    caplog.set_level(logging.DEBUG, "bandersnatch.freshness")
    upstream = Upstream(lambda _: page("41"))
    said = []
    async with upstream.session(LADDER) as session:
        for _ in range(3):
            for number in range(20):
                await session.fetch(upstream.url(f"/pypi/p{number}/json"), 42)
            said.append([record for record in caplog.records if record.levelno == logging.INFO])
    assert list(map(len, said)) == [0, 11, 11]
    assert len(caplog.records) == 20 + 21


async def test_a_page_is_not_gone_because_some_way_finds_none() -> None:
    """Stale for one copy, a 404 of another: it counts as stale, and stays to be synced."""
    upstream = Upstream(lambda request: web.Response(status=404) if "cb" in request.query else page("41"))
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert (outcome.response, outcome.error, outcome.is_missing) == (None, None, False)


async def test_the_budget_is_for_missing_pages_too(mocker: Any) -> None:
    """Once it is used up, stale pages are asked for once, and so are those that are not found."""
    mocker.patch("bandersnatch_freshness.core.climb.VAIN_REQUESTS", 5)
    upstream = Upstream(lambda request: web.Response(status=404) if "gone" in request.path else page("41"))
    counts = []
    async with upstream.session(LADDER) as session:
        for name in ("gone", "stale", "stale-too", "gone-too"):
            before = len(upstream.asked)
            await session.fetch(upstream.url(f"/pypi/{name}/json"), 42)
            counts.append(len(upstream.asked) - before)
    assert counts == [2, 7, 1, 1]


async def test_an_error_on_one_rung_does_not_end_the_climb() -> None:
    """A firewall that rejects unknown parameters must not hide the copy behind it."""

    def answer(request: web.Request) -> web.Response:
        if "cb" in request.query:
            return web.Response(status=400)
        return page("42" if request.headers.get("Cache-Control") else "41")

    upstream = Upstream(answer)
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
        assert outcome.response is not None
        outcome.response.release()
    assert [str(seen) for seen in outcome.observations][2] == "strip+cache-bust got status 400"


@pytest.mark.parametrize(
    ("status", "headers", "ends"),
    [(429, {}, True), (403, {}, True), (503, {"Retry-After": "60"}, True), (503, {}, False), (400, {}, False)],
)
async def test_a_refusal_ends_all_extra_asking(status: int, headers: dict[str, str], *, ends: bool) -> None:
    """Of this page, and of any other in the run: the server wants fewer requests."""
    upstream = Upstream(
        lambda request: (
            page("41") if "Accept-Encoding" in request.headers else web.Response(status=status, headers=headers)
        )
    )
    async with upstream.session(LADDER) as session:
        counts = []
        for name in ("foo", "bar"):
            before = len(upstream.asked)
            await session.fetch(upstream.url(f"/pypi/{name}/json"), 42)
            counts.append(len(upstream.asked) - before)
    assert counts == ([2, 1] if ends else [len(LADDER)] * 2)


@pytest.mark.parametrize("raise_for_status", [True, False])
@pytest.mark.parametrize("status", [403, 429, 503])
async def test_what_a_refusal_says_is_kept(status: int, raise_for_status: bool, mocker: Any) -> None:
    """The latest time; of the first answer too, which ends as it would without the suite."""
    mocker.patch("time.time", return_value=1000.5)
    waits = iter(("60", "30"))
    upstream = Upstream(lambda _: web.Response(status=status, headers={"Retry-After": next(waits)}))
    async with upstream.session(LADDER, raise_for_status) as session:
        for _ in range(2):
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
            assert getattr(outcome.error, "status", None) == status
            assert session.climber.refusal == Refusal(1000, 1060)
    assert len(upstream.asked) == 2


@pytest.mark.parametrize("status", [200, 404])
async def test_a_run_that_begins_refused_asks_plainly_and_once(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """Whether a page is stale or not found, and for what is in quarantine too, whose turn it is in another way."""
    caplog.set_level(logging.INFO, "bandersnatch.freshness")
    upstream = Upstream(lambda _: web.Response(status=status, headers={"X-PyPI-Last-Serial": "41"}))
    async with upstream.session(LADDER) as session:
        session.climber.begin_refused(Refusal(0, 60))
        for budget in (None, RecheckBudget(3, 4, 40)):
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42, budget)
            assert outcome.response is None
    assert len(upstream.asked) == 2
    assert all("Accept-Encoding" in request.headers and not request.query for request in upstream.asked)
    assert "until 1970-01-01T00:01:00Z" in caplog.text


async def test_a_broken_connection_ends_the_climb() -> None:
    """The page counts as stale, as the first answer said; nothing is retried."""

    def answer(request: web.Request) -> web.Response:
        if "Accept-Encoding" not in request.headers:
            assert request.transport is not None
            request.transport.abort()
        return page("41")

    upstream = Upstream(answer)
    async with upstream.session(LADDER) as session:
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert (outcome.response, outcome.error) == (None, None)
    assert [seen.serial for seen in outcome.observations] == [41, None]
