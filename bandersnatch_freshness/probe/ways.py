"""Ways of asking: a base line, single differences from it, then useful combinations. No I/O."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from ..core.variants import LADDER, PLAIN, AcceptEncoding, Variant

# At most this many of a host's addresses are asked; a CDN has only a few.
ADDRESSES = 4


class Client(enum.Enum):
    """The HTTP client; all of them use HTTP/1.1."""

    AIOHTTP = "aiohttp"  # Bandersnatch since 4.0
    REQUESTS = "requests"  # Bandersnatch before 4.0, and pip
    CURL = "curl"


class Agent(enum.Enum):
    """Whose User-Agent a request carries. PyPI asks mirrors to say who they are: one way alone has another."""

    BANDERSNATCH = "bandersnatch"
    CURL = "curl"


class Method(enum.Enum):
    """The HTTP method. No cache keeps the answer to OPTIONS (RFC 9110, 9.3.7): PyPI's origin answers with the page."""

    GET = "GET"
    OPTIONS = "OPTIONS"


class Page(enum.Enum):
    """The kind of page."""

    JSON_API = "JSON API"
    SIMPLE_JSON = "simple page in JSON"
    SIMPLE_HTML = "simple page in HTML"

    @property
    def accept(self) -> str:
        """The Accept header, as Bandersnatch and pip send it."""
        return {Page.SIMPLE_JSON: "application/vnd.pypi.simple.v1+json", Page.SIMPLE_HTML: "text/html"}.get(self, "*/*")

    def path(self, project: str) -> str:
        """Return the path of a project's page; "" is the index."""
        if self is Page.JSON_API:
            return f"/pypi/{project}/json"
        return f"/simple/{project}/" if project else "/simple/"


@dataclass(frozen=True)
class Way:
    """One way to ask; if `address` is "", the resolver chooses.

    `AcceptEncoding.CLIENT` means the base line's header whichever client asks, so that
    changing the client is one difference and not two.
    """

    page: Page
    accept_encoding: AcceptEncoding = AcceptEncoding.CLIENT
    cache_bust: bool = False
    no_cache: bool = False
    client: Client = Client.AIOHTTP
    agent: Agent = Agent.BANDERSNATCH
    address: str = ""
    method: Method = Method.GET

    @property
    def passes_caches(self) -> bool:
        """Whether it is meant to bypass caches instead of selecting one of their copies."""
        return self.cache_bust or self.no_cache or self.method is Method.OPTIONS

    @property
    def variant(self) -> Variant:
        """The plugins' variant for this way."""
        return Variant(self.accept_encoding, self.cache_bust, self.no_cache)

    def dressed(self, variant: Variant) -> Way:
        """Return this way with another variant."""
        return replace(
            self,
            accept_encoding=variant.accept_encoding,
            cache_bust=variant.cache_bust,
            no_cache=variant.no_cache,
        )

    def differences(self, base: Way) -> tuple[str, ...]:
        """Return the names of the fields that differ from the base line."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) != getattr(base, one.name))

    def describe(self, base: Way) -> str:
        """Say what differs from the base line, in HTTP's own words; "" if nothing does."""
        return " + ".join(_WORDS[name](self) for name in self.differences(base))


def _encoding(way: Way) -> str:
    shown = {
        AcceptEncoding.CLIENT: "Accept-Encoding: the client's",
        AcceptEncoding.ABSENT: "no Accept-Encoding",
        AcceptEncoding.EMPTY: "empty Accept-Encoding",
    }
    return shown.get(way.accept_encoding, f"Accept-Encoding: {way.accept_encoding.value}")


_WORDS: Mapping[str, Callable[[Way], str]] = {
    "page": lambda way: way.page.value,
    "accept_encoding": _encoding,
    "cache_bust": lambda _: "cache-bust",
    "no_cache": lambda _: "Cache-Control: no-cache",
    "client": lambda way: f"client {way.client.value}",
    "agent": lambda way: f"User-Agent: {way.agent.value}",
    "address": lambda way: f"address {way.address}",
    "method": lambda way: way.method.value,
}

# The name of each difference in a sentence.
FACTORS: Mapping[str, str] = {
    "accept_encoding": "the Accept-Encoding",
    "cache_bust": "the cache-bust parameter",
    "no_cache": "Cache-Control: no-cache",
    "client": "the client",
    "agent": "the User-Agent",
    "page": "which page is asked for",
    "address": "which address of the host answers",
    "method": "the method",
}


def base(project: str) -> Way:
    """Return the base line: how Bandersnatch asks without the plugins."""
    return Way(Page.JSON_API if project else Page.SIMPLE_JSON)


def one_by_one(project: str, addresses: Sequence[str], clients: Collection[Client] = ()) -> list[Way]:
    """Return the ways with one difference, except those that may change what a cache holds.

    `clients` are those that are here, beside the plugins' own.
    """
    line = base(project)
    encodings = [one for one in AcceptEncoding if one is not AcceptEncoding.CLIENT]
    return [
        *(replace(line, client=client) for client in clients),
        *(replace(line, accept_encoding=encoding) for encoding in encodings),
        replace(line, agent=Agent.CURL),
        *(replace(line, page=page) for page in (Page.SIMPLE_JSON, Page.SIMPLE_HTML) if page is not line.page),
        *(replace(line, address=address) for address in addresses[:ADDRESSES] if len(addresses) > 1),
    ]


def together(project: str, clients: Collection[Client] = ()) -> list[Way]:
    """Return what people try by hand, without Accept-Encoding, then the base line again."""
    line = base(project)
    absent = AcceptEncoding.ABSENT
    return [
        *([replace(line, client=Client.CURL, accept_encoding=absent)] if Client.CURL in clients else []),
        *(
            replace(line, page=page, accept_encoding=absent)
            for page in (Page.SIMPLE_JSON, Page.SIMPLE_HTML)
            if page is not line.page
        ),
        line,
    ]


def past_caches(project: str) -> list[Way]:
    """Return what bypasses caches, those that change a cache least first: OPTIONS, and the rest of the plugins' ladder.

    The index is never asked for by OPTIONS: at PyPI it would be made anew for each request.
    """
    line = base(project)
    asked = {PLAIN, *(way.variant for way in one_by_one(project, ()))}
    rest = (line.dressed(variant) for variant in LADDER if variant not in asked)
    by_options = [replace(line, method=Method.OPTIONS)] if project else []
    return [*by_options, *sorted(rest, key=lambda way: way.no_cache)]


def again(project: str, cure: Variant | None) -> list[Way]:
    """Return the last requests: the cure once more, then the base line, which the cure may have refreshed."""
    line = base(project)
    return [line.dressed(cure), line] if cure else []
