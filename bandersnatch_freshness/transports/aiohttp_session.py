"""The transport for aiohttp: a client session whose metadata requests are dressed.

It speaks aiohttp's public interface only, and passes on every option that it was given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine, Generator, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any

import aiohttp
from aiohttp import ClientSession
from multidict import CIMultiDict
from yarl import URL

from ..core.climb import AdaptiveClimber, Climb, PageResult
from ..core.incidents import INDEX
from ..core.ladder import RecheckBudget
from ..core.log_fields import log_fields
from ..core.observations import Observation, observe
from ..core.variants import LADDER, PLAIN, AcceptEncoding, Variant
from ..settings import Settings

log = logging.getLogger("bandersnatch.freshness")

# aiohttp refuses an answer with a header field of more than 8190 bytes. Where that field
# is the serial, such an answer is one to judge, not an error.
_MAX_FIELD_SIZE = 64 * 1024

# So long at most do the other workers wait for the first answer of a run.
_SCOUT_SECONDS = 2

# The copies of the index that are compared: those an edge keeps apart, and what is past it.
INDEX_COPIES = (PLAIN, Variant(AcceptEncoding.ABSENT), Variant(AcceptEncoding.DEFLATE), LADDER[-1])
_MOST_COMPARED = 3

_REDIRECTS = (301, 302, 303, 307, 308)


def is_client_session(session: object) -> bool:
    """Tell whether this is aiohttp's session: by its type, as a mock claims to be anything."""
    return issubclass(type(session), ClientSession)


# What comes of asking for a page.
AiohttpPage = PageResult[aiohttp.ClientResponse]


class _Failed(Exception):  # noqa: N818 - a carrier, never seen outside
    """What the HTTP client raised, kept apart from errors of our own."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class FreshSession:
    """A client session in front of aiohttp's: the same, but for metadata requests."""

    def __init__(
        self, session: ClientSession, master: str, settings: Settings, climber: AdaptiveClimber | None = None
    ) -> None:
        """`master`: the URL whose metadata is the suite's business; `guide`: what earlier sessions were taught."""
        self.wrapped = session
        self.settings = settings
        self.climber = climber or AdaptiveClimber(master, settings.rungs, settings.cache_bust_parameter)
        # What the copies of the index showed when they were compared last.
        self.index: list[Observation] = []
        self._scout: asyncio.Event | None = None

    def __getattr__(self, name: str) -> Any:
        """Be the wrapped session in everything else."""
        return getattr(self.wrapped, name)

    def covers(self, method: str, url: str | URL) -> bool:
        """Tell whether a request is the suite's business."""
        return self.climber.covers(method, str(url))

    def title(self, url: str) -> str:
        """Name what a URL is about: the project, else the path."""
        return self.climber.scope.title(url)

    def step_aside(self) -> None:
        """Leave every later request as it is, because of the error being handled."""
        self.climber.step_aside()

    def get(self, url: str | URL, **options: Any) -> Any:
        """GET as `aiohttp.ClientSession.get` does, dressed where it asks for metadata."""
        return self.request("GET", url, **options)

    def head(self, url: str | URL, **options: Any) -> Any:
        """HEAD as `aiohttp.ClientSession.head` does, dressed likewise."""
        return self.request("HEAD", url, **{"allow_redirects": False, **options})

    def request(self, method: str, url: str | URL, **options: Any) -> Any:
        """Request as `aiohttp.ClientSession.request` does, dressed likewise.

        Where the suite guards, the simple index comes from the copy with the highest serial.
        """
        try:
            sending = self._sending(method, url, options)
        except Exception:  # noqa: BLE001 - fail open; it is logged
            self.step_aside()
            sending = None
        if sending is None:
            return self.wrapped.request(method, url, **options)
        return _Request(self._failing_open(sending, method, url, options))

    def _sending(
        self, method: str, url: str | URL, options: dict[str, Any]
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse] | None:
        """Return what sends a request in another way than the wrapped session; None where nothing differs."""
        if not self.covers(method, url):
            return None
        if self.settings.guards and method == "GET" and self.climber.scope.is_index(str(url)):
            return self._freshest(URL(url), options)
        variant = self.climber.ladder.start
        return None if variant == PLAIN else self._request(method, URL(url), variant, options)

    async def fetch(
        self, url: str, required_serial: int, budget: RecheckBudget | None = None, **options: Any
    ) -> AiohttpPage:
        """GET a page that must carry at least the required serial, climbing if it doesn't.

        The response of the outcome is open, and the caller's to close.
        """
        first = await self._first()
        try:
            climb = self.climber.climb(url, required_serial, budget)
            outcome = await self._climb(climb, options)
        finally:
            if first is not None:
                first.set()
        self.climber.learn(climb)
        return outcome

    async def _climb(self, climb: Climb, options: dict[str, Any]) -> AiohttpPage:
        error: Exception | None = None
        while (way := climb.way) is not None:
            seen, answer = await self._ask(climb, way, options)
            climb.saw(seen)
            if climb.error is None:
                error = None
            elif climb.error is seen and isinstance(answer, Exception):
                error = answer
            if isinstance(answer, Exception):
                continue
            if climb.is_fresh:
                return PageResult(climb.observations, answer)
            answer.release()
        return PageResult(climb.observations, error=error)

    async def _ask(
        self, climb: Climb, way: Variant, options: dict[str, Any]
    ) -> tuple[Observation, aiohttp.ClientResponse | Exception]:
        """Ask once: return what the answer shows, and that, or an error."""
        try:
            response = await self._request("GET", URL(climb.url), way, options)
            try:
                if response.status >= 400:
                    with _failures():
                        response.raise_for_status()  # for sessions that don't by themselves
                seen = climb.look(way, response.status, response.headers)
                if seen.serial is None and seen.status == 200:
                    seen = await self._read_serial(response, seen)
                return seen, response
            except BaseException:
                response.close()
                raise
        except _Failed as failed:
            error = failed.error
            if isinstance(error, aiohttp.ClientResponseError):
                return observe(way, error.status, error.headers or {}), error
            return Observation(way, problem=type(error).__name__), error

    async def _read_serial(self, response: aiohttp.ClientResponse, seen: Observation) -> Observation:
        """Look into the body, where the header is no help."""
        with _failures():
            body = await response.read()
        return self.climber.read_body(seen, body)

    async def _freshest(self, url: URL, options: dict[str, Any]) -> aiohttp.ClientResponse:
        """GET a page of which no serial is required from the copy with the highest one.

        The copies are compared by what the headers say, before anything of a body is read.
        """
        response = await self._request("GET", url, self.climber.ladder.start, options)
        first = observe(self.climber.ladder.start, response.status, response.headers)
        seen = self.index = [first]
        try:
            # Past a redirect, which would cost each of them a request more; but not to another host.
            there = url if first.variant.cache_bust else response.url
            if self.covers("GET", there):
                await self._compare(there, options, seen)
            if response.content.exception() is not None:  # a small body's connection, used for a peek that broke
                response.close()
                response = await self._request("GET", url, self.climber.ladder.start, options)
            newer = [one for one in seen if (one.serial or -1) > (first.serial or -1)]
            for one in sorted(newer, key=lambda one: one.serial or -1, reverse=True):
                found = await self._newer(there, one.variant, first.serial, options)
                if found is not None:
                    response.close()
                    response = found
                    log.info(
                        "The index was stale, taken by %s: %s",
                        *(one.variant, ", ".join(map(str, seen))),
                        extra=log_fields(project=INDEX, got_serial=one.serial, variant=str(one.variant)),
                    )
                    break
        except BaseException:
            response.close()
            raise
        return response

    async def _compare(self, url: URL, options: dict[str, Any], seen: list[Observation]) -> None:
        """Look at further copies of the index, and add what they show."""
        method = "HEAD"
        for variant in [one for one in INDEX_COPIES if one in self.settings.rungs and one != seen[0].variant]:
            if len(seen) > _MOST_COMPARED:
                break
            seen.append(await self._peek(method, url, variant, options))
            if seen[-1].status is None:
                break  # a broken connection or a time-out: other copies fare no better
            if seen[-1].serial is None:
                method = "GET"  # this server does not answer HEAD rightly
        if len(seen) > 1 and all(one.serial is None for one in seen):
            self.climber.say_once(
                "No copy of the index has a serial in its header: which one is the freshest can't be told, "
                "only that of the one taken, by its body"
            )

    async def _newer(
        self, url: URL, variant: Variant, than: int | None, options: dict[str, Any]
    ) -> aiohttp.ClientResponse | None:
        """GET a copy that was seen to be newer; None where that is not to be had: another node may answer."""
        try:
            response = await self._request("GET", url, variant, options)
        except _Failed:
            return None
        found = observe(variant, response.status, response.headers)
        self.index.append(found)
        if (found.serial or -1) > (than or -1):
            return response
        response.close()
        return None

    async def _peek(self, method: str, url: URL, variant: Variant, options: dict[str, Any]) -> Observation:
        """Look at the headers of one copy; of a body nothing is read."""
        try:
            response = await self._request(method, url, variant, {**options, "allow_redirects": True})
        except _Failed as failed:
            status = getattr(failed.error, "status", None)
            return Observation(variant, status, problem=type(failed.error).__name__)
        if method == "HEAD":
            response.release()
        else:
            response.close()
        return observe(variant, response.status, response.headers)

    async def _failing_open(
        self, sending: Awaitable[aiohttp.ClientResponse], method: str, url: str | URL, options: dict[str, Any]
    ) -> aiohttp.ClientResponse:
        """Send a request that nothing is required of."""
        try:
            return await sending
        except _Failed as failed:
            error = failed.error
        except Exception:  # noqa: BLE001 - fail open; it is logged
            self.step_aside()
            return await self.wrapped.request(method, url, **options)
        raise error  # outside of the handler, so that it looks as the client raised it

    async def ask(self, url: str, variant: Variant, **options: Any) -> aiohttp.ClientResponse:
        """GET once, dressed in a variant that is given; what is learned elsewhere plays no part.

        Raises:
            Exception: what the wrapped session raises.
        """
        try:
            return await self._request("GET", URL(url), variant, options)
        except _Failed as failed:
            error = failed.error
        raise error  # outside of the handler, so that it looks as the client raised it

    def _request(
        self, method: str, url: URL, variant: Variant, options: dict[str, Any]
    ) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
        """Send one request, and keep the variant through redirects."""
        options = {"max_field_size": _MAX_FIELD_SIZE, **options}
        if variant == PLAIN:
            return self._send(method, url, options)
        return self._send_dressed(method, url, variant, options)

    async def _send_dressed(
        self, method: str, url: URL, variant: Variant, options: dict[str, Any]
    ) -> aiohttp.ClientResponse:
        follow = options.pop("allow_redirects", True)
        most = options.pop("max_redirects", 10)
        history: list[aiohttp.ClientResponse] = []
        appended = None
        while True:
            sent_url, sent_options = url, options
            if self.climber.scope.covers(method, str(url)):
                sent_options = _dress(variant, options)
                if variant.cache_bust:
                    busted, appended = self.climber.cache_bust.append(str(url), appended)
                    sent_url = URL(busted, encoded=True)
            response = await self._send(method, sent_url, {**sent_options, "allow_redirects": False})
            target = response.headers.get("Location") or response.headers.get("URI")
            if not follow or response.status not in _REDIRECTS or not target:
                return response
            response.release()
            history.append(response)
            if len(history) >= most:
                raise _Failed(aiohttp.TooManyRedirects(history[0].request_info, tuple(history)))
            with _failures():
                url, options = _redirected(url, URL(target), options)

    async def _send(self, method: str, url: URL, options: dict[str, Any]) -> aiohttp.ClientResponse:
        try:
            return await self.wrapped.request(method, url, **options)
        except Exception as error:
            raise _Failed(error) from error

    async def _first(self) -> asyncio.Event | None:
        """Let the first page of a run be asked for alone: return what to set when that is through.

        What it teaches spares every other worker a stale answer of its own. Only the
        very first is waited for, whatever becomes of it, and not for long.
        """
        if self._scout is None and len(self.settings.rungs) > 1:
            self._scout = asyncio.Event()
            return self._scout
        if self._scout is not None and not self._scout.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_SCOUT_SECONDS):
                    await self._scout.wait()
        return None


class _Request(Awaitable[aiohttp.ClientResponse]):
    """What aiohttp returns from `session.get()`: to be awaited, or entered."""

    def __init__(self, sending: Coroutine[Any, Any, aiohttp.ClientResponse]) -> None:
        self._sending = sending

    def __await__(self) -> Generator[Any, Any, aiohttp.ClientResponse]:
        return self._sending.__await__()

    async def __aenter__(self) -> aiohttp.ClientResponse:
        self._response = await self._sending
        return await self._response.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._response.__aexit__(kind, error, traceback)


@contextmanager
def _failures() -> Iterator[None]:
    """Mark what the HTTP client raises."""
    try:
        yield
    except Exception as error:
        raise _Failed(error) from error


def _dress(variant: Variant, options: dict[str, Any]) -> dict[str, Any]:
    headers = CIMultiDict(options.get("headers") or {})
    skip = set(options.get("skip_auto_headers") or ())
    if variant.accept_encoding is not AcceptEncoding.CLIENT:
        headers.popall("Accept-Encoding", None)
        skip.add("Accept-Encoding")  # or aiohttp puts its own back
    if variant.accept_encoding.header is not None:
        headers["Accept-Encoding"] = variant.accept_encoding.header
    if variant.no_cache:
        headers["Cache-Control"] = "no-cache"
    return {**options, "headers": headers, "skip_auto_headers": skip}


def _redirected(url: URL, target: URL, options: dict[str, Any]) -> tuple[URL, dict[str, Any]]:
    """Return where a redirect leads and with which options, as aiohttp follows one."""
    options = {name: value for name, value in options.items() if name != "params"}
    target = url.join(target)
    if target.origin() == url.origin():
        if target.user is None:
            target = target.with_user(url.user).with_password(url.password)
        return target, options
    options.pop("auth", None)
    headers = CIMultiDict(options.get("headers") or {})
    for name in ("Authorization", "Cookie", "Proxy-Authorization"):
        headers.popall(name, None)
    return target, {**options, "headers": headers}
