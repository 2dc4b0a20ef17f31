"""Requests to the origin itself, past all caches, through aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ..core import origin
from ..core.climb import PageResult
from ..core.observations import Observation
from ..core.variants import ORIGIN
from .aiohttp_body import BodyLimits, read_within
from .aiohttp_dressing import MAX_FIELD_SIZE
from .climber import ORIGIN_AGENT, AdaptiveClimber


class AiohttpOrigin:
    """Asks the origin itself through a client session, one page after the other."""

    def __init__(self, session: aiohttp.ClientSession, climber: AdaptiveClimber) -> None:
        """`climber` is that of the same master."""
        self._session = session
        self._climber = climber
        self._turn = asyncio.Lock()

    async def ask(
        self,
        url: str,
        required_serial: int,
        project: str,
        *,
        pause: Callable[[float], Awaitable[object]] | None = None,
        **options: Any,
    ) -> PageResult[aiohttp.ClientResponse] | None:
        """Ask for a project's page when it is its turn; None if the origin is asked for no more in this run.

        `pause` waits, by default as `asyncio.sleep`. The caller must close the result's response.
        """
        async with self._turn:
            if self._climber.is_origin_over:
                return None
            await (pause or asyncio.sleep)(self._climber.origin_pause())
            seen, response = await self._ask(url, required_serial, project, options)
            self._climber.saw_origin(url, seen, fresh=response is not None)
            return PageResult([seen], response)

    async def _ask(
        self, url: str, required_serial: int, project: str, options: dict[str, Any]
    ) -> tuple[Observation, aiohttp.ClientResponse | None]:
        """Return what the answer showed, and the answer itself if it is the page that is wanted."""
        headers = CIMultiDict(options.get("headers") or {})
        agent = headers.get("User-Agent") or self._session.headers.get("User-Agent") or ""
        headers["User-Agent"] = f"{agent} {ORIGIN_AGENT}".lstrip()
        options = {"max_field_size": MAX_FIELD_SIZE, **options, "headers": headers, "allow_redirects": False}
        try:
            response = await self._session.request("OPTIONS", URL(url), **options)
        except aiohttp.ClientResponseError as error:  # of a session that raises for a status
            return origin.look(error.status, error.headers or {}), None
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            return _failed(error), None
        try:
            seen = origin.look(response.status, response.headers)
            if not seen.problem:
                try:
                    body = await read_within(response, BodyLimits())
                except Exception as error:  # noqa: BLE001 - likewise
                    seen = _failed(error)
                else:
                    seen = origin.read(seen, body, project)
        except BaseException:
            response.close()
            raise
        if origin.is_fresh(seen, required_serial):
            return seen, response
        response.close()
        return seen, None


def _failed(error: Exception) -> Observation:
    return Observation(ORIGIN, problem=type(error).__name__)
