"""A server on loopback for the tests of the aiohttp transport."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from bandersnatch_freshness.core.variants import LADDER, AcceptEncoding, Variant
from bandersnatch_freshness.settings import Settings
from bandersnatch_freshness.transports.aiohttp_session import FreshSession

STRIP = Variant(AcceptEncoding.ABSENT)
BUST = Variant(cache_bust=True)
ALL = LADDER[-1]

Handler = Callable[[web.Request], Any]


class Upstream:
    """A server that remembers what it was asked, and a fresh session to ask it with."""

    def __init__(self, answer: Handler) -> None:
        """`answer` makes the answer to a request."""
        self.asked: list[web.Request] = []
        self._answer = answer
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(application)

    async def _handle(self, request: web.Request) -> Any:
        self.asked.append(request)
        answer = self._answer(request)
        return await answer if asyncio.iscoroutine(answer) else answer

    @property
    def targets(self) -> list[str]:
        """Path and query of each request."""
        return [request.raw_path for request in self.asked]

    @asynccontextmanager
    async def session(self, rungs: Sequence[Variant], raise_for_status: bool = True) -> AsyncIterator[FreshSession]:
        """Open a session such as Bandersnatch's, with this server as its master."""
        async with self.server, aiohttp.ClientSession(raise_for_status=raise_for_status) as session:
            yield FreshSession(session, self.url(""), Settings(tuple(rungs), "cb"))

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return str(self.server.make_url("/")).rstrip("/") + path


def page(serial: str | None = "42", body: str = "{}") -> web.Response:
    """Return a page with this serial header."""
    return web.Response(text=body, headers={} if serial is None else {"X-PyPI-Last-Serial": serial})
