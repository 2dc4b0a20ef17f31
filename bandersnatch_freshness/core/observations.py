"""Observations: what one answer showed, and the serials in answers and pages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ..formatting import LONGEST_VALUE, printable
from .variants import Variant

SERIAL_HEADER = "X-PyPI-Last-Serial"

# A number with more digits is not a serial: PyPI counted some 30 million events in its first 20 years.
HIGHEST_SERIAL = 10**18 - 1
_LONGEST_SERIAL = len(str(HIGHEST_SERIAL))
_AT_THE_END = re.compile(rb"<!--SERIAL ([0-9]{1,18})-->\s*\Z")

# The headers that count as evidence, by their names in the state file and in log lines.
_EVIDENCE = {
    "served_by": "X-Served-By",
    "x_cache": "X-Cache",
    "cache_status": "Cache-Status",
    "age": "Age",
    "via": "Via",
    "etag": "ETag",
}

_KEPT = ("status", "serial", "problem", *_EVIDENCE)

# What is wrong with a page that is not whole.
BREAKS_OFF, NO_JSON = BROKEN_BODIES = ("a body that breaks off", "a body that is no JSON")

# What is kept of an observation: its non-empty fields, the variant by name.
Evidence = Mapping[str, str | int]


class Observation(Struct, frozen=True):
    """What one answer showed; `status` and `serial` are None if it had none."""

    variant: Variant
    status: int | None = None
    serial: int | None = None
    problem: str = ""
    served_by: str = ""
    x_cache: str = ""
    cache_status: str = ""
    age: str = ""
    via: str = ""
    etag: str = ""
    # Whether the server asks for fewer requests, or refuses them.
    is_refusal: bool = False
    # The Retry-After of a refusal, and the Date that goes with it.
    retry_after: str = ""
    date: str = ""

    def __str__(self) -> str:
        """Return which variant got what, and from which node, for a log line."""
        got = self.problem or ("no serial" if self.serial is None else f"serial {self.serial}")
        return f"{self.variant.name} got {got}" + (f" from {self.served_by}" if self.served_by else "")

    def evidence(self) -> Evidence:
        """Return what to keep of this observation, as plain data without empty fields."""
        fields = {"variant": self.variant.name, **{name: getattr(self, name) for name in _KEPT}}
        return {name: value for name, value in fields.items() if value not in ("", None)}

    @property
    def is_proven_gone(self) -> bool:
        """Whether it is a 404 of the origin's own: each cache on the way says that it did not have it."""
        return self.status == 404 and self.came_past_caches and not self.age and not self.via

    @property
    def is_cached(self) -> bool:
        """Whether the nearest cache reports that it had the answer.

        Each cache on the way adds itself at the end, to X-Cache as to Cache-Status.
        """
        nearest = (self.x_cache or self.cache_status).lower().rpartition(",")[2]
        return "hit" in nearest and "fwd=" not in nearest

    @property
    def came_past_caches(self) -> bool:
        """Whether every cache on the way reports that it did not have the answer.

        Fastly and Varnish list a state for each node in X-Cache; Cache-Status has a member
        for each cache, with `hit` or `fwd` (RFC 9211, section 2).
        """
        states = self.x_cache.lower()
        if states:
            return ("miss" in states or "pass" in states) and "hit" not in states
        members = [[part.strip() for part in member.split(";")[1:]] for member in self.cache_status.split(",")]
        return bool(self.cache_status) and all(
            any(part.startswith("fwd=") for part in parts) and not {"hit", "hit=?1"} & set(parts) for parts in members
        )


def observe(variant: Variant, status: int, headers: Mapping[str, str]) -> Observation:
    """Return what an answer's headers show; `headers` is a case-insensitive mapping.

    PyPI asks mirrors to stop at 429 and 403; Retry-After is that of RFC 9110, section 10.2.3.
    A header that appears several times, because each cache on the way added a line, is joined
    into one list (RFC 9110, section 5.3).
    """
    raw = headers.get(SERIAL_HEADER)
    serial = parse_serial(raw)
    problem = ""
    if status >= 400:
        problem = f"status {status}"
    elif raw is not None and serial is None:
        problem = f"the malformed serial '{printable(raw)}'"
    every = getattr(headers, "getall", None)  # only a mapping that can hold several values per name has this
    evidence = {}
    for field, name in _EVIDENCE.items():
        if name in headers:
            value = ", ".join(every(name)) if every else headers[name]
            is_harmless = value.isascii() and value.isprintable() and len(value) <= LONGEST_VALUE
            evidence[field] = value if is_harmless else printable(value)
    is_refusal = status in (403, 429) or (status == 503 and "Retry-After" in headers)
    seen = Observation(variant, status, serial, problem, **evidence, is_refusal=is_refusal)
    if is_refusal:
        return replace(seen, retry_after=headers.get("Retry-After") or "", date=headers.get("Date") or "")
    return seen


def observe_elsewhere(variant: Variant) -> Observation:
    """Return the observation for an answer that a redirect to another place than the master's pages led to.

    Whoever answers there says nothing about the master, neither that a page is stale nor that it is gone.
    """
    return Observation(variant, 302, problem="a redirect to another host")


def parse_serial(text: str | None) -> int | None:
    """Return the serial in the text of a header or field, None if it is not a serial.

    Stricter than `int()`, which accepts "4_2", "-1" and digits of any script, and raises
    for anything else.
    """
    text = (text or "").strip(" \t")
    return int(text) if text.isdigit() and text.isascii() and len(text) <= _LONGEST_SERIAL else None


def serial_in_html(page: bytes) -> int | None:
    """Return the serial at the end of an HTML simple page, None if there is none. The last 64 bytes are enough.

    Source: bandersnatch/simple.py, which ends a page as PyPI does. The same text elsewhere in
    a page could have been put there by anyone.
    """
    found = _AT_THE_END.search(page)
    return int(found[1]) if found else None


def is_of_cache(evidence: Evidence) -> bool:
    """Return whether a cache on the way says by itself that it had the answer.

    In X-Cache, in Cache-Status (as in `came_past_caches`), or by an Age, which no answer of an origin's has (RFC 9111,
    section 5.1); some caches send one of 0 with what they have just fetched.
    """
    age = str(evidence.get("age", ""))
    said = re.split(r"[;,\s]+", str(evidence.get("cache_status", "")))
    is_hit = "hit" in str(evidence.get("x_cache", "")).lower() or not {"hit", "hit=?1"}.isdisjoint(said)
    return is_hit or (age.isdecimal() and int(age) > 0)


def is_document(body: bytes) -> bool:
    """Return whether a body is a JSON object, as every page in JSON is."""
    return _page(body) is not None


def serial_in_body(body: bytes) -> int | None:
    """Return the serial in a project's JSON document or JSON simple page, None if there is none.

    Source: `last_serial` in PyPI's documentation of its JSON API; `_last-serial` in the `meta`
    of PEP 691, an addition that PyPI and Bandersnatch write.
    """
    page = _page(body) if body else None  # of a new package, the mirror has none
    if page is None:
        return None
    found = page.last_serial
    if found is msgspec.UNSET and page.meta and (meta := _read(_META, page.meta)):
        found = meta.last_serial
    if type(found) is int:  # as nearly always; a bool is none
        return found if 0 <= found <= HIGHEST_SERIAL else None
    return parse_serial(found) if isinstance(found, str) else None


class _Page(msgspec.Struct, gc=False):
    """Where a page has its serial. The whole text is checked, but nothing else of it becomes an object.

    A page may have many megabytes: so that takes a tenth of the time, and no memory.
    """

    last_serial: Any = msgspec.UNSET
    meta: msgspec.Raw = msgspec.Raw()


class _Meta(msgspec.Struct, gc=False):
    last_serial: Any = msgspec.field(default=msgspec.UNSET, name="_last-serial")


_PAGE, _META = msgspec.json.Decoder(_Page), msgspec.json.Decoder(_Meta)

_Part = TypeVar("_Part", _Page, _Meta)


def _page(body: bytes) -> _Page | None:
    """Return a page, None if it is none to Python's parser either.

    That takes what JSON does not allow, such as NaN or half of a surrogate pair, and so does Bandersnatch.
    """
    page = _read(_PAGE, body)
    if page is not None:
        return page
    try:
        found = json.loads(body.decode("utf-8"))
        kept = {name: found[name] for name in ("last_serial", "meta") if name in found}
        return _read(_PAGE, msgspec.json.encode(kept)) if isinstance(found, dict) else None
    except (ValueError, TypeError, LookupError, RecursionError):
        return None


def _read(decoder: msgspec.json.Decoder[_Part], text: bytes | msgspec.Raw) -> _Part | None:
    """Return a JSON object, None if the text is none."""
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # msgspec's own is no ValueError before 0.19
        return None
