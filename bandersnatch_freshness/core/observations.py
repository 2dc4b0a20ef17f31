"""Observations: what one answer showed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from .serials import parse_serial
from .variants import Variant

SERIAL_HEADER = "X-PyPI-Last-Serial"

_LONGEST_VALUE = 100
_UNPRINTABLE = re.compile(r"[^ -~]")


# What the headers are called in a state file, and in log lines.
_EVIDENCE = {
    "served_by": "X-Served-By",
    "x_cache": "X-Cache",
    "cache_status": "Cache-Status",
    "age": "Age",
    "via": "Via",
    "etag": "ETag",
}


_KEPT = ("status", "serial", "problem", *_EVIDENCE)

# What is kept of an observation: its fields that say something, the variant by name.
Evidence = Mapping[str, str | int]


class Observation(NamedTuple):
    """What one answer showed; `status` and `serial` are None where it showed none."""

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

    def __str__(self) -> str:
        """Say in a few words which variant got what, from which node."""
        got = self.problem or ("no serial" if self.serial is None else f"serial {self.serial}")
        return f"{self.variant} got {got}" + (f" from {self.served_by}" if self.served_by else "")

    def evidence(self) -> Evidence:
        """Return what to keep of it: plain data, without what says nothing."""
        fields = {"variant": str(self.variant), **{name: getattr(self, name) for name in _KEPT}}
        return {name: value for name, value in fields.items() if value not in ("", None)}

    @property
    def came_past_caches(self) -> bool:
        """Whether the caches on the way say that none of them had the answer.

        Fastly and Varnish list a state for each node in X-Cache; Cache-Status has a member
        for each cache, with `hit` or `fwd` (RFC 9211, section 2).
        """
        states = self.x_cache.lower()
        if states:
            return "miss" in states and "hit" not in states
        members = [[part.strip() for part in member.split(";")[1:]] for member in self.cache_status.split(",")]
        return bool(self.cache_status) and all(
            any(part.startswith("fwd=") for part in parts) and not {"hit", "hit=?1"} & set(parts) for parts in members
        )


def observe(variant: Variant, status: int, headers: Mapping[str, str]) -> Observation:
    """Read an answer's headers (a case-insensitive mapping)."""
    raw = headers.get(SERIAL_HEADER)
    serial = parse_serial(raw)
    problem = ""
    if status >= 400:
        problem = f"status {status}"
    elif raw is not None and serial is None:
        problem = f"the malformed serial '{printable(raw)}'"
    evidence = {field: printable(_joined(headers, name)) for field, name in _EVIDENCE.items() if name in headers}
    return Observation(variant, status, serial, problem, **evidence)


def _joined(headers: Mapping[str, str], name: str) -> str:
    """Return all that came under a name, as one list: each cache on the way may add a line (RFC 9110, section 5.3)."""
    every = getattr(headers, "getall", None)  # where the mapping is one of several values
    return ", ".join(every(name, ())) if every else headers.get(name, "")


def printable(value: str) -> str:
    """Return a value from outside so that it does no harm in a log line: ASCII, short."""
    safe = value
    if not (value.isascii() and value.isprintable()):
        safe = _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return safe if len(safe) <= _LONGEST_VALUE else f"{safe[:_LONGEST_VALUE]}…"
