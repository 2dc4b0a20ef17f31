"""The transport for aiohttp: a client session that dresses metadata requests.

It uses only aiohttp's public interface, and passes on every option it is given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp import ClientSession
from yarl import URL

from ..core.climb import Climb, PageResult, RecheckBudget
from ..core.observations import Observation, observe_elsewhere
from ..core.variants import PLAIN, Variant
from ..settings import Settings
from .aiohttp_body import BodyLimitError, BodyLimits, read_within
from .aiohttp_dressing import MAX_FIELD_SIZE, DressedRequest, dress, observed_failure, redirected
from .aiohttp_index import GuardedIndex
from .aiohttp_origin import AiohttpOrigin
from .climber import SCOUT_SECONDS, AdaptiveClimber, RequestFailedError

log = logging.getLogger("bandersnatch.freshness")

_REDIRECTS = (301, 302, 303, 307, 308)

AiohttpPage = PageResult[aiohttp.ClientResponse]


def is_client_session(session: object) -> bool:
    """Return whether this is aiohttp's session, by its real type: a mock's `__class__` can claim anything."""
    return issubclass(type(session), ClientSession)


class FreshSession:
    """Wraps aiohttp's client session; only metadata requests are different."""

    def __init__(
        self,
        session: ClientSession,
        master: str,
        settings: Settings,
        climber: AdaptiveClimber | None = None,
        limits: BodyLimits = BodyLimits(),  # noqa: B008 - it never changes
    ) -> None:
        """`master`: the URL whose metadata requests are dressed; `climber`: one that learned from earlier sessions.

        `limits` are those of pages without a serial header.
        """
        self.wrapped = session
        self.settings = settings
        self._limits = limits
        self.climber = climber or AdaptiveClimber(master, settings.rungs, settings.cache_bust_parameter)
        # What asks for the index, where that is guarded.
        self.index = GuardedIndex(self, master) if settings.guards else None
        self._scout: asyncio.Event | None = None
        self.ask_origin = AiohttpOrigin(session, self.climber).ask

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the wrapped session."""
        return getattr(self.wrapped, name)

    def get(self, url: str | URL, **options: Any) -> Any:
        """GET like `aiohttp.ClientSession.get`, dressed if it is for metadata."""
        return self.request("GET", url, **options)

    def head(self, url: str | URL, **options: Any) -> Any:
        """HEAD like `aiohttp.ClientSession.head`, dressed if it is for metadata."""
        return self.request("HEAD", url, **{"allow_redirects": False, **options})

    def request(self, method: str, url: str | URL, **options: Any) -> Any:
        """Request like `aiohttp.ClientSession.request`, dressed if it is for metadata."""
        try:
            is_covered = self.climber.covers(method, str(url))
            sending = self._dressed_request(method, url, options) if is_covered else None
        except Exception:  # noqa: BLE001 - fail open; it is logged
            self.climber.step_aside()
            sending = None
        if sending is None:
            return self.wrapped.request(method, url, **options)
        return DressedRequest(self._failing_open(sending, method, url, options))

    def _dressed_request(
        self, method: str, url: str | URL, options: dict[str, Any]
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse] | None:
        """Return the coroutine that sends a request for metadata dressed; None if it is to be sent as it is."""
        try:
            target = URL(url)
        except ValueError:  # the client reports it
            return None
        if self.index is not None and method == "GET" and self.climber.scope.is_index(str(url)):
            return self.index.fetch(target, options)
        variant = self.climber.ladder.start
        return None if variant == PLAIN else self.send(method, target, variant, options)

    async def fetch(
        self,
        url: str,
        required_serial: int,
        budget: RecheckBudget | None = None,
        *,
        by_body: bool = False,
        **options: Any,
    ) -> AiohttpPage:
        """GET a page that must carry at least the required serial, climbing the ladder if it doesn't.

        `by_body`: its body is held against that too. The caller must close the result's response.
        """
        scout = None
        if self._scout is None and len(self.settings.rungs) > 1:
            # The first page is requested alone: what it teaches spares every other worker a stale answer of its own.
            scout = self._scout = asyncio.Event()
        elif self._scout is not None and not self._scout.is_set():
            # Others wait only for the very first one, even if it fails, and not for long.
            with suppress(TimeoutError):
                async with asyncio.timeout(SCOUT_SECONDS):
                    await self._scout.wait()
        try:
            climb = self.climber.climb(url, required_serial, budget, by_body=by_body)
            error: Exception | None = None
            broken: Exception | None = None
            while (way := climb.way) is not None:
                response, failure = None, None
                try:
                    response = await self.send("GET", URL(url), way, options)
                    seen = climb.look(way, response.status, response.headers)
                    if seen.status != 200 or climb.wants_body(seen):
                        seen, failure = await self._look_closer(climb, response, seen)
                except RequestFailedError as failed:
                    failure = failed.error
                    seen = observed_failure(way, failure)
                except BaseException:
                    if response is not None:
                        response.close()
                    raise
                if self._is_elsewhere(way, response if response is not None else failure):
                    elsewhere = observe_elsewhere(way)
                    if not climb.observations:  # as bare: it is taken or not, and no evidence
                        return _unproven(elsewhere, climb, seen, response, failure)
                    failure = None
                    climb.skip(elsewhere)
                else:
                    if seen.status == 200 and not climb.observations:
                        broken = failure
                    climb.saw(seen)
                if climb.error is None:
                    error = None
                elif climb.error is seen and failure is not None:
                    error = failure
                if response is not None and failure is None and not climb.is_fresh:
                    response.release()
        finally:
            if scout is not None:
                scout.set()
        self.climber.learn(climb)
        if error is None and broken is not None and climb.has_nothing:
            error = broken
        fresh = response if climb.is_fresh else None
        return PageResult(climb.observations, fresh, error, climb.is_missing, climb.is_proven_gone)

    async def _look_closer(
        self, climb: Climb, response: aiohttp.ClientResponse, seen: Observation
    ) -> tuple[Observation, Exception | None]:
        """Return what an answer's body, or an error answer, shows; and the client's error if any."""
        try:
            if seen.status != 200:
                response.raise_for_status()  # for sessions that don't raise by themselves
                return seen, None
            body = await (response.read() if seen.serial is not None else read_within(response, self._limits))
        except BodyLimitError as error:
            return self.climber.leave_unread(climb, seen, str(error)), None
        except Exception as error:  # noqa: BLE001 - the client's error, which the caller judges
            response.close()
            if seen.serial is not None and seen.status == 200 and not isinstance(error, TimeoutError):
                return self.climber.read_body(climb, seen, response.headers, None), error  # another copy may be whole
            return observed_failure(seen.variant, error), error
        return self.climber.read_body(climb, seen, response.headers, body), None

    def _is_elsewhere(self, way: Variant, answer: aiohttp.ClientResponse | Exception | None) -> bool:
        """Return whether an answer, or its error, is of another place than the master's pages, where a redirect led."""
        if isinstance(answer, aiohttp.ClientResponse) and not answer.history and way == PLAIN:  # as nearly always
            return False
        if not isinstance(answer, (aiohttp.ClientResponse, aiohttp.ClientResponseError)) or not answer.status:
            return False
        return not self.climber.scope.covers("GET", str(answer.request_info.url))

    async def _failing_open(
        self, sending: Awaitable[aiohttp.ClientResponse], method: str, url: str | URL, options: dict[str, Any]
    ) -> aiohttp.ClientResponse:
        """Await a dressed request that has no required serial; after an error of our own, send it undressed."""
        try:
            return await sending
        except RequestFailedError as failed:
            error = failed.error
        except Exception:  # noqa: BLE001 - fail open; it is logged
            self.climber.step_aside()
            return await self.wrapped.request(method, url, **options)
        raise error  # outside the handler, so that it looks as the client raised it

    async def ask(self, url: str, variant: Variant, **options: Any) -> aiohttp.ClientResponse:
        """GET once in the given variant, without climbing or learning.

        Raises:
            Exception: what the wrapped session raises.
        """
        try:
            return await self.send("GET", URL(url), variant, options)
        except RequestFailedError as failed:
            error = failed.error
        raise error  # outside the handler, so that it looks as the client raised it

    async def send(self, method: str, url: URL, variant: Variant, options: dict[str, Any]) -> aiohttp.ClientResponse:
        """Send one request, and keep its variant across redirects.

        Raises:
            RequestFailedError: wraps what the wrapped session raises.
        """
        options = {"max_field_size": MAX_FIELD_SIZE, **options}
        if variant == PLAIN:  # whose redirects the client follows itself
            try:
                return await self.wrapped.request(method, url, **options)
            except Exception as error:
                raise RequestFailedError(error) from error
        follow, most = options.pop("allow_redirects", True), options.pop("max_redirects", 10)
        history: list[aiohttp.ClientResponse] = []
        appended = None
        while True:
            sent_url, sent_options = url, options
            # Whoever sends the first request has asked whether it is covered.
            if not history or self.climber.scope.covers(method, str(url)):
                sent_options = dress(variant, options)
                if variant.cache_bust:
                    busted, appended = self.climber.cache_bust.append(str(url), appended)
                    sent_url = URL(busted, encoded=True)
            try:
                response = await self.wrapped.request(method, sent_url, **{**sent_options, "allow_redirects": False})
                target = response.headers.get("Location") or response.headers.get("URI")
                if not follow or response.status not in _REDIRECTS or not target:
                    return response
                response.release()
                history.append(response)
                if len(history) >= most:
                    raise aiohttp.TooManyRedirects(history[0].request_info, tuple(history))
                url, options = redirected(url, URL(target), options)
            except Exception as error:
                raise RequestFailedError(error) from error


def _unproven(
    seen_as: Observation,
    climb: Climb,
    seen: Observation,
    response: aiohttp.ClientResponse | None,
    failure: Exception | None,
) -> AiohttpPage:
    """Return the result of a first answer that is no evidence, judged by what was `seen` of it."""
    if failure is None and response is not None and climb.accepts(seen):
        return PageResult([seen_as], response)
    if response is not None:
        response.release()
    return PageResult([seen_as], error=failure, is_missing=seen.status == 404)
