"""The edge: every answer is a pure function of the request, the world and the faults of the moment."""

from __future__ import annotations

import functools
import json
import re
import xmlrpc.client
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from hashlib import blake2b, md5, sha256
from typing import Any, NamedTuple

from packaging.utils import canonicalize_name

from .faults import (
    ALL_BREAKS,
    BEHIND,
    CACHED_404S,
    FILE_BREAKS,
    INDEX_BREAKS,
    INDEX_LIES,
    PAGE_BREAKS,
    PAGE_LIES,
    XMLRPC_BREAKS,
    Answer,
    Break,
    Fault,
    Listed,
    listed,
    shown,
)
from .world import INDEX_LAG, Event, Page, World, release_file

SERIAL = "X-PyPI-Last-Serial"
SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


class Request(NamedTuple):
    """A request; the names of its headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def copy(self) -> str:
        """The copy that is chosen by Accept-Encoding."""
        accepts = self.headers.get("accept-encoding", "")
        return "gzip" if "gzip" in accepts else "deflate" if "deflate" in accepts else "identity"


class Edge:
    """One of two edges in front of one origin.

    It looks pages up without their query and heeds no `no-cache`, as PyPI's does, unless it `is_proxy`.
    """

    def __init__(self, world: World, name: str, *, is_proxy: bool = False) -> None:
        """`name` is what faults know it by. There are no faults yet."""
        self.world = world
        self.name = name
        self.is_proxy = is_proxy
        self.base = ""
        self.faults: list[Fault] = []
        # Answers by the kind of fault that changed them.
        self.met: Counter[str] = Counter()
        # Projects of which a page was shown that bare Bandersnatch believes and should not: see `_page`.
        self.deceived: set[str] = set()
        # Projects of which a page said less in its body than in its header: bare Bandersnatch doesn't look there.
        self.understated: set[str] = set()
        # The index and the changes that were given out last.
        self.listing: Listed | None = None
        self.changes: dict[str, int] = {}
        self._files: dict[str, tuple[str, str]] = {}

    def forget(self) -> None:
        """Forget what was given out."""
        self.deceived.clear()
        self.understated.clear()
        self.listing = None
        self.changes = {}

    def answer(self, request: Request) -> Answer:
        """Answer any request."""
        path, _, query = request.target.partition("?")
        path = re.sub("/{2,}", "/", path)
        is_past = self.is_proxy and (bool(query) or "no-cache" in request.headers.get("cache-control", ""))
        if path == "/simple":
            answer = Answer(301, {"Location": "/simple/"})
        elif path == "/simple/":
            answer = self._index(request, is_past=is_past)
        elif found := re.fullmatch(r"/pypi/([^/]+)/json", path):
            answer = self._page(found[1], request.copy, is_past=is_past)
        elif path == "/pypi" and request.method == "POST":
            answer = self._xmlrpc(request.body)
        elif path.startswith("/packages/"):
            answer = self._file(path)
        else:
            answer = Answer(404)
        return self._break(answer, ALL_BREAKS, self._hitting(ALL_BREAKS))

    def _hitting(self, kinds: Iterable[str], name: str = "", copy: str = "") -> list[Fault]:
        now = self.world.now
        return [
            one
            for one in self.faults
            if one.kind in kinds
            and one.begin <= now < one.end
            and self.name in one.edges
            and (not name or name in one.names)
            and (not copy or copy in one.copies)
        ]

    def _break(self, answer: Answer, breaks: Mapping[str, Break], faults: Iterable[Fault]) -> Answer:
        for fault in faults:
            self.met[fault.kind] += 1
            answer = breaks[fault.kind](answer, fault)
        return answer

    def _page(self, asked: str, copy: str, *, is_past: bool) -> Answer:
        name = next((one for one in self.world.names if canonicalize_name(one) == canonicalize_name(asked)), asked)
        one = shown(self.world.page(name))
        faults = self._hitting(PAGE_LIES, name, copy)
        for fault in faults:
            # The caches are passed; the origin itself may lie.
            if is_past and "stale" in fault.kind:
                continue
            changed = PAGE_LIES[fault.kind](one, self.world, name, fault)
            self.met[fault.kind] += changed != one
            one = changed
        headers = {"Via": "1.1 proxy", "Age": "9"} if self.is_proxy and not is_past else {}
        if not self.is_proxy:
            headers = {"X-Cache": "MISS, HIT" if one.is_hit else "MISS, MISS", "X-Served-By": "shield-1, edge-1"}
        if not one.page.versions:
            answer = Answer(404, {**headers, "Content-Type": "text/plain"}, b"404")
        else:
            if one.header is not None:
                headers[SERIAL] = one.header
            headers["Content-Type"] = "application/json"
            answer = _encoded(Answer(200, headers, _document(name, one.page, one.body, self.base)), copy)
        if not self.world.page(name).versions:
            return answer
        breaks = self._hitting(PAGE_BREAKS, name, copy)
        answer = self._break(answer, PAGE_BREAKS, [one for one in breaks if not (is_past and one.kind in CACHED_404S)])
        if answer.status == 404 or one.page.serial < one.claims:
            self.deceived.add(name)
        if (one.body or one.claims) < one.claims:
            self.understated.add(name)
        return answer

    def _index(self, request: Request, *, is_past: bool) -> Answer:
        copy = request.copy
        lag = 0 if is_past else (self.world.now + {"gzip": 0, "deflate": 1000, "identity": 2000}[copy]) % INDEX_LAG
        one = listed(self.world, self.world.now - lag)
        for fault in self._hitting(INDEX_LIES, copy=copy):
            if is_past and "stale" in fault.kind:
                continue
            changed = INDEX_LIES[fault.kind](one, self.world, fault)
            self.met[fault.kind] += changed != one
            one = changed
        headers = {"Content-Type": SIMPLE_JSON} | ({SERIAL: one.header} if one.header is not None else {})
        answer = _encoded(Answer(200, headers, _listing(one)), copy)
        breaks = self._hitting(INDEX_BREAKS, copy=copy)
        if request.method == "GET" and not breaks:
            self.listing = one
        return self._break(answer, INDEX_BREAKS, breaks)

    def _file(self, path: str) -> Answer:
        for name, history in self.world.pages.items():
            for page in history:
                for version in page.versions:
                    self._files.setdefault(release_file(name, version).path, (name, version))
        if path not in self._files:
            return Answer(404)
        name, version = self._files[path]
        answer = Answer(200, {"Content-Type": "application/octet-stream"}, release_file(name, version).content)
        return self._break(answer, FILE_BREAKS, self._hitting(FILE_BREAKS, name))

    def _xmlrpc(self, body: bytes) -> Answer:
        parameters, method = xmlrpc.client.loads(body)
        faults = self._hitting(XMLRPC_BREAKS)
        at = min((one.begin for one in faults if one.kind == BEHIND), default=self.world.now)
        result: Any
        events: list[Event] = []
        if method == "changelog_last_serial":
            result = self.world.last_serial(at)
        elif method == "changelog_since_serial":
            since = int(str(parameters[0]))
            events = self.world.changelog(since, at)
            result = [[one.name, one.version, one.at, "new release", one.serial] for one in events]
        elif method == "list_packages_with_serial":
            result = self.world.listing(at)
        else:
            return Answer(404)
        if method == "changelog_since_serial" and {one.kind for one in faults} <= {BEHIND}:
            self.changes = {one.name: one.serial for one in events}
        text = xmlrpc.client.dumps((result,), methodresponse=True)
        return self._break(Answer(200, {"Content-Type": "text/xml"}, text.encode()), XMLRPC_BREAKS, faults)


def _encoded(answer: Answer, copy: str) -> Answer:
    if copy == "identity":
        return answer
    headers = {**answer.headers, "Content-Encoding": copy, "Vary": "Accept-Encoding"}
    return replace(answer, headers=headers, body=_compressed(answer.body, copy))


@functools.lru_cache(maxsize=512)
def _compressed(body: bytes, copy: str) -> bytes:
    compressor = zlib.compressobj(1, wbits=31 if copy == "gzip" else 15)
    return compressor.compress(body) + compressor.flush()


@functools.lru_cache(maxsize=4096)
def _document(name: str, page: Page, serial: int | None, base: str) -> bytes:
    """Return a JSON document; its generation is in its summary, and as what its files require, on simple pages too."""
    releases = {version: [_described(name, version, page.generation, base)] for version in page.versions}
    document = {
        "info": {
            "name": name,
            "version": page.versions[-1],
            "summary": f"generation {page.generation}",
            "classifiers": [],
            "requires_dist": None,
            "requires_python": None,
        },
        "releases": releases,
        "urls": releases[page.versions[-1]],
    }
    return json.dumps(document | ({} if serial is None else {"last_serial": serial})).encode()


def _described(name: str, version: str, generation: int, base: str) -> dict[str, Any]:
    path, content = release_file(name, version)
    digests = {
        "md5": md5(content, usedforsecurity=False).hexdigest(),
        "sha256": sha256(content).hexdigest(),
        "blake2b_256": blake2b(content, digest_size=32).hexdigest(),
    }
    return {
        "filename": path.rpartition("/")[2],
        "url": base + path,
        "packagetype": "bdist_wheel",
        "python_version": "py3",
        "requires_python": f">=0.{generation}",
        "size": len(content),
        "upload_time": "2018-10-16T12:00:00",
        "upload_time_iso_8601": "2018-10-16T12:00:00.000000Z",
        "digests": digests,
        "md5_digest": digests["md5"],
        "yanked": False,
        "yanked_reason": None,
    }


def _listing(one: Listed) -> bytes:
    meta = {"api-version": "1.4"} | ({} if one.serial is None else {"_last-serial": one.serial})
    projects = [
        {"name": name} | ({} if serial is None else {"_last-serial": serial})
        for name, serial in sorted(one.projects.items())
    ]
    return json.dumps({"meta": meta, "projects": projects}).encode()
