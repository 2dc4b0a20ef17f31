"""Formatting: how values are written in log lines, messages and files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

LONGEST_VALUE = 100

_UNPRINTABLE = re.compile(r"[^ -~]")
# A URL's path is none: something stands in front of it.
_PATH = re.compile(r"""(?<![^\s'"(])/[^\s,;:'")]*""")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def printable(value: str, longest: int = LONGEST_VALUE) -> str:
    """Return an untrusted value in a form safe to log: printable ASCII, at most so many characters and an ellipsis."""
    safe = value
    if not (value.isascii() and value.isprintable()):
        safe = _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), value)
    return safe if len(safe) <= longest else f"{safe[:longest]}…"


def encodable(text: str) -> str:
    """Return a text as UTF-8 can write it; a path may have bytes in it that are none."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def with_texts(value: Any, write: Callable[[str], str]) -> Any:
    """Return a value of JSON in which each text is as `write` returns it, the names of members too."""
    if isinstance(value, str):
        return write(value)
    if isinstance(value, dict):
        return {write(key): with_texts(one, write) for key, one in value.items()}
    return [with_texts(one, write) for one in value] if isinstance(value, list | tuple) else value


def plain_url(url: str) -> str:
    """Return a URL without the parts that may be secret: user, password, query, fragment.

    Raises:
        ValueError: if it is not a URL.
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@lru_cache(4096)
def without_logins(text: str) -> str:
    """Return a text without the users and passwords of the URLs in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


@lru_cache(4096)  # many times in a state are the same
def timestamp(seconds: int) -> str:
    """Return seconds since 1970 as ISO 8601 in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}Z"


@lru_cache(4096)
def seconds(text: str) -> int:
    """Return an ISO 8601 time as seconds since 1970.

    Raises:
        ValueError: if it is not such a time, or has no time zone.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"a time without a zone: {text}")
    return int(time.timestamp())


@lru_cache(4096)
def duration(seconds: int) -> str:
    """Return a time span in its two largest units, such as "1 d 2 h"."""
    parts = []
    for unit, size in _UNITS:
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {unit}")
    return " ".join(parts[:2]) or "0 s"


def meant(name: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return a hint to append to an error, such as "; did you mean status?"; "" if no known name is close enough.

    `likeness` is how close it must be, from 0 to 1.
    """
    import difflib  # which no healthy run needs

    near = difflib.get_close_matches(name.lower().replace("-", "_"), list(known), n=1, cutoff=likeness)
    return f"; did you mean {near[0]}?" if near else ""


def reason(error: Exception) -> str:
    """Return what an error says, without its number and without a path, which may be that of a temporary file."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def without_paths(text: str) -> str:
    """Return a text in which each absolute path is only its last name, as it says too much of a host to everybody."""
    return _PATH.sub(lambda found: found[0].rstrip("/").rpartition("/")[2] or "its root", text)
