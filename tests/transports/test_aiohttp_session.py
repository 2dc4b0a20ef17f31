"""The aiohttp transport against real servers on loopback: what really arrives there."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from bandersnatch_freshness.core.variants import LADDER, PLAIN, Variant

from .aiohttp_upstream import ALL, BUST, STRIP, Upstream, page


async def test_dresses_metadata_only() -> None:
    """All at once: no Accept-Encoding, a parameter, no-cache; a release file goes plainly."""
    upstream = Upstream(lambda _: page())
    async with upstream.session([ALL]) as session:
        for path in ("/simple/foo/?a=%26&b=+", "/packages/foo.whl"):
            async with session.get(upstream.url(path), headers={"Accept": "x"}) as response:
                assert response.status == 200
    dressed, plain = upstream.asked
    assert "Accept-Encoding" not in dressed.headers
    assert dressed.headers["Cache-Control"] == "no-cache"
    assert dressed.headers["Accept"] == "x"
    assert dressed.raw_path.startswith("/simple/foo/?a=%26&b=+&cb=")
    assert "Accept-Encoding" in plain.headers
    assert plain.raw_path == "/packages/foo.whl"


@pytest.mark.parametrize("query", ["a=%2F%26", "a=%20+%2B", "a=%e4&&=", "a=ä"])
async def test_a_query_stays_as_the_client_sends_it(query: str) -> None:
    """What aiohttp makes of a URL by itself, and then the parameter."""
    upstream = Upstream(lambda _: page())
    async with upstream.session([BUST]) as session:
        for client in (session.wrapped, session):
            async with client.get(upstream.url(f"/simple/?{query}")):
                pass
    plain, dressed = upstream.targets
    assert dressed.startswith(f"{plain}&cb=")


@pytest.mark.parametrize("ask", ["get", "head", "request"])
async def test_every_way_to_ask_is_dressed(ask: str) -> None:
    """Entered or awaited, as aiohttp allows both."""
    upstream = Upstream(lambda _: page())
    async with upstream.session([STRIP]) as session:
        method = ("GET",) if ask == "request" else ()
        async with getattr(session, ask)(*method, upstream.url("/simple/")):
            pass
        response = await getattr(session, ask)(*method, upstream.url("/simple/"))
        response.release()
    assert [("Accept-Encoding" in request.headers) for request in upstream.asked] == [False, False]


async def test_a_header_that_the_caller_set_goes_too() -> None:
    """Stripping means that none arrives, wherever it came from."""
    upstream = Upstream(lambda _: page())
    async with (
        upstream.session([STRIP]) as session,
        session.get(upstream.url("/simple/"), headers={"accept-encoding": "br"}),
    ):
        pass
    assert "Accept-Encoding" not in upstream.asked[0].headers


async def test_everything_else_is_the_wrapped_session() -> None:
    """XML-RPC posts through the same session."""
    upstream = Upstream(lambda _: page())
    async with upstream.session([ALL]) as session:
        async with session.post(upstream.url("/simple/"), data=b"x"):
            pass
        assert session.closed is False
    assert upstream.targets == ["/simple/"]
    assert "Accept-Encoding" in upstream.asked[0].headers


async def test_the_variant_survives_redirects_and_is_never_repeated() -> None:
    """Relative and absolute, with and without our own parameter in the target."""

    def answer(request: web.Request) -> web.Response:
        if request.path == "/simple":
            raise web.HTTPMovedPermanently(f"/simple/?{request.query_string}")
        if request.path == "/simple/":
            raise web.HTTPFound(str(request.url.with_path("/simple/foo/").with_query("x=1")))
        return page()

    upstream = Upstream(answer)
    async with upstream.session([ALL]) as session, session.get(upstream.url("/simple?a=1")) as response:
        assert response.status == 200
    first, second, third = (request.query for request in upstream.asked)
    assert (first["a"], second["a"], third["x"]) == ("1", "1", "1")
    assert len({query["cb"] for query in (first, second, third)}) == 3
    assert all(len(query) == 2 for query in (first, second, third))
    assert not any("Accept-Encoding" in request.headers for request in upstream.asked)


async def test_a_redirect_to_another_host_sheds_variant_and_secrets() -> None:
    """Other hosts are none of our business, and must not learn a password."""
    elsewhere = Upstream(lambda _: page())
    async with elsewhere.server:
        target = elsewhere.url("/simple/")

        def answer(_: web.Request) -> web.Response:
            raise web.HTTPFound(target)

        upstream = Upstream(answer)
        async with (
            upstream.session([ALL]) as session,
            session.get(upstream.url("/simple/"), headers={"Authorization": "Basic c2VjcmV0"}) as response,
        ):
            assert str(response.url) == target
    assert "Authorization" in upstream.asked[0].headers
    (there,) = elsewhere.asked
    assert there.raw_path == "/simple/"
    assert "Accept-Encoding" in there.headers
    assert "Authorization" not in there.headers
    assert "Cache-Control" not in there.headers


@pytest.mark.parametrize("absolute", [False, True])
async def test_a_password_in_the_master_survives_a_redirect(absolute: bool) -> None:
    """As where aiohttp follows it by itself."""

    def answer(request: web.Request) -> web.Response:
        if request.path == "/simple":
            raise web.HTTPMovedPermanently(upstream.url("/simple/") if absolute else "/simple/")
        return page()

    upstream = Upstream(answer)
    async with upstream.session([BUST]) as session:
        url = upstream.url("/simple").replace("http://", "http://user:secret@")
        async with session.get(url):
            pass
    assert [request.headers.get("Authorization") for request in upstream.asked] == ["Basic dXNlcjpzZWNyZXQ="] * 2


async def test_endless_redirects_end() -> None:
    """With the error and after the number of requests that aiohttp gives up at."""

    def answer(_: web.Request) -> web.Response:
        raise web.HTTPFound("/simple/")

    upstream = Upstream(answer)
    counts = []
    for rungs in ([LADDER[0]], [ALL]):
        upstream = Upstream(answer)
        async with upstream.session(rungs) as session:
            with pytest.raises(aiohttp.TooManyRedirects):
                await session.get(upstream.url("/simple/"))
        counts.append(len(upstream.asked))
    assert counts == [10, 10]


@pytest.mark.parametrize("first", [True, False])
async def test_redirects_without_end_end_the_climb(first: bool) -> None:
    """With Bandersnatch's own error, and after as many requests; met in another way, the page is stale."""

    def answer(request: web.Request) -> web.Response:
        if not first and "Accept-Encoding" in request.headers:
            return page("41")
        raise web.HTTPFound("/pypi/foo/json")

    upstream = Upstream(answer)
    async with upstream.session(LADDER) as session:
        if first:
            with pytest.raises(aiohttp.TooManyRedirects):
                await session.wrapped.get(upstream.url("/pypi/foo/json"))
        most = len(upstream.asked) or 1 + 10
        for _ in range(2):
            upstream.asked.clear()
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
            assert outcome.response is None
            assert isinstance(outcome.error, aiohttp.TooManyRedirects) is first
            assert len(upstream.asked) == most
            most = most if first else 1  # it is known to be stale by then


def answering(status: int, serial: str | None) -> web.Response:
    """Return an answer that came past all caches, by its own account."""
    headers = {"X-Cache": "MISS", "X-PyPI-Last-Serial": serial or ""}
    return web.Response(text="{}", status=status, headers=headers)


@pytest.mark.parametrize("raise_for_status", [True, False])
@pytest.mark.parametrize("rungs", [LADDER, [BUST]], ids=["plain-first", "dressed"])
@pytest.mark.parametrize(
    ("status", "serial", "taken"),
    [(200, "42", True), (200, "41", False), (200, None, False), (404, None, False), (429, None, False)],
)
async def test_a_page_from_elsewhere_is_taken_or_not_and_proves_nothing(
    status: int, serial: str | None, taken: bool, rungs: list[Variant], raise_for_status: bool
) -> None:
    """As bare takes it, request by request; twice, as nothing is learned."""
    elsewhere = Upstream(lambda _: answering(status, serial))
    async with elsewhere.server:

        def answer(_: web.Request) -> web.Response:
            raise web.HTTPFound(elsewhere.url("/pypi/foo/json"))

        upstream = Upstream(answer)
        async with upstream.session(rungs, raise_for_status) as session:
            async with session.wrapped.get(upstream.url("/pypi/foo/json"), raise_for_status=False) as response:
                assert response.status == status
            for count in (2, 3):
                outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
                assert (outcome.response is not None) is taken
                if outcome.response is not None:
                    assert await outcome.response.text() == "{}"
                assert getattr(outcome.error, "status", 200) == status
                assert (outcome.is_missing, outcome.is_proven_gone) == (status == 404, False)
                (seen,) = outcome.observations
                assert str(seen) == f"{rungs[0].name} got a redirect to another host"
                assert (len(upstream.asked), len(elsewhere.asked)) == (count, count)
            assert not session.climber.ladder.is_refused


@pytest.mark.parametrize("status", [200, 404, 429])
@pytest.mark.parametrize("cured", [True, False])
async def test_a_later_way_that_leads_elsewhere_is_no_cure(cured: bool, status: int) -> None:
    """On to the next."""
    elsewhere = Upstream(lambda _: answering(status, "42"))
    async with elsewhere.server:

        def answer(request: web.Request) -> web.Response:
            if "Accept-Encoding" in request.headers and not request.query:
                return page("41")
            if cured and request.query:
                return page()
            raise web.HTTPFound(elsewhere.url("/pypi/foo/json"))

        upstream = Upstream(answer)
        async with upstream.session(LADDER) as session:
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
            if outcome.response is not None:
                outcome.response.release()
    assert outcome.error is None
    assert (outcome.response is not None) is cured
    assert str(outcome.observations[1]) == "strip got a redirect to another host"
    assert len(outcome.observations) == (3 if cured else len(LADDER))


async def test_a_404_is_still_one_where_other_ways_lead_elsewhere() -> None:
    """What answers there is no word on it."""
    elsewhere = Upstream(lambda _: page())
    async with elsewhere.server:

        def answer(request: web.Request) -> web.Response:
            if "Accept-Encoding" in request.headers and not request.query:
                return web.Response(status=404)
            raise web.HTTPFound(elsewhere.url("/pypi/foo/json"))

        upstream = Upstream(answer)
        async with upstream.session([PLAIN, STRIP, BUST]) as session:
            outcome = await session.fetch(upstream.url("/pypi/foo/json"), 42)
    assert isinstance(outcome.error, aiohttp.ClientResponseError)
    assert outcome.error.status == 404


async def test_redirects_may_be_left_to_the_caller() -> None:
    """`allow_redirects=False` is passed on, and HEAD follows none unless told to."""

    def answer(_: web.Request) -> web.Response:
        raise web.HTTPFound("/simple/")

    upstream = Upstream(answer)
    async with upstream.session([ALL]) as session:
        async with session.get(upstream.url("/simple"), allow_redirects=False) as response:
            assert response.status == 302
        async with session.head(upstream.url("/simple")) as response:
            assert response.status == 302


async def test_options_of_the_caller_are_passed_on() -> None:
    """A time-out that is asked for is kept, in every variant."""
    never = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await never.wait()
        return page()

    upstream = Upstream(answer)
    async with upstream.session([ALL]) as session:
        with pytest.raises(TimeoutError):
            await session.get(upstream.url("/simple/"), timeout=aiohttp.ClientTimeout(total=0.05))
        outcome = await session.fetch(upstream.url("/pypi/foo/json"), 1, timeout=aiohttp.ClientTimeout(total=0.05))
        assert isinstance(outcome.error, TimeoutError)
        never.set()
    assert len(upstream.asked) == 2
