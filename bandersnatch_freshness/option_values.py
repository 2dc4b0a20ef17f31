"""The values of options: what their texts mean. Each function takes a text, and raises `BadValueError`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

_PARAMETER = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
_A_DAY = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://\S+", re.ASCII)
SHOWN_LINE = "(line {}, of {} characters)"  # as the URL in it may hold secrets
# What is meant to switch something on or off is no file of that name.
_SWITCHES = frozenset(("true", "false", "yes", "no", "on", "off"))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class BadValueError(ValueError):
    """A value is not allowed. If set, `shown` replaces the value in the error, and `allowed` the option's own."""

    def __init__(self, problem: str, shown: str = "", allowed: str = "") -> None:
        """`problem` says in words what is wrong."""
        super().__init__(problem)
        self.problem, self.shown, self.allowed = problem, shown, allowed


def one_of(**values: Any) -> Callable[[str], Any]:
    """Return what reads one of these names, as its value."""

    def parse(value: str) -> Any:
        if value not in values:
            raise BadValueError("not a known value")
        return values[value]

    return parse


def a_day(value: str) -> int | None:
    """Return how many; None if that depends on the master."""
    if value in ("auto", "never"):
        return None if value == "auto" else 0
    if not _A_DAY.fullmatch(value):
        raise BadValueError("not a number a day")
    return int(value)


def parameter(value: str) -> str:
    """Return the name of a query parameter."""
    if not _PARAMETER.fullmatch(value):
        raise BadValueError("not the name of a query parameter")
    return value


def duration(value: str) -> int:
    """Return seconds."""
    found = _DURATION.fullmatch(value)
    if not found or not int(found[1]):
        raise BadValueError("not a duration")
    return int(found[1]) * _SECONDS[found[2]]


def duration_or_never(value: str) -> int | None:
    """Return seconds; None for `never`."""
    return None if value == "never" else duration(value)


def path(value: str) -> str:
    """Return the path of a file; empty for none."""
    if value.endswith("/") or "\n" in value or value.lower() in _SWITCHES:
        raise BadValueError("not a file")
    return value


def required_path(value: str) -> str:
    """Return the path of a file."""
    if not value:
        raise BadValueError("not a file")
    return path(value)


def notify(value: str) -> tuple[str, ...]:
    """Return the URLs, of which there is one per line."""
    urls = tuple(line for line in map(str.strip, value.split("\n")) if line)
    for number, url in enumerate(urls, 1):
        found, shown = _URL.fullmatch(url), SHOWN_LINE.format(number, len(url))
        if not found:
            raise BadValueError("not a URL", shown)
        if found["scheme"] in ("alertmanager", "alertmanagers") and not _has_host(url):
            raise BadValueError("no host in it", shown, "alertmanager://host:port")
    return urls


def heartbeat(value: str) -> str:
    """Return the URL; empty for none."""
    if value and not (re.fullmatch(r"https?://\S+", value, re.ASCII) and _has_host(value)):
        raise BadValueError("not such a URL", f"(of {len(value)} characters)")  # any part of it may be a secret
    return value


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
