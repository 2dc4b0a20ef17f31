"""Several workers, and what goes wrong inside, through aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.fail_open import begin_run
from bandersnatch_freshness.transports.aiohttp_session import AiohttpPage, is_client_session

from .aiohttp_upstream import ALL, Upstream, page


class Hanging(Upstream):
    """One that never answers for the project `hangs`, until it is let go."""

    def __init__(self) -> None:
        """Answer for all others."""
        self.arrived, self.let_go = asyncio.Event(), asyncio.Event()
        super().__init__(self._wait)

    async def _wait(self, request: web.Request) -> web.Response:
        if "hangs" in request.path:
            self.arrived.set()
            await self.let_go.wait()
        return page()


async def release(fetching: Awaitable[AiohttpPage]) -> None:
    """Await a page that must be fresh, and close it."""
    response = (await fetching).response
    assert response is not None
    response.release()


async def test_the_others_do_not_wait_for_a_first_answer_that_never_comes(mocker: Any) -> None:
    """A page that hangs delays them for a moment only."""
    mocker.patch("bandersnatch_freshness.transports.aiohttp_session.SCOUT_SECONDS", 0.05)
    upstream = Hanging()
    async with upstream.session(LADDER) as session:
        first = asyncio.create_task(session.fetch(upstream.url("/pypi/hangs/json"), 42))
        await upstream.arrived.wait()
        await release(session.fetch(upstream.url("/pypi/foo/json"), 42))
        upstream.let_go.set()
        await release(first)


async def test_a_cancelled_first_request_lets_the_others_go(mocker: Any) -> None:
    """As when a run is ended by Ctrl-C, or the first page times out."""
    mocker.patch("bandersnatch_freshness.transports.aiohttp_session.SCOUT_SECONDS", 3600)
    upstream = Hanging()
    async with upstream.session(LADDER) as session:
        first = asyncio.create_task(session.fetch(upstream.url("/pypi/hangs/json"), 42))
        await upstream.arrived.wait()
        first.cancel()
        async with asyncio.timeout(30):
            await release(session.fetch(upstream.url("/pypi/foo/json"), 42))
        upstream.let_go.set()


async def test_a_bug_of_ours_leaves_unjudged_requests_as_they_are(
    mocker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged once; the request is sent plainly, and so are all later ones."""
    begin_run()
    mocker.patch("bandersnatch_freshness.transports.aiohttp_session.dress", side_effect=RuntimeError("a bug"))
    upstream = Upstream(lambda _: page())
    async with upstream.session([ALL]) as session:
        for _ in range(2):
            async with session.get(upstream.url("/simple/")) as response:
                assert response.status == 200
    assert upstream.targets == ["/simple/", "/simple/"]
    assert caplog.messages == ["An error inside bandersnatch-freshness: continuing without it"]


async def test_only_a_real_client_session_is_one(mocker: Any) -> None:
    """A mock claims to be of any class."""
    mock = mocker.MagicMock(spec=aiohttp.ClientSession)
    assert isinstance(mock, aiohttp.ClientSession)
    assert not is_client_session(mock)
    assert not is_client_session(None)
    async with aiohttp.ClientSession() as session:
        assert is_client_session(session)
