"""The edge: a cache in front of the origin, with a copy of each page per Accept-Encoding.

Its staleness is real: a stale copy is one it fetched earlier and that a purge missed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..core.observations import SERIAL_HEADER
from .behaviours import BEHAVIOURS, COPIES, Behaviour
from .origin import SIMPLE_JSON, Answer, Origin


@dataclass(frozen=True)
class Kind:
    """How an edge treats requests, independent of its faults."""

    summary: str
    keeps_query: bool = True
    honours_no_cache: bool = False
    shows_age: bool = False
    caches: bool = True


KINDS = {
    "cdn": Kind("a plain CDN: the query is part of the key, no-cache is ignored"),
    "pypi": Kind("as PyPI's today: metadata is looked up without its query, no-cache is ignored", keeps_query=False),
    "proxy": Kind(
        "a proxy as Squid: no-cache is honoured, Age and Via are sent", honours_no_cache=True, shows_age=True
    ),
    "none": Kind("none: the origin itself, for a cache of your own in front of it", caches=False),
}

# What the origin tells real caches; Cache-Control is for all of them, Surrogate-Control only for CDNs.
_LIFETIMES = {"Cache-Control": "max-age=900, public", "Surrogate-Control": "max-age=86400"}

# Says which copy an answer of the origin is, so that a real cache can be purged of some copies only.
COPY_HEADER = "X-Lab-Copy"

_VARY = "Accept, Accept-Encoding"


class Request(NamedTuple):
    """The parts of a request that the edge looks at."""

    path: str
    query: str = ""
    accept: str = ""
    accept_encoding: str = ""
    no_cache: bool = False


class _Key(NamedTuple):
    node: int
    path: str
    json: bool
    copy: str
    query: str


class Edge:
    """One edge in front of one origin."""

    def __init__(self, origin: Origin, behaviour: Behaviour, kind: Kind, base: str) -> None:
        """`base`: the edge's URL as clients see it."""
        self.origin = origin
        self.kind = kind
        self._base = base
        # By path, so that a purge need not search all copies.
        self._cached: defaultdict[str, dict[_Key, Answer]] = defaultdict(dict)
        self._asked: Counter[str] = Counter()
        self.behaviour = behaviour
        self.behave(behaviour)

    def answer(self, request: Request) -> tuple[Answer, bool]:
        """Return the answer to a request for metadata, and whether it was a hit."""
        if not self.kind.caches:
            return self._from_origin(request), False
        turn = self._asked[request.path]
        self._asked[request.path] += 1
        # the stuck node answers first
        node = ((self.behaviour.stuck_node or 0) + turn) % self._nodes
        query = request.query if self.kind.keeps_query else ""
        key = _Key(node, request.path, SIMPLE_JSON in request.accept, copy_for(request.accept_encoding), query)
        passes = request.no_cache and self.kind.honours_no_cache
        hit = key in self._cached[key.path] and not passes
        if not hit:
            self._cached[key.path][key] = self._fetch(key)
        return self._sent(key, hit), hit

    def _from_origin(self, request: Request) -> Answer:
        copy = copy_for(request.accept_encoding)
        answer = self._fetch(_Key(0, request.path, SIMPLE_JSON in request.accept, copy, request.query))
        lifetimes = _LIFETIMES if answer.status == 200 else {}
        return replace(answer, headers={**answer.headers, "Vary": _VARY, COPY_HEADER: copy, **lifetimes})

    def release(self, names: Iterable[str]) -> list[str]:
        """Publish a release of each project, and purge the copies that the behaviour doesn't protect.

        Returns the names of the projects released.
        """
        self._asked.clear()
        released = []
        for name in names:
            if self.behaviour.new_projects:
                name = f"{name}-new-{len(self.origin.projects)}"
            affected = self.affects(name)
            for path in _pages(name):
                self._cling(path, self._stuck(path) if affected else frozenset())
            for copy in self.behaviour.late_index:
                self._drop("/simple/", [copy])
                self._cling("/simple/", {copy})
            self.origin.publish(name, self.behaviour.origin_behind if affected else 0)
            for path in _pages(name):
                keep = self._stuck(path) if affected else frozenset()
                if path == "/simple/":
                    keep |= self.behaviour.late_index
                self._drop(path, [copy for copy in COPIES if copy not in keep])
            released.append(name)
        return released

    def behave(self, behaviour: Behaviour) -> None:
        """Switch to another behaviour; cached copies stay."""
        if behaviour.index:
            self._drop("/simple/", COPIES)
        self.behaviour = behaviour
        self._nodes = 2 if behaviour.stuck_node is not None else 1

    def heal(self) -> None:
        """Switch to `healthy`, empty the cache and correct the origin's serials."""
        self.behave(BEHAVIOURS["healthy"])
        self._cached.clear()
        self.origin.heal()

    def restore(self, serial: int) -> None:
        """Roll the origin back to a serial, and empty the cache."""
        self._cached.clear()
        self.origin.restore(serial)

    def claim(self, name: str, serial: int | None) -> None:
        """Make the index and XML-RPC list this serial for a project; None restores the true one."""
        self.origin.projects[name].claimed = serial
        self._drop("/simple/", COPIES)

    def roll_back(self, name: str, *, index: bool = False) -> None:
        """Undo a project's last release on the origin's page, and drop all copies of it.

        If `index` is true, the index and its serial are rolled back too.
        """
        project = self.origin.projects[name]
        project.versions.pop()
        project.serial -= 1 if project.serial == project.announced else 0
        if index:
            self.origin.serial = project.announced = project.serial
        for path in _pages(name):
            self._drop(path, COPIES)

    def page(self, name: str) -> Answer:
        """Return the origin's JSON document of a project; 404 if there is none."""
        return self.origin.page(_pages(name)[0], "text/html", self._base)

    def plant(self, name: str, answer: Answer, copies: Iterable[str] = COPIES) -> None:
        """Replace these copies of a project's JSON document with an answer from another time."""
        for copy in copies:
            for json in (True, False):
                key = _Key(0, _pages(name)[0], json, copy, "")
                self._cached[key.path][key] = answer

    def plant_index(self, answer: Answer, copies: Iterable[str]) -> None:
        """Replace these copies of the JSON index with another answer."""
        for copy in copies:
            self._cached["/simple/"][_Key(0, "/simple/", True, copy, "")] = answer

    def remove(self, name: str, *, counts: bool = False) -> None:
        """Delete a project from the origin, and purge its pages and the index; PyPI counts that as an event."""
        self.origin.projects.pop(name, None)
        self.origin.serial += counts
        for path in _pages(name):
            self._drop(path, COPIES)

    def affects(self, name: str) -> bool:
        """Return whether the behaviour affects this project (or this path)."""
        known = re.search(r"\d+", name)
        return (int(known[0]) if known else 0) % self.behaviour.every == 0

    def _stuck(self, path: str) -> frozenset[str]:
        return self.behaviour.stuck_index if path == "/simple/" else self.behaviour.stuck

    def _cling(self, path: str, copies: Iterable[str]) -> None:
        """Fetch missing copies into the cache, so that a purge can miss them."""
        for copy in copies:
            for json in (True, False):
                for node in range(self._nodes):
                    key = _Key(node, path, json, copy, "")
                    if key not in self._cached[path]:
                        answer = self._cached[path][key] = self._fetch(key)
                        if self.behaviour.unlabelled:
                            answer.headers.pop(SERIAL_HEADER, None)

    def _drop(self, path: str, copies: Iterable[str]) -> None:
        for key in list(self._cached[path]):
            reached = self.behaviour.stuck_node not in (None, key.node)
            if key.copy in copies or reached:
                del self._cached[path][key]

    def _fetch(self, key: _Key) -> Answer:
        accept = SIMPLE_JSON if key.json else "text/html"
        answer = self.origin.page(key.path, accept, self._base, self.behaviour.index)
        found = re.fullmatch(r"/(?:pypi|simple)/([^/]+)/(?:json)?", key.path)
        if self.behaviour.gone and found and self.affects(found[1]):
            answer = Answer(404, {"Content-Type": "text/plain"}, b"404 Not Found")
        if self.behaviour.serial_header is not None and SERIAL_HEADER in answer.headers:
            del answer.headers[SERIAL_HEADER]
            if self.behaviour.serial_header:
                answer.headers[SERIAL_HEADER] = self.behaviour.serial_header
        return answer

    def _sent(self, key: _Key, hit: bool) -> Answer:
        answer = self._cached[key.path][key]
        extra = {
            "X-Served-By": f"cache-lab-{key.node + 1}",
            "X-Cache": "HIT" if hit else "MISS",
            "Vary": _VARY,
        }
        if self.kind.shows_age:
            extra |= {"Age": "86400" if hit else "0", "Via": "1.1 lab"}
        return replace(answer, headers={**answer.headers, **extra})


def copy_for(accept_encoding: str) -> str:
    """Return the copy that an edge such as PyPI's picks for this Accept-Encoding."""
    accepted = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
    return next((copy for copy in COPIES if copy in accepted), "identity")


def _pages(name: str) -> tuple[str, ...]:
    return f"/pypi/{name}/json", f"/simple/{name}/", "/simple/"
