"""Answers: what is asked of a mirror from outside, and what an answer shows. No I/O and no clock."""

from __future__ import annotations

import enum
import itertools
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from ..core.observations import observe, parse_serial, serial_in_body, serial_in_html
from ..core.variants import PLAIN
from ..formatting import plain_url
from ..reporting.published import NotPublishedError, Published
from ..reporting.published import read as read_published
from ..reporting.standing import nodes

# How much of an answer is read, in bytes as they are sent, and how much of it is unpacked. The index of all of PyPI
# has many megabytes, of which the beginning is enough.
BEGINNING, LARGEST_PAGE, LARGEST_UNPACKED = 2**16, 2**24, 2**26

_SERIAL_OF_INDEX = re.compile(rb'\A\s*\{\s*"meta"\s*:\s*\{[^{}]*"_last-serial"\s*:\s*"?([0-9]{1,18})[",\s}]')
# A normalized name (PEP 503), by which projects are asked for.
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.ASCII)
_LISTED = re.compile(rb'(?:"name":\s*"|href="(?:/simple/|\./)?)([a-z0-9](?:[a-z0-9-]*[a-z0-9])?)/?"')

# What web servers write in place of a page that they don't find: Apache, nginx and Python; or it links to the page.
_DIRECTORY = re.compile(
    rb'<title>\s*(?:Index of|Directory listing for) /|href="(?:\./)?index\.(?:html|v1_json)"', re.IGNORECASE
)
# Source: bandersnatch/mirror.py, `wrapup_successful_sync`
_MODIFIED = "%Y%m%dT%H:%M:%S"


class Kind(enum.Enum):
    """What is asked for."""

    FACTS = "status.json"
    MODIFIED = "last-modified"
    INDEX = "the index"
    # Some part of the index, for the names in it.
    NAMES = "names"
    PAGE = "a page"


class Form(enum.Enum):
    """The form of a page, by what a pip accepts: from 22.2 on, and before."""

    JSON = (
        "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"  # PEP 691
    )
    HTML = "text/html"


class Copy(Struct, frozen=True):
    """A copy that a cache may keep of a page."""

    form: Form = Form.JSON
    is_packed: bool = True

    def __str__(self) -> str:
        """Return its name for people."""
        return f"{self.form.name}, {'gzip' if self.is_packed else 'plain'}"


COPIES = tuple(itertools.starmap(Copy, itertools.product(Form, (True, False))))


class Question(Struct, frozen=True):
    """One request: for what, of which of the host's addresses ("": any). `begin` is the first byte that is wanted."""

    kind: Kind
    url: str
    address: str = ""
    project: str = ""
    copy: Copy = Copy()
    begin: int = 0

    def headers(self) -> dict[str, str]:
        """Return what a pip sends; what the mirror says of itself is asked for past all caches, where they allow it."""
        if self.kind in (Kind.FACTS, Kind.MODIFIED):
            return {"Accept": "*/*", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}
        sent = {
            "Accept": self.copy.form.value,
            "Accept-Encoding": "gzip, deflate" if self.copy.is_packed else "identity",
            "Cache-Control": "max-age=0",
        }
        return {**sent, "Range": f"bytes={self.begin}-{self.begin + BEGINNING - 1}"} if self.begin else sent

    @property
    def most(self) -> int:
        """How much of the answer to read, in bytes."""
        return BEGINNING if self.kind in (Kind.INDEX, Kind.NAMES) else LARGEST_PAGE


class Raw(Struct, frozen=True):
    """An answer as it came; `headers` is a case-insensitive mapping, and the body is not unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool


class Answer(Struct, frozen=True):
    """What one answer showed; `status` is None if there was none, and `problem` says why.

    `node` is who answered by its own account, `age` for how long a cache says it has had it, in seconds. `size` is that
    of the whole, in bytes. `modified` is when Bandersnatch's last complete run began, in seconds since 1970.
    """

    question: Question
    status: int | None = None
    problem: str = ""
    serial: int | None = None
    node: str = ""
    age: int | None = None
    is_refusal: bool = False
    is_listing: bool = False
    published: Published | None = None
    modified: int | None = None
    names: tuple[str, ...] = ()
    size: int = 0


class Places(Struct, frozen=True):
    """Where to ask: for the facts, and below which URLs, each with a slash at its end, the index may be."""

    facts: str
    roots: tuple[str, ...]

    @property
    def shown(self) -> str:
        """The mirror's URL without what may be secret, as it is told."""
        return plain_url(self.roots[0]).rstrip("/")


def places(url: str) -> Places:
    """Return where to ask for what a URL names: the mirror, pip's index, or the mirror's status page.

    The mirror's root is above the page, as near as there is an index.

    Raises:
        ValueError: if it is no such URL.
    """
    if re.search(r",\s*https?://", url):
        raise ValueError("--url: a space, not a comma, is between one URL and the next")
    found = re.fullmatch(r"(https?://[^/?#\s]+)(/[^?#\s]*)?", url)
    if not found or not plain_url(url).partition("://")[2]:
        raise ValueError(
            f"--url {url if '@' not in url else '(not shown)'}: not the URL of a mirror; allowed: https://… or http://…"
        )
    host, path = found[1], found[2] or "/"
    path = re.sub(r"/simple(?:/|/index\.html)?\Z", "/", path)
    stem, is_page, _ = path.rpartition(".") if path.endswith((".html", ".json")) else ("", "", "")
    if is_page:
        parts = stem.split("/")[1:-1]
        roots = ["/".join(("", *parts[:number], "")) for number in range(len(parts), -1, -1)]
        return Places(f"{host}{stem}.json", tuple(host + root for root in roots))
    root = path.rstrip("/") + "/"
    return Places(f"{host}{root}status.json", (host + root,))


def read(question: Question, raw: Raw) -> Answer:
    """Return what an answer shows."""
    seen = observe(PLAIN, raw.status, raw.headers)
    age = int(seen.age) if seen.age.isascii() and seen.age.isdigit() else None
    found = Answer(question, raw.status, seen.problem, seen.serial, next(iter(nodes([seen.evidence()])), ""), age)
    if raw.status not in (200, 206):
        return replace(found, problem=f"status {raw.status}", is_refusal=seen.is_refusal)
    try:
        body, is_whole = _unpacked(raw)
    except zlib.error:
        return replace(found, problem="a body that is not what its Content-Encoding says")
    if question.kind is Kind.FACTS:
        return replace(found, published=_facts(body))
    if question.kind is Kind.MODIFIED:
        return replace(found, modified=_modified(body))
    if question.kind in (Kind.INDEX, Kind.NAMES):
        of_body = _SERIAL_OF_INDEX.match(body)
        names = tuple(dict.fromkeys(name.decode() for name in _LISTED.findall(body)))
        serial = found.serial if found.serial is not None else int(of_body[1]) if of_body else None
        return replace(found, serial=serial, names=names, size=_size(raw))
    if not is_whole:
        return replace(found, problem="a body that breaks off")
    if found.serial is None:
        serial = serial_in_body(body) if body.lstrip().startswith(b"{") else serial_in_html(body)
        is_listing = serial is None and _DIRECTORY.search(body) is not None
        return replace(found, serial=serial, is_listing=is_listing)
    return found


def _unpacked(raw: Raw) -> tuple[bytes, bool]:
    """Return a body, unpacked, and whether that is all of it."""
    encoding = raw.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("gzip", "x-gzip", "deflate"):
        return raw.body, raw.is_whole
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
    return unpacker.decompress(raw.body, LARGEST_UNPACKED), unpacker.eof


def _facts(body: bytes) -> Published | None:
    try:
        return read_published(body)
    except NotPublishedError:
        return None


def _modified(body: bytes) -> int | None:
    try:
        return int(datetime.strptime(body.decode().strip(), _MODIFIED).replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _size(raw: Raw) -> int:
    """Return the size of what is asked for, in bytes; 0 where it can't be told, as of what is packed."""
    return 0 if "Content-Encoding" in raw.headers else parse_serial(raw.headers.get("Content-Length")) or 0
