"""The section `[freshness]` of bandersnatch.conf: its options, defaults and bad values."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from .core.incidents import Thresholds
from .core.observations import printable
from .core.variants import AcceptEncoding, Variant, rungs

SECTION = "freshness"

ADAPTIVE = "freshness"
ENCODING = "freshness_encoding"
CACHE_BUST = "freshness_cache_bust"
ESCALATION = "freshness_escalation"
QUARANTINE = "freshness_quarantine"
GUARD = "freshness_guard"
PLUGINS = (ADAPTIVE, ENCODING, CACHE_BUST, GUARD, ESCALATION, QUARANTINE)

_ACCEPT_ENCODING = {
    "auto": None,
    "strip": AcceptEncoding.ABSENT,
    "keep": AcceptEncoding.CLIENT,
}
_CACHE_BUST = {"auto": None, "always": True, "never": False}
_PARAMETER = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://\S+", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Option(NamedTuple):
    """An option: its default, as one would write it or in words; what is allowed; what it does."""

    default: str
    allowed: str
    meaning: str


# What Bandersnatch itself keeps in the mirror's directory.
_FILES = ("status", "todo", "generation", ".lock")
_DIRECTORIES = ("web/simple/", "web/pypi/", "web/json/", "web/packages/", "web/local-stats/")

_DURATIONS = "a duration such as `90s`, `30m`, `6h`, `1d`"

OPTIONS: Mapping[str, Option] = {
    "accept_encoding": Option(
        "`strip` with `freshness_encoding`, else `auto` with `freshness` or `freshness_guard`, else `keep`",
        "`auto`, `strip`, `keep`",
        "Which Accept-Encoding metadata requests carry. `strip`: none. `keep`: what Bandersnatch's HTTP client sends, "
        "always. `auto`: what the client sends, until an answer is stale; then others are tried.",
    ),
    "cache_bust": Option(
        "`always` with `freshness_cache_bust`, else `auto` with `freshness` or `freshness_guard`, else `never`",
        "`auto`, `always`, `never`",
        "Which metadata requests carry the cache-bust parameter. `always`: every one. `never`: none. `auto`: none, "
        "until an answer is stale; then it is tried.",
    ),
    "cache_bust_parameter": Option(
        "cache-bust",
        "letters, digits and `. _ ~ -`",
        "The name of the query parameter. Its value is the time in nanoseconds since 1970, and never the same twice.",
    ),
    "state": Option(
        "freshness.json",
        "a path",
        "Where the state is kept; a relative path lies in the mirror's directory.",
    ),
    "warn_after": Option("1h", _DURATIONS, "An incident this old, seen in at least 3 runs, becomes a `warning`."),
    "critical_after": Option(
        "1d",
        f"{_DURATIONS}, not shorter than `warn_after`",
        "An incident this old, seen in at least 3 runs, becomes `critical`.",
    ),
    "repeat_every": Option("1d", _DURATIONS, "How often a channel hears again of an incident that is still open."),
    "quarantine_after": Option(
        "6h",
        f"{_DURATIONS}, or `never`",
        "A package that has been stale for so long, in at least 3 runs, goes into quarantine. `never` switches that "
        "off, and hands back to Bandersnatch what is in quarantine.",
    ),
    "index_max_age": Option("6h", _DURATIONS, "An index whose serial has not moved for so long is an incident."),
    "notify": Option(
        "",
        "Apprise URLs and `alertmanager://host:port`, one a line",
        "Where warnings go.",
    ),
    "metrics_file": Option(
        "",
        "a path",
        "A textfile for node_exporter, which takes those whose names end in `.prom`; written after each run. A "
        "relative path lies in the mirror's directory.",
    ),
    "status_page": Option(
        "",
        "a path",
        "An HTML page that says how fresh the mirror is, written after each run. A relative path lies in the mirror's "
        "`web` directory, where its users find it.",
    ),
}

_T = TypeVar("_T")


class OptionError(ValueError):
    """Something in the configuration that the suite can't follow, said in one line."""


class TrackingSettings(NamedTuple):
    """Where stale serials are remembered, what is to become of those that persist, and where that is shown.

    Where it `escalates` not, nobody is told. `quarantine_after` is in seconds, None where
    nothing goes into quarantine; so is `index_max_age`, None where nothing is guarded. An empty `metrics_file`
    or `status_page` is not written.
    """

    state: str
    thresholds: Thresholds
    repeat_every: int
    notify: tuple[str, ...]
    escalates: bool
    quarantine_after: int | None
    index_max_age: int | None
    metrics_file: str = ""
    status_page: str = ""


class Settings(NamedTuple):
    """What the suite is to do; `remembering` is None where it is to remember nothing.

    Where it `guards`, nothing older than what the mirror has is to get in.
    """

    rungs: tuple[Variant, ...]
    cache_bust_parameter: str
    tracking: TrackingSettings | None = None
    guards: bool = False


def enabled_plugins(enabled: str) -> tuple[str, ...]:
    """Return which of our plugins `[plugins] enabled` names.

    Raises:
        OptionError: where a name starts like ours and is none of them.
    """
    names = [name.strip() for name in enabled.split("\n")]
    for name in names:
        if name.lower().startswith(ADAPTIVE) and name not in PLUGINS:
            raise OptionError(
                f"[plugins] enabled = {_shown(name)}: no such plugin; {_allowed(PLUGINS)}, one name a line"
            )
    return PLUGINS if "all" in names else tuple(name for name in PLUGINS if name in names)


def read_settings(enabled: Collection[str], section: Mapping[str, str]) -> Settings:
    """Return what `[freshness]` asks for, given which of our plugins are enabled.

    Raises:
        OptionError: for an unknown option and for a value that is not allowed.
    """
    for option in section:
        if option not in OPTIONS:
            shown = f"{printable(option)} = {_shown(section[option])}"
            raise OptionError(f"[{SECTION}] {shown}: no such option; {_allowed(OPTIONS)}")

    # What a plugin doesn't exist for, it leaves as it is. The guard refuses what is too old,
    # and asks for something newer.
    guards = not {ADAPTIVE, GUARD}.isdisjoint(enabled)
    untouched = ("auto", "auto") if guards else ("keep", "never")
    encoding = _choice(section, "accept_encoding", _ACCEPT_ENCODING, "strip" if ENCODING in enabled else untouched[0])
    bust = _choice(section, "cache_bust", _CACHE_BUST, "always" if CACHE_BUST in enabled else untouched[1])

    parameter = _value(section, "cache_bust_parameter")
    if not _PARAMETER.fullmatch(parameter):
        raise OptionError(
            f"[{SECTION}] cache_bust_parameter = {_shown(parameter)}: not the name of a query parameter; "
            "allowed: letters, digits and . _ ~ -"
        )
    ladder = rungs(encoding, bust)
    adaptive = guards or encoding is None or bust is None
    tracking = read_tracking(enabled, section)
    remembers = not {ADAPTIVE, GUARD, ESCALATION, QUARANTINE}.isdisjoint(enabled)
    remembers = remembers or bool(tracking.metrics_file or tracking.status_page)
    return Settings(ladder if adaptive else ladder[:1], parameter, tracking if remembers else None, guards)


def read_tracking(enabled: Collection[str], section: Mapping[str, str]) -> TrackingSettings:
    """Return what `[freshness]` says of remembering, whether or not that is enabled.

    Raises:
        OptionError: for a value that is not allowed.
    """
    warn_after, critical_after = _duration(section, "warn_after"), _duration(section, "critical_after")
    if critical_after < warn_after:
        raise OptionError(
            f"[{SECTION}] critical_after = {_value(section, 'critical_after')}: shorter than warn_after; "
            f"allowed: {_value(section, 'warn_after')} and longer"
        )
    never = section.get("quarantine_after") == "never"
    quarantine_after = None if never else _duration(section, "quarantine_after", "; or never")
    index_max_age = _duration(section, "index_max_age")
    return TrackingSettings(
        _path(section, "state"),
        Thresholds(warn_after, critical_after),
        _duration(section, "repeat_every"),
        _notify(section),
        escalates=not {ADAPTIVE, ESCALATION}.isdisjoint(enabled),
        quarantine_after=None if {ADAPTIVE, QUARANTINE}.isdisjoint(enabled) else quarantine_after,
        index_max_age=None if {ADAPTIVE, GUARD}.isdisjoint(enabled) else index_max_age,
        metrics_file=_path(section, "metrics_file"),
        status_page=_path(section, "status_page", within="web"),
    )


def _notify(section: Mapping[str, str]) -> tuple[str, ...]:
    """Return the URLs of `notify`; what is wrong with one is said without it, for its secrets."""
    lines = [line.strip() for line in _value(section, "notify").split("\n")]
    urls = tuple(line for line in lines if line)
    for number, url in enumerate(urls, 1):
        found = _URL.fullmatch(url)
        if not found:
            problem = "not a URL; allowed: Apprise URLs and alertmanager://host:port, one a line"
        elif found["scheme"] in ("alertmanager", "alertmanagers") and not _has_host(url):
            problem = "no host in it; allowed: alertmanager://host:port"
        else:
            continue
        raise OptionError(f"[{SECTION}] notify = (line {number}, of {len(url)} characters): {problem}")
    return urls


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _path(section: Mapping[str, str], option: str, within: str = "") -> str:
    """Return the path of a file of the suite's own; a relative one lies `within` the mirror's directory, or in it."""
    value = _value(section, option)
    is_missing = not value and OPTIONS[option].default
    if is_missing or value.endswith("/") or "\n" in value:
        allowed = "a path, absolute or in the mirror's directory"
        raise OptionError(f"[{SECTION}] {option} = {_shown(value)}: not a file; allowed: {allowed}")
    place = posixpath.normpath(posixpath.join(within, value))
    if place in _FILES or place.startswith(_DIRECTORIES):
        allowed = f"any but {', '.join(_FILES)} and what is in {', '.join(_DIRECTORIES)}"
        raise OptionError(f"[{SECTION}] {option} = {_shown(value)}: Bandersnatch's own; allowed: {allowed}")
    return value


def _value(section: Mapping[str, str], option: str) -> str:
    return section.get(option, OPTIONS[option].default)


def _duration(section: Mapping[str, str], option: str, else_allowed: str = "") -> int:
    """Return an option's seconds."""
    value = _value(section, option)
    found = _DURATION.fullmatch(value)
    if not found or not int(found[1]):
        raise OptionError(
            f"[{SECTION}] {option} = {_shown(value)}: not a duration; allowed: such as 90s, 30m, 6h, 1d{else_allowed}"
        )
    return int(found[1]) * _SECONDS[found[2]]


def _choice(section: Mapping[str, str], option: str, choices: Mapping[str, _T], default: str) -> _T:
    value = section.get(option, default)
    if value not in choices:
        raise OptionError(f"[{SECTION}] {option} = {_shown(value)}: not a known value; {_allowed(choices)}")
    return choices[value]


def _shown(value: str) -> str:
    """Return a value for an error's one line; a URL, which may hold a secret, is not shown."""
    return "(a URL, not shown)" if "://" in value else printable(value)


def _allowed(values: Collection[str]) -> str:
    return "allowed: " + ", ".join(values)
