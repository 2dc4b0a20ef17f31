"""Asking: the questions on their way, through three clients. Errors are answers too."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from email.parser import BytesHeaderParser
from email.policy import HTTP
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import requests
from aiohttp.abc import AbstractResolver, ResolveResult
from packaging.utils import canonicalize_name
from urllib3.exceptions import HTTPError
from urllib3.util import SKIP_HEADER

from ..cache_bust import CacheBust
from ..observations import Observation, observe
from ..options import Settings
from ..serials import parse_serial, serial_in_body, serial_in_html
from ..transports.aiohttp_session import FreshSession
from ..variants import LADDER, AcceptEncoding
from . import ways
from .diagnosis import Answer, fresh_variants, required_serial
from .ways import Agent, Client, Page, Way

SECONDS = 10
AT_ONCE = 2

# What Python's clients send, where no answer to the base line tells.
_USUAL_ENCODING = "gzip, deflate"

# A simple index in JSON has some 40 MB, which takes a while on a slow line.
_INDEX_SECONDS = 120

_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "deflate": zlib.decompress, "": bytes}

# curl's exit codes (curl(1), EXIT CODES)
_CURL_PROBLEMS = {
    5: "proxy: name not found",
    6: "name not found",
    7: "connection refused",
    18: "connection broken",
    28: "time-out",
    35: "TLS: handshake failed",
    52: "connection broken",
    56: "connection broken",
    60: "TLS: certificate verify failed",
    97: "proxy: refused",
}


@dataclass(frozen=True)
class Target:
    """Whom to ask, and by which way out: `proxy` and `ca_file` are "" where there is none of their own."""

    master: str
    agents: Mapping[Agent, str]
    cache_bust_parameter: str = "cache-bust"
    proxy: str = ""
    ca_file: str = ""

    def url(self, way: Way, project: str) -> str:
        """Return the URL of a page; "" is the index."""
        return self.master.rstrip("/") + way.page.path(project)

    def addresses(self) -> list[str]:
        """Return the addresses of the host; none where a proxy looks it up, or where the name is none.

        Every name has several ways to be said; each address is named once.
        """
        parts = urlsplit(self.master)
        if self.proxy:
            return []
        try:
            found = socket.getaddrinfo(parts.hostname, parts.port or parts.scheme, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return []
        return list(dict.fromkeys(str(one[4][0]) for one in found))


def proxy_for(url: str) -> str:
    """Return the proxy that the environment has for a URL, "" where it has none."""
    parts, known = urlsplit(url), getproxies()
    if proxy_bypass(parts.hostname or ""):
        return ""
    return known.get(parts.scheme) or known.get("all") or ""


@contextmanager
def trusted_authorities() -> Iterator[str]:
    """Give a file of what the environment has requests, curl and OpenSSL trust, for all of them; "" where nothing.

    Bandersnatch's client goes by SSL_CERT_FILE alone, requests by the others alone.
    """
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    files = list(dict.fromkeys(os.environ[name] for name in names if os.path.isfile(os.environ.get(name, ""))))
    if len(files) < 2:
        yield "".join(files)
        return
    with tempfile.NamedTemporaryFile("wb", prefix="freshness-ca-", suffix=".pem") as bundle:
        for file in files:
            bundle.write(Path(file).read_bytes() + b"\n")
        bundle.flush()
        yield bundle.name


class Raw(NamedTuple):
    """An answer as a client has it: the body as it travelled, None where it was not read."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    url: str
    sent: Mapping[str, str]


class Asker:
    """Asks for the page of one project, or for the index (""); an asynchronous context manager."""

    def __init__(self, target: Target, project: str, asked: Callable[[], None] = lambda: None) -> None:
        """`asked` is called after each answer."""
        self._target = target
        self._project = project
        self._asked = asked
        self._cache_bust = CacheBust(target.cache_bust_parameter)
        self._encoding = _USUAL_ENCODING
        self._at_once = asyncio.Semaphore(AT_ONCE)
        self._sessions: dict[str, FreshSession] = {}
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open nothing yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        await self._open.aclose()

    async def announced(self) -> int | None:
        """Return the serial that the index announces of the project, None where it can't be had."""
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
        """Ask in all ways, and return what came, in that order."""
        project, base = self._project, ways.base(self._project)
        curl = shutil.which("curl") is not None
        answers = [await self.ask(way) for way in ways.first(project)]
        singles = ways.one_by_one(project, await asyncio.to_thread(self._target.addresses), curl=curl)
        if _nobody_answered(answers):
            answers += await self._ask_each([way for way in singles if way.address or way.client is not base.client])
        if _nobody_answered(answers):
            return answers
        asked = {one.way for one in answers} - {base}
        answers += await self._ask_each([way for way in singles if way not in asked])
        answers += await self._ask_each(ways.together(project, curl=curl))
        for way in ways.past_caches(project):
            answers.append(await self.ask(way))
        required = required_serial(answers, expected)
        fresh = fresh_variants(answers, base, required) if required is not None else ()
        for way in ways.again(project, fresh[0] if fresh and fresh[0] != base.variant else None):
            answers.append(await self.ask(way))
        return answers

    async def _ask_each(self, several: Iterable[Way]) -> list[Answer]:
        return await asyncio.gather(*map(self.ask, several))

    async def ask(self, way: Way) -> Answer:
        """Ask once; what goes wrong is an answer too."""
        url, read = self._target.url(way, self._project), bool(self._project)
        async with self._at_once:
            started = time.monotonic()
            try:
                if way.client is Client.AIOHTTP:
                    raw = await self._by_aiohttp(url, way, read=read)
                else:
                    if way.cache_bust:
                        url, _ = self._cache_bust.append(url)
                    client = {Client.REQUESTS: by_requests, Client.CURL: by_curl}[way.client]
                    raw = await asyncio.to_thread(client, self._target, url, self._headers(way), read)
            except Exception as error:  # noqa: BLE001 - whatever a client raises is the answer
                observation = Observation(way.variant, problem=problem_of(error))
                return Answer(way, observation, url, self._headers(way), milliseconds=_since(started))
            finally:
                self._asked()
        if way == ways.base(self._project):
            self._encoding = raw.sent.get("Accept-Encoding", self._encoding)
        size = None if raw.body is None else len(raw.body)
        return Answer(way, _observed(way, raw), raw.url, raw.sent, size, _since(started))

    def _headers(self, way: Way) -> dict[str, str]:
        """Return the headers of a request, for clients that add none of their own to these."""
        encoding = self._encoding if way.accept_encoding is AcceptEncoding.CLIENT else way.accept_encoding.header
        return {
            "Accept": way.page.accept,
            "User-Agent": self._target.agents[way.agent],
            **({} if encoding is None else {"Accept-Encoding": encoding}),
            **({"Cache-Control": "no-cache"} if way.no_cache else {}),
        }

    async def _by_aiohttp(self, url: str, way: Way, *, read: bool, seconds: float = SECONDS) -> Raw:
        """Ask as the plugins do, by what they do it with."""
        headers = {"Accept": way.page.accept, "User-Agent": self._target.agents[way.agent]}
        options = {"headers": headers, "timeout": aiohttp.ClientTimeout(total=seconds)}
        if self._target.proxy:
            options["proxy"] = self._target.proxy
        response = await self._session(way.address).ask(url, way.variant, **options)
        try:
            body = await response.read() if read else None
        finally:
            response.close()
        sent = response.request_info
        return Raw(response.status, response.headers, body, str(sent.url), sent.headers)

    def _session(self, address: str) -> FreshSession:
        if address not in self._sessions:
            trusted = self._target.ca_file
            connector = aiohttp.TCPConnector(
                force_close=True,  # each request may meet another node
                resolver=_Pinned(address) if address else None,
                ssl=ssl.create_default_context(cafile=trusted) if trusted else True,
            )
            session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
            self._open.push_async_callback(session.close)
            settings = Settings(LADDER, self._target.cache_bust_parameter)
            self._sessions[address] = FreshSession(session, self._target.master, settings)
        return self._sessions[address]


class _Pinned(AbstractResolver):
    """Resolves every name to one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        flags = socket.AI_NUMERICHOST
        return [ResolveResult(hostname=host, host=self._address, port=port, family=family, proto=0, flags=flags)]

    async def close(self) -> None:
        pass


def by_requests(target: Target, url: str, headers: Mapping[str, str], read: bool) -> Raw:
    """Ask by `requests`.

    Raises:
        requests.RequestException: as it does.
    """
    with requests.Session() as session:
        session.trust_env = False  # proxy and CA bundle are given
        if target.proxy:
            session.proxies = {"http": target.proxy, "https": target.proxy}
        # A header that is just left out is added by http.client, one of None too.
        sent = {"Accept-Encoding": SKIP_HEADER, **headers}
        verify = target.ca_file or True
        with session.get(url, headers=sent, timeout=SECONDS, verify=verify, stream=True) as response:
            body = response.raw.read(decode_content=False) if read else None
            went_out = response.request.headers.items()
            return Raw(
                response.status_code,
                response.headers,
                body,
                str(response.request.url),
                {name: str(value) for name, value in went_out if value != SKIP_HEADER},
            )


class CurlError(Exception):
    """curl ended with an exit code, which is its only argument."""


def by_curl(target: Target, url: str, headers: Mapping[str, str], read: bool) -> Raw:
    """Ask by the command `curl`.

    Raises:
        CurlError: where it fails.
    """
    command = ["curl", "--config", "-", "--max-time", str(SECONDS), *curl_arguments(headers)]
    # What may be secret is in no argument, where any user of the machine reads it.
    quiet = ["silent", "include", "suppress-connect-headers", "location", "max-redirs = 10"]
    settings = [*quiet, _curl_setting("url", url), _curl_setting("proxy", target.proxy)]
    if target.ca_file:
        settings.append(_curl_setting("cacert", target.ca_file))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as curl:
        assert curl.stdin  # noqa: S101 - they are pipes
        assert curl.stdout  # noqa: S101
        curl.stdin.write("\n".join(settings).encode())
        curl.stdin.close()
        status, found = 0, BytesHeaderParser(policy=HTTP).parsebytes(b"")
        while first := curl.stdout.readline():
            status = int(first.split()[1])
            found = BytesHeaderParser(policy=HTTP).parsebytes(b"".join(iter(curl.stdout.readline, b"\r\n")))
            if not (status < 200 or (300 <= status < 400 and "Location" in found)):
                break
        body = curl.stdout.read() if read else None
        if not read:
            curl.terminate()
    if curl.returncode and (read or not status):
        raise CurlError(curl.returncode)
    received = requests.structures.CaseInsensitiveDict({name: str(value) for name, value in found.items()})
    return Raw(status, received, body, url, headers)


def _curl_setting(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name} = "{escaped}"'


def curl_arguments(headers: Mapping[str, str]) -> Iterator[str]:
    """Return curl's arguments for a request with just these headers, HTTP/1.1."""
    yield "--http1.1"
    for name, value in headers.items():
        if name.lower() == "user-agent":
            yield from ("--user-agent", value)
        else:
            yield from ("--header", f"{name}: {value}" if value else f"{name};")


def problem_of(error: BaseException) -> str:
    """Say in a few words what went wrong; of an error's own text nothing, for the secrets that may be in it."""
    if isinstance(error, CurlError):
        return _CURL_PROBLEMS.get(error.args[0], f"curl exit code {error.args[0]}")
    causes = list(_causes(error))
    by_proxy = any(
        isinstance(
            one, (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError, requests.exceptions.ProxyError)
        )
        for one in causes
    )
    return ("proxy: " if by_proxy else "") + _problem(causes)


def _problem(causes: Sequence[BaseException]) -> str:
    failed = [one for one in causes if isinstance(one, ssl.SSLError)]
    if failed:
        # aiohttp's own has the type, and none of the attributes
        said = (getattr(one, name, None) for name in ("verify_message", "reason") for one in failed)
        return f"TLS: {next(filter(None, said), 'handshake failed')}"
    for kinds, words in (
        ((socket.gaierror,), "name not found"),
        ((TimeoutError, requests.Timeout), "time-out"),
        ((ConnectionRefusedError,), "connection refused"),
        (
            (ConnectionError, HTTPException, HTTPError, aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError),
            "connection broken",
        ),
    ):
        if any(isinstance(one, kinds) for one in causes):
            return words
    status = next((one.status for one in causes if isinstance(one, aiohttp.ClientResponseError)), 0)
    return f"status {status}" if status else type(causes[0]).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Return an error and what is behind it, by whichever attribute a library keeps that in."""
    seen: list[Any] = []
    waiting: list[Any] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in seen:
            continue
        seen.append(one)
        yield one
        behind = (getattr(one, name, None) for name in ("__cause__", "__context__", "reason", "os_error"))
        waiting += [*behind, *one.args]


def _observed(way: Way, raw: Raw) -> Observation:
    seen = observe(way.variant, raw.status, raw.headers)
    if seen.serial is not None or raw.status != 200 or not raw.body:
        return seen
    try:
        body = _decoded(raw)
    except (OSError, zlib.error, LookupError):
        return seen
    serial = serial_in_html(body) if way.page is Page.SIMPLE_HTML else serial_in_body(body)
    return seen if serial is None else replace(seen, serial=serial, problem="")


def _decoded(raw: Raw) -> bytes:
    return _DECODERS[raw.headers.get("Content-Encoding", "").lower()](raw.body or b"")


def _nobody_answered(answers: Iterable[Answer]) -> bool:
    return all(one.observation.status is None for one in answers)


def _since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
