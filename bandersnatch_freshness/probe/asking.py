"""Sends the probe's requests through the clients that are here. Errors count as answers too."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from ..core.observations import NO_JSON, Observation, is_document, observe, parse_serial, serial_in_body, serial_in_html
from ..core.variants import LADDER, AcceptEncoding
from ..settings import Settings
from ..transports.aiohttp_session import FreshSession
from ..transports.cache_bust import CacheBust
from . import clients, ways
from .clients import Raw, WayOut
from .diagnosis import Answer, fresh_variants, is_fresh, serial_required, settled
from .problems import problem_of
from .ways import Agent, Client, Method, Page, Way

AT_ONCE = 2

# How many seconds a cache has for fetching the new page, after it has given the old one (stale-while-revalidate).
PAUSE = 2

# What Python's clients send; used until the base line's request shows the real value.
_USUAL_ENCODING = "gzip, deflate"

# The simple index in JSON is about 40 MB, which takes a while on a slow line.
_INDEX_SECONDS = 120

_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress, "": bytes}


@dataclass(frozen=True)
class Target:
    """The server to ask, the User-Agents to send, and the proxy and CA file to use."""

    master: str
    agents: Mapping[Agent, str]
    cache_bust_parameter: str = "cache-bust"
    way_out: WayOut = field(default_factory=WayOut)

    def url(self, way: Way, project: str) -> str:
        """Return the URL of a project's page; a `project` of "" is the index."""
        return self.master.rstrip("/") + way.page.path(project)

    def addresses(self) -> list[str]:
        """Return the host's addresses, each once; none if a proxy resolves the name or it can't be resolved."""
        parts = urlsplit(self.master)
        if self.way_out.proxy:
            return []
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or parts.scheme, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        # getaddrinfo may list the same address several times.
        return list(dict.fromkeys(str(one[4][0]) for one in found))


class _Pinned(AbstractResolver):
    """Resolves every name to one fixed address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        flags = socket.AI_NUMERICHOST
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=flags)]

    async def close(self) -> None:
        pass


class Asker:
    """Requests one project's page, or the index (""), in many ways; an asynchronous context manager."""

    def __init__(
        self,
        target: Target,
        project: str,
        asked: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`asked` is called after each answer; `sleep` waits for so many seconds."""
        self._target = target
        self._project = project
        self._asked = asked
        self._sleep = sleep
        self._cache_bust = CacheBust(target.cache_bust_parameter)
        self._encoding = _USUAL_ENCODING
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._sessions: dict[str, FreshSession] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Return self; sessions are opened when first needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._open.aclose()

    async def announced(self) -> int | None:
        """Return the project's serial in the index, None if that can't be read."""
        way = Way(Page.SIMPLE_JSON, AcceptEncoding.GZIP)
        try:
            url = self._target.url(way, "")
            raw = await self._by_aiohttp(url, way, read=True, seconds=_INDEX_SECONDS)
            projects = json.loads(_decoded(raw))["projects"]
            listed = (one["_last-serial"] for one in projects if canonicalize_name(str(one["name"])) == self._project)
            return parse_serial(str(next(listed, None)))
        except (aiohttp.ClientError, OSError, ValueError, TypeError, LookupError):
            return None

    async def ask_all(self, expected: int | None) -> list[Answer]:
        """Ask in every way and return the answers, in the order of asking."""
        project, base = self._project, ways.base(self._project)
        others = clients.others()
        answers = [await self.ask(base)]
        if _last_states(answers, base, expected)[base] is False:
            await self._sleep(PAUSE)
        answers.append(await self.ask(base))
        singles = ways.one_by_one(project, await asyncio.to_thread(self._target.addresses), others)
        if _nobody_answered(answers):
            answers += await self._ask_each([way for way in singles if way.address or way.client is not base.client])
        if _nobody_answered(answers):
            return answers
        asked = {one.way for one in answers} - {base}
        answers += await self._ask_each([way for way in singles if way not in asked])
        answers += await self._ask_each(ways.together(project, others))
        answers += await self._ask_old_again(answers, expected)
        for way in ways.past_caches(project):
            answers.append(await self.ask(way))
        required_serial = serial_required(answers, expected)
        if required_serial is None:
            return answers
        fresh = fresh_variants(settled(answers, base, required_serial), base, required_serial)
        for way in ways.again(project, fresh[0] if fresh and fresh[0] != base.variant else None):
            answers.append(await self.ask(way))
        return answers

    async def _ask_old_again(self, answers: list[Answer], expected: int | None) -> list[Answer]:
        """Where the base line is fresh by now, ask once more in each way that is not: a cache may revalidate it."""
        base = ways.base(self._project)
        last = _last_states(answers, base, expected)
        old = [way for way, state in last.items() if state is False]
        if not old or not last[base]:
            return []
        await self._sleep(PAUSE)
        return await self._ask_each(old)

    async def _ask_each(self, several: Iterable[Way]) -> list[Answer]:
        return await asyncio.gather(*map(self.ask, several))

    async def ask(self, way: Way) -> Answer:
        """Ask once; an error is returned as an answer."""
        url, read = self._target.url(way, self._project), bool(self._project)
        async with self._at_once:
            started = time.monotonic()
            try:
                if way.client is Client.AIOHTTP:
                    raw = await self._by_aiohttp(url, way, read=read)
                else:
                    if way.cache_bust:
                        url, _ = self._cache_bust.append(url)
                    client = {Client.REQUESTS: clients.by_requests, Client.CURL: clients.by_curl}[way.client]
                    raw = await asyncio.to_thread(client, self._target.way_out, url, self._headers(way), read)
            except Exception as error:  # noqa: BLE001 - whatever a client raises counts as the answer
                observation = Observation(way.variant, problem=problem_of(error))
                return Answer(way, observation, url, self._headers(way), milliseconds=_since(started))
            finally:
                self._asked()
        if way == ways.base(self._project):
            self._encoding = raw.sent.get("Accept-Encoding", self._encoding)
        size = None if raw.body is None else len(raw.body)
        return Answer(way, _observed(way, raw), raw.url, raw.sent, size, _since(started))

    def _headers(self, way: Way) -> dict[str, str]:
        """Return the complete headers, for the clients that add none of their own."""
        encoding = self._encoding if way.accept_encoding is AcceptEncoding.CLIENT else way.accept_encoding.header
        return {
            "Accept": way.page.accept,
            "User-Agent": self._target.agents[way.agent],
            **({} if encoding is None else {"Accept-Encoding": encoding}),
            **({"Cache-Control": "no-cache"} if way.no_cache else {}),
        }

    async def _by_aiohttp(self, url: str, way: Way, *, read: bool, seconds: float | None = None) -> Raw:
        """Ask through the plugins' own transport, so the probe sees what they would see."""
        headers = {"Accept": way.page.accept, "User-Agent": self._target.agents[way.agent]}
        options = {"headers": headers, "timeout": aiohttp.ClientTimeout(total=seconds or clients.SECONDS)}
        if self._target.way_out.proxy:
            options["proxy"] = self._target.way_out.proxy
        session = self._session(way.address)
        if way.method is Method.OPTIONS:
            response = await session.request(way.method.value, url, **options)
        else:
            response = await session.ask(url, way.variant, **options)
        try:
            body = await response.read() if read else None
        finally:
            response.close()
        sent = response.request_info
        return Raw(response.status, response.headers, body, str(sent.url), sent.headers)

    def _session(self, address: str) -> FreshSession:
        if address not in self._sessions:
            trusted = self._target.way_out.ca_file
            connector = aiohttp.TCPConnector(
                force_close=True,  # a new connection may reach a different node
                resolver=_Pinned(address) if address else None,
                ssl=ssl.create_default_context(cafile=trusted) if trusted else True,
            )
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            self._open.push_async_callback(session.close)
            settings = Settings(LADDER, self._target.cache_bust_parameter)
            self._sessions[address] = FreshSession(session, self._target.master, settings)
        return self._sessions[address]


def _observed(way: Way, raw: Raw) -> Observation:
    seen = observe(way.variant, raw.status, raw.headers)
    if way.method is Method.OPTIONS:
        return replace(seen, serial=_serial_of_origin(raw, seen))
    is_html = "html" in raw.headers.get("Content-Type", "").lower()
    if seen.serial is None and raw.status == 200 and is_html and way.page is not Page.SIMPLE_HTML:
        return replace(seen, problem=NO_JSON)
    if seen.serial is not None or raw.status != 200 or not raw.body:
        return seen
    try:
        body = _decoded(raw)
    except (OSError, zlib.error, LookupError):
        return seen
    if way.page is not Page.SIMPLE_HTML and not is_document(body):
        return replace(seen, problem=NO_JSON)
    serial = serial_in_html(body) if way.page is Page.SIMPLE_HTML else serial_in_body(body)
    return seen if serial is None else replace(seen, serial=serial, problem="")


def _serial_of_origin(raw: Raw, seen: Observation) -> int | None:
    """Return the serial in an answer to OPTIONS if that is the page itself, as PyPI's origin gives it."""
    if raw.status != 200:
        return None
    try:
        serial = serial_in_body(_decoded(raw))
    except (OSError, zlib.error, LookupError):
        return None
    return serial if serial == seen.serial else None


def _last_states(answers: Iterable[Answer], base: Way, expected: int | None) -> dict[Way, bool | None]:
    """Return whether the last answer to each way is fresh, None where that is unknown."""
    answers = list(answers)
    required_serial = serial_required(answers, expected)
    if required_serial is None:
        return dict.fromkeys(one.way for one in answers)
    return {one.way: is_fresh(one, required_serial, base) for one in answers}


def _decoded(raw: Raw) -> bytes:
    return _DECODERS[raw.headers.get("Content-Encoding", "").lower()](raw.body or b"")


def _nobody_answered(answers: Iterable[Answer]) -> bool:
    return all(one.observation.status is None for one in answers)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
