"""PyPI's edge: points of presence behind one shield, each of which keeps its copies for a time.

What it does with a request is from pypi/infra at 6b72241 (2026-08), `terraform/warehouse/vcl/main.vcl`; what its
caches do by themselves is from Fastly's documentation. docs/lab.md has a table of it, and of what is left out.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import NamedTuple
from urllib.parse import parse_qs

from ..core.observations import SERIAL_HEADER
from .behaviours import COPIES, Behaviour
from .documents import SIMPLE_HTML, SIMPLE_JSON
from .edge import Edge, Request, forms
from .origin import FOR_CACHES, Answer, Origin, project_of
from .wheels import normalized

SHIELD = "iad"
POINTS_OF_PRESENCE = ("ams", "fra")

# What Fastly keeps where nothing is said: https://www.fastly.com/documentation/reference/http/http-statuses
_CACHEABLE = (200, 203, 300, 301, 302, 404, 410)

# By what a purge finds it, and how long what it does not find is kept, where a purge is to miss it.
_PURGED_BY = "Surrogate-Key"
_FOR_GOOD = float("inf")

_JSON_PAGE = re.compile(r"/pypi/([^/]+)(/[^/]+)?/json(/?)")

# What Accept may be on pages of the simple API, and what stands for it. HTML has two names, and one copy.
_HTML = "text/html"
_ACCEPTED = {
    SIMPLE_JSON: SIMPLE_JSON,
    "application/vnd.pypi.simple.latest+json": SIMPLE_JSON,
    SIMPLE_HTML: SIMPLE_HTML,
    "application/vnd.pypi.simple.latest+html": SIMPLE_HTML,
    "application/*": SIMPLE_HTML,
    _HTML: _HTML,
}


class _Key(NamedTuple):
    path: str
    accept: str
    # At the shield there are no copies.
    copy: str = ""
    place: str = SHIELD


@dataclass
class _Kept:
    """An answer, and until when (in seconds of the clock) it is fresh, and then of use in either way."""

    answer: Answer
    fresh: float
    while_revalidate: float = 0
    if_error: float = 0


class _Tier:
    """One tier of caches: all nodes of all points of presence, or the shield."""

    def __init__(self, clock: Callable[[], float], otherwise: float, *, revalidates: bool) -> None:
        """`otherwise`: how long to keep what does not say it. `revalidates`: it gives old pages while it asks anew."""
        self._clock = clock
        self._otherwise = otherwise
        self._revalidates = revalidates
        # By project, so that a purge need not search all.
        self._kept: defaultdict[str, dict[_Key, _Kept]] = defaultdict(dict)

    def get(self, key: _Key, fetch: Callable[[], Answer]) -> tuple[Answer, bool]:
        """Return the answer, and whether it was a hit; `fetch` is called where it has to be asked for."""
        of_project, now = self._kept[project_of(key.path)], self._clock()
        kept = of_project.get(key)
        if kept and now < kept.fresh:
            return kept.answer, True
        answer = fetch()
        if answer.status in _CACHEABLE:
            of_project[key] = self._dated(answer)
        if kept and self._revalidates and now < kept.fresh + kept.while_revalidate:
            return kept.answer, True
        if kept and answer.status >= 500 and now < kept.fresh + kept.if_error:
            return kept.answer, True
        return answer, False

    def put(self, key: _Key, answer: Answer) -> None:
        """Keep an answer; what has no key to be purged by, until it is let go."""
        kept = self._dated(answer)
        if _PURGED_BY not in answer.headers:
            kept.fresh = _FOR_GOOD
        self._kept[project_of(key.path)][key] = kept

    def purge(self, project: str, reached: Callable[[_Key], bool] = lambda _: True) -> None:
        """Mark a project's pages as old: softly, they are still of use. What was put there for good is let go."""
        for key, kept in self._kept[project].items():
            if reached(key) and (_PURGED_BY in kept.answer.headers or kept.fresh == _FOR_GOOD):
                kept.fresh = min(kept.fresh, self._clock())

    def drop(self, project: str, reached: Callable[[_Key], bool] = lambda _: True) -> None:
        """Forget a project's pages."""
        self._kept[project] = {key: kept for key, kept in self._kept[project].items() if not reached(key)}

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def _dated(self, answer: Answer) -> _Kept:
        said = dict(re.findall(r"([a-z-]+)=(\d+)", answer.headers.get("Surrogate-Control", "")))
        lifetime = float(said.get("max-age", self._otherwise))
        usable = float(said.get("stale-while-revalidate", 0)), float(said.get("stale-if-error", 0))
        return _Kept(answer, self._clock() + lifetime, *usable)


class PyPIEdge(Edge):
    """Two tiers: what an edge keeps was fetched from the shield, which may have kept it for as long."""

    copies = ("gzip", "deflate", "identity")
    compresses = frozenset({"gzip"})

    def __init__(
        self, origin: Origin, behaviour: Behaviour, base: str, clock: Callable[[], float], otherwise: float
    ) -> None:
        """`clock` gives seconds; what the origin gives no lifetime is kept for `otherwise` seconds a tier."""
        self.point_of_presence = POINTS_OF_PRESENCE[0]
        self._edges = _Tier(clock, otherwise, revalidates=True)
        self._shield = _Tier(clock, otherwise, revalidates=False)
        super().__init__(origin, behaviour, base)

    def answer(self, request: Request) -> tuple[Answer, str]:
        """Return the answer to a GET or HEAD for metadata, and what X-Cache says of shield and edge."""
        place = f"{self.point_of_presence}-{self._node(request.path) + 1}"
        target, accept, named = _reduced(request)
        if not target:
            return _signed(Answer(301, {"Location": named}), place, "HIT"), "HIT"
        key = _Key(target, accept, self.copy_for(request.accept_encoding), place)
        answer, hit = self._edges.get(key, partial(self._from_shield, key))
        return _delivered(answer, place, hit, named)

    def pass_on(self, request: Request, method: str) -> tuple[Answer, str]:
        """Return the origin's answer, past both tiers."""
        target, accept, named = _reduced(request)
        if not target:
            return _signed(Answer(301, {"Location": named}), self.point_of_presence, "HIT"), "HIT"
        answer = _signed(self._fetch(target.partition("?")[0], accept, method), SHIELD, "MISS")
        return _delivered(answer, f"{self.point_of_presence}-1", False, named)

    def plant(self, path: str, answer: Answer, copies: Iterable[str] = COPIES) -> None:
        """Replace these copies of a page or of the JSON index, at all edges, with an answer from another time."""
        accept = _reduced(Request(path, accept=SIMPLE_JSON))[1]
        for copy, place in product(copies, self._places()):
            self._edges.put(_Key(path, accept, copy, place), _signed(answer, SHIELD, "MISS"))

    def copy_for(self, accept_encoding: str) -> str:
        """Return the copy for this Accept-Encoding: the first whose name is anywhere in it, whatever its weight."""
        return next((copy for copy in self.copies if copy in accept_encoding), "identity")

    def switch(self) -> str:
        """Switch to the other point of presence and return its name."""
        self.point_of_presence = next(one for one in POINTS_OF_PRESENCE if one != self.point_of_presence)
        return self.point_of_presence

    def _hold(self, project: str, copies: Iterable[str]) -> None:
        for copy, (path, accept), place in product(copies, forms(project), self._places()):
            key = _Key(*_reduced(Request(path, accept=accept))[:2], copy, place)
            answer, _ = self._edges.get(key, partial(self._from_shield, key))
            if self.behaviour.unlabelled:
                answer.headers.pop(SERIAL_HEADER, None)
            if _PURGED_BY not in answer.headers:  # else its lifetime is longer than one has to wait
                self._edges.put(key, answer)

    def _purge(self, project: str, copies: Iterable[str]) -> None:
        copies = set(copies)
        self._edges.purge(normalized(project), partial(self._reaches, copies))
        if copies or self.behaviour.stuck_node is not None:
            self._shield.purge(normalized(project))

    def _drop(self, project: str, copies: Iterable[str]) -> None:
        self._edges.drop(normalized(project), partial(self._reaches, set(copies)))
        self._shield.drop(normalized(project))

    def _clear(self) -> None:
        self._edges.clear()
        self._shield.clear()

    def _reaches(self, copies: set[str], key: _Key) -> bool:
        stuck = self.behaviour.stuck_node
        return key.copy in copies or (stuck is not None and not key.place.endswith(f"-{stuck + 1}"))

    def _places(self) -> list[str]:
        return [f"{where}-{node + 1}" for where, node in product(POINTS_OF_PRESENCE, range(self._nodes))]

    def _from_shield(self, key: _Key) -> Answer:
        path = key.path.partition("?")[0]
        answer, hit = self._shield.get(_Key(key.path, key.accept), lambda: self._fetch(path, key.accept))
        return _signed(answer, SHIELD, "HIT" if hit else "MISS")


def _reduced(request: Request) -> tuple[str, str, str]:
    """Return under which path and which Accept a request is looked up, and how its HTML is to be named.

    The path is matched as it was sent; the origin decodes it. Where the edge itself redirects, the first is "",
    and the last is where to.
    """
    path, query = request.path, request.query
    accept = named = ""
    if path.startswith("/simple/"):
        asked = parse_qs(query).get("format", [""])[0]
        named = _ACCEPTED.get(asked) or _best(request.accept)
        accept = SIMPLE_HTML if named == _HTML else named
    if found := _JSON_PAGE.fullmatch(path):
        right = f"/pypi/{normalized(found[1])}{found[2] or ''}/json"
        return ("", "", right) if found[3] else (right, "", "")
    keeps_query = query and path.startswith("/pypi")
    return f"{path}?{'&'.join(sorted(query.split('&')))}" if keeps_query else path, accept, named


def _best(accept: str) -> str:
    """Return the simple API's content type that an Accept likes best; HTML where it likes none (RFC 9110, 12.5.1)."""
    best, most = _HTML, 0.0
    for part in accept.lower().split(","):
        kind, *parameters = (word.strip() for word in part.split(";"))
        weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        liking = float(weight) if re.fullmatch(r"[01](\.\d*)?", weight) else 0.0
        if kind in _ACCEPTED and liking > most:
            best, most = _ACCEPTED[kind], liking
    return best


def _signed(answer: Answer, place: str, state: str) -> Answer:
    """Return an answer with a tier's name and what it did added to those of the tiers behind it."""
    said = {"X-Served-By": f"cache-{place}", "X-Cache": state}
    headers = {name: ", ".join(filter(None, (answer.headers.get(name), value))) for name, value in said.items()}
    return replace(answer, headers={**answer.headers, **headers})


def _delivered(answer: Answer, place: str, hit: bool, named: str) -> tuple[Answer, str]:
    signed = _signed(answer, place, "HIT" if hit else "MISS")
    headers = {name: value for name, value in signed.headers.items() if name not in FOR_CACHES}
    if named == SIMPLE_HTML and headers.get("Content-Type", "").startswith(_HTML):
        headers["Content-Type"] = named
    headers["Vary"] = "Accept, Accept-Encoding" if named else "Accept-Encoding"
    return replace(signed, headers=headers), headers["X-Cache"]
