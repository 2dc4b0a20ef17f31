"""The lab's server: serves origin and edge over HTTP and HTTPS on loopback, from a thread."""

from __future__ import annotations

import asyncio
import functools
import gzip
import re
import ssl
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

from ..core.observations import SERIAL_HEADER
from ..extras import Extra
from . import calls
from .behaviours import BEHAVIOURS, COPIES, Behaviour
from .calls import Calls, Limits
from .documents import SIMPLE_JSON
from .edge import KINDS, Edge, Kind, Request, json_path
from .origin import INDEX, Answer, Lifetimes, Origin
from .plain_edge import PlainEdge
from .pypi_edge import PyPIEdge
from .wheels import normalized
from .wire import reset, respond

HOST = "127.0.0.1"

_T = TypeVar("_T")

_ENCODERS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@dataclass(frozen=True)
class LabRequest:
    """One request as it arrived, and a summary of its answer."""

    scheme: str
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int
    cache: str = ""
    serial: str = ""
    size: int = 0  # of the answer's body, in bytes

    def header(self, name: str) -> str | None:
        """Return the first header of this name, None if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def path(self) -> str:
        """The part of the target before the query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query of the target, without the question mark."""
        return self.target.partition("?")[2]

    @property
    def is_metadata(self) -> bool:
        """Whether the edge answered it from its cache of pages."""
        return bool(self.cache)

    def __str__(self) -> str:
        """Return the line that `lab` prints."""
        encoding = self.header("Accept-Encoding")
        accepts = f"[{encoding}]" if encoding is not None else "(no Accept-Encoding)"
        got = f"{self.status} {self.cache} {self.serial}".strip()
        return f"{self.method} {self.target} {accepts} -> {got}"


class Lab:
    """A lab; a context manager that starts and stops its server.

    One thread serves everything. The methods may be called from any other thread.
    """

    def __init__(
        self,
        projects: int = 20,
        behaviour: str | Behaviour = "healthy",
        kind: str | Kind = "cdn",
        *,
        port: int = 0,
        https_port: int = 0,
        delay: float = 0,
        listed: int = 0,
        lifetimes: Lifetimes | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
        on_request: Callable[[LabRequest], None] | None = None,
    ) -> None:
        """Prepare a lab whose projects have one release each; port 0 means any free port.

        Every answer is delayed by `delay` seconds, as from a distant server. `listed` is the number of
        additional projects that are in the index but have no page and never change. `lifetimes` are those of
        answers at an edge of the kind `pypi`, `limits` those of XML-RPC; by `clock`, in seconds, they pass.
        """
        self.names = [f"lab-{number:02}" for number in range(projects)]
        self.behaviour = BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour
        self._kind = KINDS[kind] if isinstance(kind, str) else kind
        self._ports = {"http": port, "https": https_port}
        self.speaks_https = Extra.LAB.is_installed
        self._delay = delay
        self._listed = listed
        self._lifetimes = lifetimes or Lifetimes()
        self._limits = limits or Limits()
        self._clock = clock
        self._on_request = on_request
        self._requests: list[LabRequest] = []
        self._expected: list[tuple[str, threading.Event]] = []
        self._directory = tempfile.TemporaryDirectory(prefix="freshness-lab-")
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="lab", daemon=True)
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        """Start the server, with every project at its first release."""
        self._thread.start()
        self._started.wait()
        if self._failure:
            self._directory.cleanup()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._directory.cleanup()

    @property
    def url(self) -> str:
        """The `master` URL for HTTP."""
        return f"http://{HOST}:{self._ports['http']}"

    @property
    def https_url(self) -> str:
        """The `master` URL for HTTPS, where it is spoken; clients must trust `ca_file`."""
        return f"https://{HOST}:{self._ports['https']}"

    @property
    def ca_file(self) -> Path:
        """The certificate of the lab's own authority, for SSL_CERT_FILE."""
        return Path(self._directory.name) / "ca.pem"

    @property
    def serial(self) -> int:
        """The origin's serial."""
        return self._call(lambda: self._origin.serial)

    @property
    def requests(self) -> list[LabRequest]:
        """All requests since the start or the last `forget()`."""
        return self._call(lambda: list(self._requests))

    def hang_up(self) -> None:
        """Refuse every connection, as a host does whose server has stopped; caches and releases stay."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result()

    def pick_up(self) -> None:
        """Accept connections again, at the same ports."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def forget(self) -> None:
        """Empty the list of requests."""
        self._call(self._requests.clear)

    def expect(self, path: str) -> threading.Event:
        """Return an event that is set by the next request for a path, as it arrives."""
        arrived = threading.Event()
        self._call(lambda: self._expected.append((path, arrived)))
        return arrived

    def release(self, names: Iterable[str] | None = None) -> list[str]:
        """Publish a release of these projects, or of all, and return their names."""
        return self._call(lambda: self._edge.release(self.names if names is None else names))

    def pass_over(self, serials: int) -> None:
        """Raise the serial by this many, as events of unlisted projects do."""
        self._call(lambda: self._origin.pass_over(serials))

    def behave(self, behaviour: Behaviour | str) -> None:
        """Switch to another behaviour; cached copies and releases stay."""
        self._call(lambda: self._edge.behave(BEHAVIOURS[behaviour] if isinstance(behaviour, str) else behaviour))

    def heal(self) -> None:
        """Switch to `healthy`, empty the edge's cache and correct the origin's serials."""
        self._call(lambda: self._edge.heal())

    def restore(self, serial: int) -> None:
        """Roll the origin back to a serial, as if restored from a backup, and empty the edge's cache."""
        self._call(lambda: self._edge.restore(serial))

    def claim(self, name: str, serial: int | None) -> None:
        """Make the index and XML-RPC list this serial for a project; None restores the true one."""
        self._call(lambda: self._edge.claim(name, serial))

    def roll_back(self, name: str, *, index: bool = False) -> None:
        """Undo a project's last release on the origin's page, and drop all cached copies of it.

        If `index` is true, the index and its serial are rolled back too.
        """
        self._call(lambda: self._edge.roll_back(name, index=index))

    def page(self, name: str) -> Answer:
        """Return the origin's JSON document of a project; 404 if there is none."""
        return self._call(lambda: self._edge.page(name))

    def plant(self, name: str, answer: Answer, copies: Iterable[str] = COPIES) -> None:
        """Replace these copies of a project's JSON document with an answer from another time."""
        self._call(lambda: self._edge.plant(json_path(name), answer, copies))

    def plant_index(self, serial: int, body: str, copies: Iterable[str], kind: str = SIMPLE_JSON) -> None:
        """Replace these copies of the index with this one."""
        answer = Answer(200, {"Content-Type": kind, SERIAL_HEADER: str(serial)}, body.encode())
        self._call(lambda: self._edge.plant(INDEX, answer, copies))

    def remove(self, name: str, *, counts: bool = False) -> None:
        """Delete a project from the origin and from the edge's cache; if it `counts`, as an event of its own."""
        self._call(lambda: self._edge.remove(name, counts=counts))

    def empty(self, name: str) -> None:
        """Delete all releases of a project: it stays in the index, its page is a 404."""
        self._call(lambda: self._edge.empty(name))

    def quarantine(self, name: str, *, entered: bool = True) -> None:
        """Quarantine a project at PyPI, or release it: in quarantine it is not in the index, and its page is a 404."""
        self._call(lambda: self._edge.quarantine(name, entered=entered))

    def invite(self, name: str) -> None:
        """Raise a project's serial without purging its page, as PyPI's invitations do."""
        self._call(lambda: self._edge.invite(name))

    def switch(self) -> str:
        """Switch to the edge's other point of presence and return its name."""
        return self._call(lambda: self._edge.switch())

    def announced(self, name: str) -> int:
        """Return the serial that the origin's index announces for a project."""
        return self._call(lambda: self._origin.projects[normalized(name)].announced)

    def versions(self, name: str) -> list[str]:
        """Return a project's versions at the origin."""
        return self._call(lambda: list(self._origin.projects[normalized(name)].versions))

    def _call(self, function: Callable[[], _T]) -> _T:
        """Run a function in the lab's thread, so that nothing needs a lock."""

        async def call() -> _T:
            return function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        application = web.Application(client_max_size=2**20)
        application.router.add_post("/+lab/release", self._control)
        application.router.add_post("/+lab/switch", self._switch)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        self._contexts = {"http": None, **({"https": self._tls()} if self.speaks_https else {})}
        await self._runner.setup()
        try:
            await self._listen()
            self._origin = Origin(self._listed, self._lifetimes)
            self._calls = Calls(self._origin, self._clock, self._limits)
            self._edge = self._made_edge()
            for name in self.names:
                self._origin.publish(name)
        except Exception as error:  # noqa: BLE001 - __enter__ raises it again, in the thread that waits
            self._failure = error
            self._started.set()
        else:
            self._started.set()
            await self._stopping.wait()
        finally:
            await self._runner.cleanup()

    async def _listen(self) -> None:
        for scheme, context in self._contexts.items():
            site = web.TCPSite(self._runner, HOST, self._ports[scheme], ssl_context=context)
            await site.start()
            self._ports[scheme] = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _hang_up(self) -> None:
        for site in list(self._runner.sites):
            await site.stop()

    def _made_edge(self) -> Edge:
        if self._kind.is_pypis:
            return PyPIEdge(self._origin, self.behaviour, self.url, self._clock, self._lifetimes.other)
        return PlainEdge(self._origin, self.behaviour, self._kind, self.url)

    def _tls(self) -> ssl.SSLContext:
        import trustme  # an extra

        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(HOST, "localhost").configure_cert(context)
        return context

    async def _control(self, request: web.Request) -> web.Response:
        names = request.query.getall("project", self.names)
        return web.json_response({"released": self._edge.release(names), "serial": self._origin.serial})

    async def _switch(self, _: web.Request) -> web.Response:
        return web.json_response({"point_of_presence": self._edge.switch()})

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        path = re.sub("/{2,}", "/", path)  # as web servers do
        body = await request.read()
        asked = Request(
            path,
            query,
            request.headers.get("Accept", ""),
            request.headers.get("Accept-Encoding", ""),
            "no-cache" in request.headers.get("Cache-Control", ""),
        )
        cache = ""
        if request.method == "POST" and path in calls.PATHS:
            answer = self._calls.answer(body, self._edge.behaviour)
        elif request.method in ("GET", "HEAD") and path.startswith("/packages/"):
            answer = self._file(path)
        elif request.method == "HEAD" and self._edge.behaviour.refuses_head:
            answer = Answer(405)
        elif request.method in ("GET", "HEAD"):
            answer, cache = self._edge.answer(asked)
        else:
            answer, cache = self._edge.pass_on(asked, request.method)
        fault = self._edge.behaviour.fault if path.startswith("/pypi/") and self._edge.affects(path) else ""
        if fault == "error" or (self._edge.behaviour.index == "error" and path == INDEX):
            answer = Answer(503, {"Content-Type": "text/plain"}, b"503 Service Unavailable")
        elif fault == "garbled":
            answer = replace(answer, body=b"{" + answer.body)
        if cache:
            answer = self._encoded(asked.accept_encoding, answer)
        self._remember(request, body, answer, cache)
        if self._delay:
            await asyncio.sleep(self._delay)
        if fault == "silent" or (request.method == "HEAD" and self._edge.behaviour.hangs_on_head):
            await self._stopping.wait()
        if fault == "reset":
            reset(request)
        truncated = fault == "truncated" or (self._edge.behaviour.index == "truncated" and path == INDEX)
        return await respond(request, answer, truncated=truncated)

    def _file(self, path: str) -> Answer:
        answer = self._origin.file(path)
        fault = self._edge.behaviour.file_fault if self._edge.affects(path.rpartition("/")[2]) else ""
        if fault == "missing":
            return Answer(404)
        return replace(answer, body=answer.body[::-1]) if fault == "altered" else answer

    def _encoded(self, accept_encoding: str, answer: Answer) -> Answer:
        copy = self._edge.copy_for(accept_encoding)
        if not answer.body or copy not in self._edge.compresses:
            return answer
        return replace(answer, headers={**answer.headers, "Content-Encoding": copy}, body=_encode(copy, answer.body))

    def _remember(self, request: web.Request, body: bytes, answer: Answer, cache: str) -> None:
        asked = LabRequest(
            request.scheme,
            request.method,
            request.raw_path,
            tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers),
            body,
            answer.status,
            cache,
            answer.headers.get(SERIAL_HEADER, ""),
            0 if request.method == "HEAD" else len(answer.body),
        )
        self._requests.append(asked)
        for path, arrived in self._expected:
            if path == asked.path:
                arrived.set()
        if self._on_request:
            self._on_request(asked)


# Cached because a real edge keeps its copies encoded.
@functools.lru_cache(maxsize=8192)
def _encode(copy: str, body: bytes) -> bytes:
    return _ENCODERS[copy](body)
