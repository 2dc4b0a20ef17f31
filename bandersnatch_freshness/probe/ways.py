"""The ways of asking: a base line, one difference at a time, then what matters together. No I/O."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from ..core.variants import LADDER, PLAIN, AcceptEncoding, Variant

# So many of a host's addresses are asked: a CDN has a few.
ADDRESSES = 4


class Client(enum.Enum):
    """The program that asks, all of them with HTTP/1.1."""

    AIOHTTP = "aiohttp"  # as Bandersnatch since 4.0
    REQUESTS = "requests"  # as Bandersnatch before, and pip
    CURL = "curl"


class Agent(enum.Enum):
    """Whose User-Agent a request carries."""

    BANDERSNATCH = "bandersnatch"
    REQUESTS = "python-requests"
    CURL = "curl"


class Page(enum.Enum):
    """What is asked for."""

    JSON_API = "JSON API"
    SIMPLE_JSON = "simple page in JSON"
    SIMPLE_HTML = "simple page in HTML"

    @property
    def accept(self) -> str:
        """The Accept header, as Bandersnatch and pip send it."""
        return {Page.SIMPLE_JSON: "application/vnd.pypi.simple.v1+json", Page.SIMPLE_HTML: "text/html"}.get(self, "*/*")

    def path(self, project: str) -> str:
        """Return the path for a project; "" is the index."""
        if self is Page.JSON_API:
            return f"/pypi/{project}/json"
        return f"/simple/{project}/" if project else "/simple/"


@dataclass(frozen=True)
class Way:
    """One way to ask; an `address` of "" leaves the choice to the resolver.

    A variant with the client's own Accept-Encoding has that of the base line, whichever
    client asks: that is one difference, not two.
    """

    page: Page
    accept_encoding: AcceptEncoding = AcceptEncoding.CLIENT
    cache_bust: bool = False
    no_cache: bool = False
    client: Client = Client.AIOHTTP
    agent: Agent = Agent.BANDERSNATCH
    address: str = ""

    @property
    def variant(self) -> Variant:
        """How the request is dressed, in the words of the plugins."""
        return Variant(self.accept_encoding, self.cache_bust, self.no_cache)

    def dressed(self, variant: Variant) -> Way:
        """Return the way with another variant."""
        return replace(
            self,
            accept_encoding=variant.accept_encoding,
            cache_bust=variant.cache_bust,
            no_cache=variant.no_cache,
        )

    def differences(self, base: Way) -> tuple[str, ...]:
        """Return the names of the fields in which this differs."""
        return tuple(one.name for one in fields(self) if getattr(self, one.name) != getattr(base, one.name))

    def describe(self, base: Way) -> str:
        """Say what differs, in the words of HTTP; "" where nothing does."""
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
}

# What a difference is called in a sentence.
FACTORS: Mapping[str, str] = {
    "accept_encoding": "the Accept-Encoding",
    "cache_bust": "the cache-bust parameter",
    "no_cache": "Cache-Control: no-cache",
    "client": "the client",
    "agent": "the User-Agent",
    "page": "which page is asked for",
    "address": "which address of the host answers",
}


def base(project: str) -> Way:
    """Return the base line: as Bandersnatch asks, without the plugins."""
    return Way(Page.JSON_API if project else Page.SIMPLE_JSON)


def first(project: str) -> list[Way]:
    """Return the base line twice: where that differs, answers are a matter of luck."""
    return [base(project)] * 2


def one_by_one(project: str, addresses: Sequence[str], *, curl: bool) -> list[Way]:
    """Return the ways with one difference, but for those that could change what a cache holds."""
    line = base(project)
    encodings = [one for one in AcceptEncoding if one is not AcceptEncoding.CLIENT]
    clients = [Client.REQUESTS, *([Client.CURL] if curl else [])]
    return [
        *(replace(line, client=client) for client in clients),
        *(replace(line, accept_encoding=encoding) for encoding in encodings),
        *(replace(line, agent=agent) for agent in (Agent.CURL, Agent.REQUESTS)),
        *(replace(line, page=page) for page in (Page.SIMPLE_JSON, Page.SIMPLE_HTML) if page is not line.page),
        *(replace(line, address=address) for address in addresses[:ADDRESSES] if len(addresses) > 1),
    ]


def together(project: str, *, curl: bool) -> list[Way]:
    """Return what people try by hand, and the base line again."""
    line = base(project)
    absent = AcceptEncoding.ABSENT
    return [
        *([replace(line, client=Client.CURL, agent=Agent.CURL, accept_encoding=absent)] if curl else []),
        replace(line, client=Client.REQUESTS, agent=Agent.REQUESTS),
        *(
            replace(line, page=page, accept_encoding=absent)
            for page in (Page.SIMPLE_JSON, Page.SIMPLE_HTML)
            if page is not line.page
        ),
        line,
    ]


def past_caches(project: str) -> list[Way]:
    """Return the rest of the plugins' ladder, which asks the origin, from what changes least in a cache on."""
    line = base(project)
    asked = {PLAIN, *(way.variant for way in one_by_one(project, (), curl=False))}
    return sorted(
        (line.dressed(variant) for variant in LADDER if variant not in asked), key=lambda way: way.variant.no_cache
    )


def again(project: str, cure: Variant | None) -> list[Way]:
    """Return what is asked in the end: the cure once more, and the base line, which that may have changed."""
    line = base(project)
    return [line.dressed(cure), line] if cure else []
