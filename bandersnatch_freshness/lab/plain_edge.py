"""A plain edge, for proxies and CDNs: one tier, which keeps its copies until they are purged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from ..core.observations import SERIAL_HEADER
from .behaviours import COPIES, Behaviour
from .documents import SIMPLE_JSON
from .edge import Edge, Kind, Request, forms
from .origin import FOR_CACHES, Answer, Origin, project_of
from .wheels import normalized

# Says which copy an answer of the origin is, so that a real cache can be purged of some copies only.
COPY_HEADER = "X-Lab-Copy"

_VARY = "Accept, Accept-Encoding"

# It keeps its copies whatever these say.
_UNHEEDED = {*FOR_CACHES, "Cache-Control"}


class _Key(NamedTuple):
    node: int
    path: str
    json: bool
    copy: str
    query: str = ""


class PlainEdge(Edge):
    """One tier of caches, or none."""

    def __init__(self, origin: Origin, behaviour: Behaviour, kind: Kind, base: str) -> None:
        """`base`: the edge's URL as clients see it."""
        self._kind = kind
        # By project, so that a purge need not search all copies.
        self._cached: defaultdict[str, dict[_Key, Answer]] = defaultdict(dict)
        super().__init__(origin, behaviour, base)

    def answer(self, request: Request) -> tuple[Answer, str]:
        """Return the answer to a GET or HEAD for metadata, and what X-Cache says."""
        if not self._kind.caches:
            return self.pass_on(request, "GET")
        query = request.query if self._kind.keeps_query else ""
        copy = self.copy_for(request.accept_encoding)
        key = _Key(self._node(request.path), request.path, SIMPLE_JSON in request.accept, copy, query)
        cached = self._cached[project_of(key.path)]
        hit = key in cached and not (request.no_cache and self._kind.honours_no_cache)
        if not hit:
            cached[key] = self._fetch(key.path, request.accept)
        return self._sent(key, cached[key], hit), "HIT" if hit else "MISS"

    def pass_on(self, request: Request, method: str) -> tuple[Answer, str]:
        """Return the origin's answer, and what X-Cache says."""
        answer, copy = self._fetch(request.path, request.accept, method), self.copy_for(request.accept_encoding)
        if self._kind.caches:
            return self._sent(_Key(0, request.path, SIMPLE_JSON in request.accept, copy), answer, False), "MISS"
        return replace(answer, headers={**answer.headers, "Vary": _VARY, COPY_HEADER: copy}), "MISS"

    def plant(self, path: str, answer: Answer, copies: Iterable[str] = COPIES) -> None:
        """Replace these copies of a page or of the JSON index with an answer from another time."""
        project = project_of(path)
        for copy, json in product(copies, (True, False) if project else (True,)):
            self._cached[project][_Key(0, path, json, copy)] = answer

    def _hold(self, project: str, copies: Iterable[str]) -> None:
        cached = self._cached[normalized(project)]
        for copy, (path, accept), node in product(copies, forms(project), range(self._nodes)):
            key = _Key(node, path, SIMPLE_JSON in accept, copy)
            if key not in cached:
                cached[key] = self._fetch(path, accept)
            if self.behaviour.unlabelled:
                cached[key].headers.pop(SERIAL_HEADER, None)

    def _drop(self, project: str, copies: Iterable[str]) -> None:
        cached = self._cached[normalized(project)]
        for key in list(cached):
            if key.copy in copies or self.behaviour.stuck_node not in (None, key.node):
                del cached[key]

    def _clear(self) -> None:
        self._cached.clear()

    def _sent(self, key: _Key, answer: Answer, hit: bool) -> Answer:
        extra = {
            "X-Served-By": f"cache-lab-{key.node + 1}",
            "X-Cache": "HIT" if hit else "MISS",
            "Vary": _VARY,
        }
        if self._kind.shows_age:
            extra |= {"Age": "86400" if hit else "0", "Via": "1.1 lab"}
        kept = {name: value for name, value in answer.headers.items() if name not in _UNHEEDED}
        return replace(answer, headers={**kept, **extra})
