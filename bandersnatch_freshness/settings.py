"""The settings: the section `[freshness]` of bandersnatch.conf, and which plugins are enabled.

`OPTIONS` is the only table of options: the reader, its errors and the docs use it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec import Struct

from . import option_values as parse
from .core.incidents import Thresholds
from .core.variants import AcceptEncoding, Variant, rungs
from .formatting import meant, printable
from .option_values import SHOWN_LINE, BadValueError

SECTION = "freshness"

ADAPTIVE = "freshness"
ENCODING = "freshness_encoding"
CACHE_BUST = "freshness_cache_bust"
ESCALATION = "freshness_escalation"
QUARANTINE = "freshness_quarantine"
GUARD = "freshness_guard"
PLUGINS = (ADAPTIVE, ENCODING, CACHE_BUST, GUARD, ESCALATION, QUARANTINE)


class OptionError(ValueError):
    """The configuration is invalid; the message is one line and says why."""


class Option(Struct, frozen=True):
    """An option. `default` is a value, or says in words what it depends on; `parse` reads a value.

    `allowed` completes "allowed: …" in errors; the docs put `noun` before it. Both, and `meaning`, are Markdown.
    """

    default: str
    parse: Callable[[str], Any]
    allowed: str
    meaning: str
    noun: str = ""


_DURATIONS = "such as `90s`, `30m`, `6h`, `1d`"
_PATHS = "a path, absolute or in the mirror's directory"

OPTIONS: Mapping[str, Option] = {
    "accept_encoding": Option(
        "`strip` with `freshness_encoding`, else `auto` with `freshness` or `freshness_guard`, else `keep`",
        parse.one_of(auto=None, strip=AcceptEncoding.ABSENT, keep=AcceptEncoding.CLIENT),
        "`auto`, `strip`, `keep`",
        "Which Accept-Encoding metadata requests carry. `strip`: none. `keep`: what Bandersnatch's HTTP client sends, "
        "always. `auto`: what the client sends, until an answer is stale; then others are tried.",
    ),
    "cache_bust": Option(
        "`always` with `freshness_cache_bust`, else `auto` with `freshness` or `freshness_guard`, else `never`",
        parse.one_of(auto=None, always=True, never=False),
        "`auto`, `always`, `never`",
        "Which metadata requests carry the cache-bust parameter. `always`: all. `never`: none. `auto`: none, "
        "until an answer is stale; then it is tried.",
    ),
    "cache_bust_parameter": Option(
        "cache-bust",
        parse.parameter,
        "letters, digits and `. _ ~ -`",
        "The name of the query parameter. Its value is the time in nanoseconds since 1970, never the same twice.",
    ),
    "ask_origin": Option(
        "auto",
        parse.a_day,
        "`auto`, a number from 1 to 99999, `never`",
        "How many pages a day that stayed stale in all other ways for `quarantine_after` [the origin itself is asked "
        "for](origin.md), past all caches. `auto`: 100 where `[mirror] master` is https://pypi.org, "
        "Bandersnatch's default, and none elsewhere. A number: at any master. `never`: none. Only with "
        "`freshness`, or with both `freshness_guard` and `freshness_quarantine`.",
    ),
    "state": Option(
        "freshness.json",
        parse.required_path,
        _PATHS,
        "The file that holds the state; a relative path is relative to the mirror's directory.",
    ),
    "warn_after": Option(
        "1h",
        parse.duration,
        _DURATIONS,
        "An incident this old, seen in three runs, becomes a `warning`.",
        "a duration ",
    ),
    "critical_after": Option(
        "1d",
        parse.duration,
        f"{_DURATIONS}, not shorter than `warn_after`",
        "An incident this old, seen in three runs, becomes `critical`.",
        "a duration ",
    ),
    "repeat_every": Option(
        "1d",
        parse.duration,
        _DURATIONS,
        "How often a channel is reminded of an incident that is still open.",
        "a duration ",
    ),
    "quarantine_after": Option(
        "6h",
        parse.duration_or_never,
        f"{_DURATIONS}; or `never`",
        "A package that has been stale for this long, in three runs, goes into quarantine. `never` switches that "
        "off, and hands what is in quarantine back to Bandersnatch.",
        "a duration ",
    ),
    "index_max_age": Option(
        "6h",
        parse.duration,
        _DURATIONS,
        "An index whose serial has not moved for this long is an incident.",
        "a duration ",
    ),
    "audit_every": Option(
        "7d",
        parse.duration_or_never,
        f"{_DURATIONS}; or `never`",
        "In how long runs [compare each project](how-to/complete.md#in-every-run) that the index lists with the "
        "mirror's own copies, a slice a run. `never`: only the command `audit` does. Only with `freshness` or "
        "`freshness_quarantine`.",
        "a duration ",
    ),
    "notify": Option(
        "", parse.notify, "Apprise URLs and `alertmanager://host:port`, one a line", "Where notifications go."
    ),
    "heartbeat": Option(
        "",
        parse.heartbeat,
        "a URL with `http://` or `https://`",
        "Whom each run tells that it begins, succeeds or fails.",
    ),
    "metrics_file": Option(
        "",
        parse.path,
        _PATHS,
        "A textfile for node_exporter, which reads only names that end in `.prom`; written after each run. A "
        "relative path is relative to the mirror's directory.",
    ),
    "status_page": Option(
        "",
        parse.path,
        "a path, absolute or in the mirror's `web` directory",
        "An HTML page that says how fresh the mirror is, written after each run, and the same facts for programs "
        "beside it, with the ending `.json`. A relative path is relative to the mirror's `web` directory, where its "
        "users find it.",
    ),
}

# The options that name one of the suite's own files, and the directory below the mirror's for relative paths.
_FILES = {"state": "", "metrics_file": "", "status_page": "web"}


class TrackingSettings(Struct, frozen=True):
    """Where stale serials are remembered, what happens to those that persist, and where they are reported.

    Times are in seconds. `quarantine_after` is None if nothing goes into quarantine, `index_max_age` if
    the guard is off, `audit_every` if runs compare nothing. `ask_origin` is how many pages a day, None
    if that depends on the master. If `escalates` is false, nothing is sent to anybody. If `metrics_file`
    or `status_page` is empty, that file is not written.
    """

    state: str
    thresholds: Thresholds
    repeat_every: int
    notify: tuple[str, ...]
    escalates: bool
    quarantine_after: int | None
    index_max_age: int | None
    ask_origin: int | None
    audit_every: int | None = None
    metrics_file: str = ""
    status_page: str = ""
    heartbeat: str = ""


class Settings(Struct, frozen=True):
    """What the suite does; `tracking` is None if it remembers nothing.

    If `guards` is true, anything older than the mirror's own copy is rejected. `quarantines` is
    whether a plugin minds what is in quarantine, which `quarantine_after = never` doesn't change.
    """

    rungs: tuple[Variant, ...]
    cache_bust_parameter: str
    tracking: TrackingSettings | None = None
    guards: bool = False
    quarantines: bool = False


def enabled_plugins(enabled: str) -> tuple[str, ...]:
    """Return which of our plugins `[plugins] enabled` names; with `all`, the turnkey one and what is named beside it.

    Raises:
        OptionError: if a name begins with `freshness` but is not one of our plugins.
    """
    names = [name.strip() for name in enabled.split("\n")]
    for name in names:
        if name.lower().startswith(ADAPTIVE) and name not in PLUGINS:
            allowed = f"{', '.join(PLUGINS)}, one name a line"
            raise OptionError(
                f"[plugins] enabled = {shown(name)}: no such plugin; allowed: {allowed}{meant(name, PLUGINS)}"
            )
    # All that is installed: nobody wants each page to be busted for that.
    return tuple(name for name in PLUGINS if name in names or (name == ADAPTIVE and "all" in names))


def read_settings(enabled: Collection[str], section: Mapping[str, str]) -> Settings:
    """Return the settings from `[freshness]`, given which of our plugins are enabled.

    Raises:
        OptionError: if an option is unknown or a value is not allowed.
    """
    values = _values(enabled, section)
    guards = not {ADAPTIVE, GUARD}.isdisjoint(enabled)
    encoding, bust = values["accept_encoding"], values["cache_bust"]
    ladder = rungs(encoding, bust)
    adapts = guards or encoding is None or bust is None
    tracking = _tracking(enabled, values)
    remembers = not {ADAPTIVE, GUARD, ESCALATION, QUARANTINE}.isdisjoint(enabled)
    remembers = remembers or bool(tracking.metrics_file or tracking.status_page)
    parameter = values["cache_bust_parameter"]
    quarantines = not {ADAPTIVE, QUARANTINE}.isdisjoint(enabled)
    return Settings(ladder if adapts else ladder[:1], parameter, tracking if remembers else None, guards, quarantines)


def read_tracking(enabled: Collection[str], section: Mapping[str, str]) -> TrackingSettings:
    """Return the tracking settings from `[freshness]`, whether or not tracking is enabled.

    Raises:
        OptionError: like `read_settings`.
    """
    return _tracking(enabled, _values(enabled, section))


def with_underscores(section: Mapping[str, str]) -> dict[str, str]:
    """Return a section with our option names as in `OPTIONS`: hyphens are accepted for underscores.

    Raises:
        OptionError: if an option appears in both spellings.
    """
    found: dict[str, str] = {}
    for name, value in section.items():
        option = name.replace("-", "_")
        option = option if option in OPTIONS else name
        if option in found:
            raise OptionError(f"[{SECTION}] {name} = {shown(value)}: {option} is there twice; allowed: one of the two")
        found[option] = value
    return found


def refuse_paths(
    section: Mapping[str, str], files: Collection[str], directories: Collection[str], exists: Callable[[str], bool]
) -> None:
    """Refuse paths that are another program's files or in its directories, both relative to the mirror's directory.

    So are directories, by which these are to be made, or of which `exists` says that they are there.

    Raises:
        OptionError: if an option names such a path.
    """

    for option, within in _FILES.items():
        default = OPTIONS[option].default
        value = section.get(option, default)
        if not value:
            continue
        place = posixpath.normpath(posixpath.join(within, value))
        is_above = place == "." or any(one.startswith(f"{place}/") for one in directories)
        if place in files or place.startswith(tuple(directories)):
            allowed = f"any but {', '.join(files)} and what is in {', '.join(directories)}"
            raise OptionError(f"[{SECTION}] {option} = {shown(value)}: Bandersnatch's own; allowed: {allowed}")
        if is_above or (value != default and exists(place)):  # what lies in the default's place is put aside
            raise OptionError(f"[{SECTION}] {option} = {shown(value)}: a directory; allowed: a file")


def facts_beside(page: str) -> str:
    """Return the path of the facts that lie beside a status page: its own, with another ending."""
    return posixpath.splitext(page)[0] + ".json"


def _values(enabled: Collection[str], section: Mapping[str, str]) -> dict[str, Any]:
    """Return the value of every option, parsed."""
    section = with_underscores(section)
    for name, value in section.items():
        if name not in OPTIONS:
            given = f"{printable(name)} = {shown(value)}"
            allowed = f"{', '.join(OPTIONS)}{meant(name, OPTIONS)}"
            raise OptionError(f"[{SECTION}] {given}: no such option; allowed: {allowed}")
    # A plugin changes only what it is for. The guard rejects what is too old and asks for something
    # newer, so it adapts too.
    guards = not {ADAPTIVE, GUARD}.isdisjoint(enabled)
    defaults = {
        "accept_encoding": "strip" if ENCODING in enabled else "auto" if guards else "keep",
        "cache_bust": "always" if CACHE_BUST in enabled else "auto" if guards else "never",
    }
    values = {}
    for name, option in OPTIONS.items():
        value = section.get(name, defaults.get(name, option.default))
        try:
            values[name] = option.parse(value)
        except BadValueError as bad:
            raise _refused(name, bad.shown or shown(value), bad.problem, bad.allowed) from None
    if values["critical_after"] < values["warn_after"]:
        critical, warn = (section.get(name, OPTIONS[name].default) for name in ("critical_after", "warn_after"))
        raise OptionError(
            f"[{SECTION}] critical_after = {critical}{'' if 'critical_after' in section else ' (its default)'}: "
            f"shorter than warn_after; allowed: {warn} and longer"
        )
    page = values["status_page"]
    facts = posixpath.normpath(posixpath.join("web", facts_beside(page)))
    if page and facts in (posixpath.normpath(posixpath.join("web", page)), posixpath.normpath(values["state"])):
        raise _refused("status_page", shown(page), f"the facts beside it are to be {facts}", "another name")
    return values


def refused_channel(number: int, url: str, problem: str, allowed: str = "") -> OptionError:
    """Return the error for a URL in `notify`, which is the `number`th there, that turns out to be of no use."""
    return _refused("notify", SHOWN_LINE.format(number, len(url)), problem, allowed)


def _refused(name: str, shown: str, problem: str, allowed: str = "") -> OptionError:
    allowed = allowed or OPTIONS[name].allowed.replace("`", "")
    return OptionError(f"[{SECTION}] {name} = {shown}: {problem}; allowed: {allowed}")


def _tracking(enabled: Collection[str], values: Mapping[str, Any]) -> TrackingSettings:
    quarantines, guards = (not {ADAPTIVE, plugin}.isdisjoint(enabled) for plugin in (QUARANTINE, GUARD))
    return TrackingSettings(
        state=values["state"],
        thresholds=Thresholds(values["warn_after"], values["critical_after"]),
        repeat_every=values["repeat_every"],
        notify=values["notify"],
        escalates=not {ADAPTIVE, ESCALATION}.isdisjoint(enabled),
        quarantine_after=values["quarantine_after"] if quarantines else None,
        index_max_age=values["index_max_age"] if guards else None,
        ask_origin=values["ask_origin"] if quarantines and guards else 0,
        audit_every=values["audit_every"] if quarantines and values["quarantine_after"] is not None else None,
        metrics_file=values["metrics_file"],
        status_page=values["status_page"],
        heartbeat=values["heartbeat"],
    )


def shown(value: str) -> str:
    """Return a value as an error shows it, on one line; a URL may hold a secret and is not shown."""
    return "(a URL, not shown)" if "://" in value else printable(value)


def written(section: Mapping[str, str]) -> dict[str, str]:
    """Return the options that a section has, by their names in `OPTIONS`, as they may be shown to anyone."""
    return {name: shown(value) for name, value in with_underscores(section).items()}
