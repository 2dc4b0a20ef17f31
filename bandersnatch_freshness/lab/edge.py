"""What any edge does: it stands before the origin, and a release purges what its behaviour lets purges reach.

Its staleness is real: a stale copy is one it fetched earlier and that a purge missed.
"""

from __future__ import annotations

import abc
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from ..core.observations import SERIAL_HEADER
from .behaviours import ALL_COPIES, BEHAVIOURS, COPIES, Behaviour
from .documents import SIMPLE_JSON
from .origin import INDEX, Answer, Origin, project_of
from .wheels import normalized


@dataclass(frozen=True)
class Kind:
    """How an edge treats requests, independent of its faults."""

    summary: str
    keeps_query: bool = True
    honours_no_cache: bool = False
    shows_age: bool = False
    caches: bool = True
    # An edge behind a shield, with lifetimes: `PyPIEdge`.
    is_pypis: bool = False


KINDS = {
    "cdn": Kind("a plain CDN: the query is part of the key, no-cache is ignored"),
    "pypi": Kind("as PyPI's: edge behind shield, with lifetimes; neither query nor no-cache counts", is_pypis=True),
    "proxy": Kind(
        "a proxy as Squid: no-cache is honoured, Age and Via are sent", honours_no_cache=True, shows_age=True
    ),
    "none": Kind("none: the origin itself, for a cache of your own in front of it", caches=False),
}


class Request(NamedTuple):
    """The parts of a request that the edge looks at; the path is as it was sent."""

    path: str
    query: str = ""
    accept: str = ""
    accept_encoding: str = ""
    no_cache: bool = False


class Edge(abc.ABC):
    """One edge in front of one origin."""

    # The copies that it distinguishes by Accept-Encoding, the one it likes best first; which of them are compressed.
    copies: tuple[str, ...] = COPIES
    compresses = frozenset({"gzip", "deflate"})

    def __init__(self, origin: Origin, behaviour: Behaviour, base: str) -> None:
        """`base`: the edge's URL as clients see it."""
        self.origin = origin
        self._base = base
        self._asked: Counter[str] = Counter()
        self.behaviour = behaviour
        self.behave(behaviour)

    @abc.abstractmethod
    def answer(self, request: Request) -> tuple[Answer, str]:
        """Return the answer to a GET or HEAD for metadata, and what X-Cache says: HIT or MISS, for each tier."""

    @abc.abstractmethod
    def pass_on(self, request: Request, method: str) -> tuple[Answer, str]:
        """Return the origin's answer to a request by any other method, which is never kept, and what X-Cache says."""

    @abc.abstractmethod
    def plant(self, path: str, answer: Answer, copies: Iterable[str] = COPIES) -> None:
        """Replace these copies of a page or of the JSON index with an answer from another time."""

    @abc.abstractmethod
    def _hold(self, project: str, copies: Iterable[str]) -> None:
        """Fetch missing copies of a project's pages, so that a purge can miss them; project "" is the index."""

    @abc.abstractmethod
    def _drop(self, project: str, copies: Iterable[str]) -> None:
        """Drop these copies of a project's pages, and all that are on a node other than the stuck one."""

    @abc.abstractmethod
    def _clear(self) -> None:
        """Empty the cache."""

    def switch(self) -> str:
        """Switch to another point of presence and return its name; most edges have only one."""
        return "lab"

    def _purge(self, project: str, copies: Iterable[str]) -> None:
        """Do to these copies what the edge does when a project has changed."""
        self._drop(project, copies)

    def copy_for(self, accept_encoding: str) -> str:
        """Return the copy that the edge picks for this Accept-Encoding."""
        accepted = {part.split(";")[0].strip().lower() for part in accept_encoding.split(",")}
        return next((copy for copy in self.copies if copy in accepted), "identity")

    def release(self, names: Iterable[str]) -> list[str]:
        """Publish a release of each project, and purge the copies that the behaviour doesn't protect.

        Returns the names of the projects released.
        """
        self._asked.clear()
        released = []
        late, stuck_index = self.behaviour.late_index, self.behaviour.stuck_index
        for name in names:
            if self.behaviour.new_projects:
                name = f"{name}-new-{len(self.origin.projects)}"
            affected = self.affects(name)
            stuck = self.behaviour.stuck if affected else frozenset()
            if late:
                self._drop("", late)
            self._hold(name, stuck)
            self._hold("", stuck_index | late)
            self.origin.publish(name, self.behaviour.origin_behind if affected else 0)
            self._purge(name, ALL_COPIES - stuck)
            self._purge("", ALL_COPIES - stuck_index - late)
            released.append(name)
        return released

    def behave(self, behaviour: Behaviour) -> None:
        """Switch to another behaviour; cached copies stay."""
        if behaviour.index:
            self._drop("", COPIES)
        self.behaviour = behaviour
        self._nodes = 2 if behaviour.stuck_node is not None else 1

    def heal(self) -> None:
        """Switch to `healthy`, empty the cache and correct the origin's serials."""
        self.behave(BEHAVIOURS["healthy"])
        self._clear()
        self.origin.heal()

    def restore(self, serial: int) -> None:
        """Roll the origin back to a serial, and empty the cache."""
        self._clear()
        self.origin.restore(serial)

    def claim(self, name: str, serial: int | None) -> None:
        """Make the index and XML-RPC list this serial for a project; None restores the true one."""
        self.origin.projects[normalized(name)].claimed = serial
        self._drop("", COPIES)

    def roll_back(self, name: str, *, index: bool = False) -> None:
        """Undo a project's last release on the origin's page, and drop all copies of it and of the index.

        If `index` is true, the index and its serial are rolled back too.
        """
        project = self.origin.projects[normalized(name)]
        project.versions.pop()
        project.serial -= 1 if project.serial == project.announced else 0
        if index:
            self.origin.serial = project.announced = project.serial
        self._drop(name, COPIES)
        self._drop("", COPIES)

    def page(self, name: str) -> Answer:
        """Return the origin's JSON document of a project; 404 if there is none."""
        return self.origin.page(json_path(name), "text/html", self._base)

    def remove(self, name: str, *, counts: bool = False) -> None:
        """Delete a project from the origin; if it `counts`, as an event of its own, as at PyPI."""
        self.origin.projects.pop(normalized(name), None)
        if counts:
            self.origin.happen(name, "remove project")
        self._changed(name)

    def empty(self, name: str) -> None:
        """Delete all releases of a project: it stays in the index, its page is a 404."""
        project = self.origin.projects[normalized(name)]
        while project.versions:
            self.origin.happen(name, "remove release", project.versions.pop())
        self._changed(name)

    def quarantine(self, name: str, *, entered: bool = True) -> None:
        """Quarantine a project at PyPI, or release it: in quarantine it is not in the index, and its page is a 404."""
        self.origin.projects[normalized(name)].quarantined = entered
        self.origin.happen(name, "project quarantined" if entered else "project quarantine cleared")
        self._changed(name)

    def invite(self, name: str) -> None:
        """Raise a project's serial without purging its page, as PyPI's invitations do (pypi/warehouse#19898)."""
        self.origin.happen(name, "invite Maintainer somebody")
        self._purge("", COPIES)

    def _changed(self, name: str) -> None:
        self._purge(name, COPIES)
        self._purge("", COPIES)

    def affects(self, name: str) -> bool:
        """Return whether the behaviour affects this project (or this path)."""
        known = re.search(r"\d+", name)
        return (int(known[0]) if known else 0) % self.behaviour.every == 0

    def _node(self, path: str) -> int:
        """Return which node answers the next request for a path: they take turns, and the stuck one is first."""
        turn = self._asked[path]
        self._asked[path] += 1
        return ((self.behaviour.stuck_node or 0) + turn) % self._nodes

    def _fetch(self, path: str, accept: str, method: str = "GET") -> Answer:
        behaviour = self.behaviour
        if behaviour.origin_down:
            return Answer(503, {"Content-Type": "text/plain"}, b"503 Service Unavailable")
        if method == "OPTIONS" and behaviour.refuses_options:
            return Answer(behaviour.refuses_options)
        answer = self.origin.page(path, accept, self._base, behaviour.index, method)
        project = project_of(path)
        if behaviour.gone and project and self.affects(project):
            answer = Answer(404, {"Content-Type": "text/plain"}, b"404 Not Found")
        if behaviour.serial_header is not None and SERIAL_HEADER in answer.headers:
            del answer.headers[SERIAL_HEADER]
            if behaviour.serial_header:
                answer.headers[SERIAL_HEADER] = behaviour.serial_header
        return answer


def json_path(name: str) -> str:
    """Return the path of a project's page in the JSON API."""
    return f"/pypi/{normalized(name)}/json"


def forms(project: str) -> Iterator[tuple[str, str]]:
    """Yield the paths of a project's pages, each with the Accepts that it is kept by; project "" is the index."""
    paths = (f"/simple/{normalized(project)}/", json_path(project)) if project else (INDEX,)
    return product(paths, (SIMPLE_JSON, "text/html"))
