"""The faults: what each does to an answer, while it lasts. No I/O and no chance of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from .world import Page, World

COPIES = ("gzip", "deflate", "identity")

# A serial that PyPI will not reach.
NONSENSE = 10**9


class Fault(NamedTuple):
    """A fault from `begin` up to `end`, in seconds since 1970, of these copies at these edges.

    `names` are projects; a fault of the index or of all answers has none, but where the index lies about some.
    `number` is for what differs between faults of one kind.
    """

    kind: str
    begin: int
    end: int
    names: frozenset[str] = frozenset()
    copies: frozenset[str] = frozenset(COPIES)
    edges: frozenset[str] = frozenset("ab")
    number: int = 0


@dataclass(frozen=True)
class Shown:
    """What is shown of a page: maybe not what the origin has. A header of None is left out."""

    page: Page
    header: str | None
    body: int | None
    is_hit: bool = False

    @property
    def claims(self) -> int:
        """The serial in its header, 0 if there is none."""
        return int(self.header) if self.header and self.header.isdecimal() else 0


@dataclass(frozen=True)
class Listed:
    """What is shown of the index. A header or serial of None is left out."""

    projects: dict[str, int | None]
    header: str | None
    serial: int | None


@dataclass(frozen=True)
class Answer:
    """An answer as it is sent; of its body only `sent` bytes, all of them if None. -1: not even its headers."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int | None = None


Lie = Callable[[Shown, World, str, Fault], Shown]
IndexLie = Callable[[Listed, World, Fault], Listed]
Break = Callable[[Answer, Fault], Answer]


def shown(page: Page, *, is_hit: bool = False) -> Shown:
    """Return a page as it is."""
    return Shown(page, str(page.serial), page.serial, is_hit)


def listed(world: World, at: int) -> Listed:
    """Return the index as it was."""
    serial = world.last_serial(at)
    return Listed(dict(world.listing(at)), str(serial), serial)


def _stale(one: Shown, world: World, name: str, fault: Fault) -> Shown:
    return shown(world.page(name, fault.begin), is_hit=True)


def _both(change: Callable[[Shown], int]) -> Lie:
    def lie(one: Shown, world: World, name: str, fault: Fault) -> Shown:
        return replace(one, header=str(change(one)), body=change(one))

    return lie


def _of_newest(lie: Lie) -> Lie:
    """Tell it of the newest page alone: of an older one, no one could see that it is not."""
    return lambda one, world, name, fault: lie(one, world, name, fault) if one.page == world.page(name) else one


def _header(change: Callable[[Shown], str | None]) -> Lie:
    return lambda one, world, name, fault: replace(one, header=change(one))


def _body(change: Callable[[Shown], int | None]) -> Lie:
    return lambda one, world, name, fault: replace(one, body=change(one))


def _old_body(one: Shown, world: World, name: str, fault: Fault) -> Shown:
    before = world.page(name, fault.begin)
    return replace(shown(before), header=one.header) if before.versions else one


# A page as it is in some of its copies, which a purge missed; or what is said of its serial is not true.
PAGE_LIES: dict[str, Lie] = {
    "a copy is stale": _stale,
    "a page is stale in each copy": _stale,
    "all pages are stale": _stale,
    "page: both serials low": _both(lambda one: one.page.serial - 1),  # pypi/warehouse#12933
    "page: header low": _header(lambda one: str(one.page.serial - 1)),
    "page: header high": _header(lambda one: str(NONSENSE + one.page.serial)),
    "page: header absent": _header(lambda one: None),  # pypi/warehouse#8568
    "page: header malformed": _header(lambda one: f"{one.page.serial}, x"),
    "page: header newer than body": _old_body,
    "page: body low": _body(lambda one: one.page.serial - 1),
    "page: body high": _of_newest(_body(lambda one: NONSENSE + one.page.serial)),
    "page: body absent": _body(lambda one: None),
    "page: both serials high": _of_newest(_both(lambda one: NONSENSE + one.page.serial)),
}


def _status(status: int, **headers: str) -> Break:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda answer, fault: Answer(status, {**named, "Content-Type": "text/plain"}, b"no\n")


def _too_many(answer: Answer, fault: Fault) -> Answer:
    wait = {0: {}, 1: {"Retry-After": "60"}, 2: {"Retry-After": "1800"}}[fault.number % 3]
    return Answer(429, {**wait, "Content-Type": "text/plain"}, b"slow down\n")


def _cut(answer: Answer, fault: Fault) -> Answer:
    return replace(answer, sent=len(answer.body) // 2)


def _garbage(answer: Answer, fault: Fault) -> Answer:
    headers = {name: value for name, value in answer.headers.items() if name != "Content-Encoding"}
    return replace(answer, headers=headers, body=b"{<garbage" * 9)


# An answer that is none; what is a 404 by truth stays one.
PAGE_BREAKS: dict[str, Break] = {
    "page: cached 404": _status(404, X_Cache="HIT, HIT", Age="50"),
    "page: 404 by a proxy": _status(404, Via="1.1 proxy"),
    "page: 404 with an age": _status(404, Age="1"),
    "page: cut": _cut,
    "page: garbage": _garbage,
    "page: empty": lambda answer, fault: replace(answer, body=b""),
    "page: 500": _status(500),
    "page: 503": _status(503),
    "page: 429": _too_many,
    "page: reset": lambda answer, fault: replace(answer, sent=-1),
}


CACHED_404S = {"page: cached 404", "page: 404 by a proxy", "page: 404 with an age"}


def _claims(serial: bool) -> IndexLie:
    def lie(one: Listed, world: World, fault: Fault) -> Listed:
        high = NONSENSE + fault.number
        projects = one.projects | {name: high for name in fault.names if name in one.projects}
        return Listed(projects, str(high), high) if serial else replace(one, projects=projects)

    return lie


def _conceals(one: Listed, world: World, fault: Fault) -> Listed:
    """List a project as it was: nobody can see through that, as the others tell that nothing has happened since."""
    before = {name: world.page(name, fault.begin) for name in fault.names}
    projects = one.projects | {name: page.serial for name, page in before.items() if name in one.projects}
    return replace(one, projects=projects)


def _drops(one: Listed, world: World, fault: Fault) -> Listed:
    return replace(one, projects={name: serial for name, serial in one.projects.items() if name not in fault.names})


def _no_serials(one: Listed, world: World, fault: Fault) -> Listed:
    return Listed(dict.fromkeys(one.projects), None, None)


INDEX_LIES: dict[str, IndexLie] = {
    "a copy of the index is stale": lambda one, world, fault: listed(world, fault.begin),
    "the index is stale in each copy": lambda one, world, fault: listed(world, fault.begin),
    "index: a project high": _claims(serial=False),
    "index: a project and itself high": _claims(serial=True),
    "index: a project low": _conceals,
    "index: some are missing": _drops,
    "index: half is missing": lambda one, world, fault: replace(one, projects=dict(list(one.projects.items())[::2])),
    "index: empty": lambda one, world, fault: replace(one, projects={}),
    "index: no serials": _no_serials,
    "index: header absent": lambda one, world, fault: replace(one, header=None),
    "index: header low": lambda one, world, fault: replace(one, header="5"),
    "index: header high": lambda one, world, fault: replace(one, header=str(NONSENSE)),
    "index: header malformed": lambda one, world, fault: replace(one, header="x"),
}

INDEX_BREAKS: dict[str, Break] = {
    "index: cut": _cut,
    "index: garbage": _garbage,
    "index: an error page": lambda answer, fault: replace(
        answer, headers={"Content-Type": "text/html"}, body=b"<html>Sorry</html>"
    ),
    "index: 404": _status(404),
    "index: 503": _status(503),
    "index: 429": _too_many,
}

FILE_BREAKS: dict[str, Break] = {
    "file: 404": _status(404),
    "file: cut": _cut,
    "file: garbage": _garbage,
}

# XML-RPC "is behind" by what it says, not by how.
BEHIND = "xml-rpc: is behind"
XMLRPC_BREAKS: dict[str, Break] = {
    "xml-rpc: 404": _status(404),
    "xml-rpc: 500": _status(500),
    "xml-rpc: garbage": _garbage,
    BEHIND: lambda answer, fault: answer,
}

ALL_BREAKS: dict[str, Break] = {
    "everything: 429": _too_many,
    "everything: 503": _status(503),
}

OF_PAGES = {*PAGE_LIES, *PAGE_BREAKS, *FILE_BREAKS}
OF_ONE_COPY = {"a copy is stale", "a copy of the index is stale"}
KINDS = (*PAGE_LIES, *PAGE_BREAKS, *INDEX_LIES, *INDEX_BREAKS, *FILE_BREAKS, *XMLRPC_BREAKS, *ALL_BREAKS)
