"""The host: every touch on Bandersnatch's insides, and nothing else.

Tried on Bandersnatch 4.4, 5.3, 6.8, 7.1 and 8.2. What is relied on there:

- `master.Master` keeps its HTTP client in the instance attribute `session`, set in
  `__aenter__`, and asks for everything through it. Plugins are built after that, so the
  attribute is looked up anew at every use: a descriptor on the class sees sessions that
  exist already as well as later ones.
- `Master.get(path, required_serial, **options)` is an asynchronous generator that yields
  one answer, or raises `master.StalePage`. In 4.4 and 5.3 it sends a PURGE first, which
  PyPI refuses since 2022 (pypa/bandersnatch#1220).
- `mirror.BandersnatchMirror.on_error` and `verify.on_error` drop `ValueError` and
  `TypeError` without a line, while the serial stays where it is.
- `mirror.BandersnatchMirror.synchronize(specific_packages)` is one run; after it
  `synced_serial`, `target_serial` and `errors` say what it came to. It has the storage
  backend and the mirror's directory as `storage_backend` and `homedir`.
- `package.Package.update_metadata` asks three times for a page that is stale, with pauses,
  where it meets `StalePage`; where it meets `errors.StaleMetadata`, it gives up at once.
- `configuration.BandersnatchConfig` is a singleton that knows its file's name in 4.4 and
  5.3 only.
"""

from __future__ import annotations

import argparse
import configparser
import functools
import importlib.metadata
import inspect
import logging
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import bandersnatch.configuration
import bandersnatch.errors
import bandersnatch.master
import bandersnatch.mirror
import bandersnatch.verify
from bandersnatch.storage import storage_backend_plugins

from . import options
from .memory import Memory
from .notifier import Notifier
from .observations import printable
from .quiet import QuietStaleSerials
from .runs import Run
from .serials import parse_serial
from .state import State, StateError, load, plain_url
from .store import Store
from .summary import Summary
from .transports.aiohttp_session import FreshSession, Outcome, is_client_session

log = logging.getLogger("bandersnatch.freshness")

_T = TypeVar("_T")

_KEY = "_freshness_session"

_settings: options.Settings | None = None
_configured_from: object = None
_run: Run | None = None


def start(configuration: Any) -> None:
    """Put the suite in place for a configuration; harmless and quick when repeated.

    Raises:
        SystemExit: where the configuration can't be followed; one logged line says why.
    """
    global _settings, _configured_from
    enabled = configuration["plugins"]["enabled"]
    section = _section(configuration)
    if (enabled, section) == _configured_from:
        return
    try:
        settings = options.read_settings(options.enabled_plugins(enabled), section)
    except options.OptionError as error:
        stop(configuration, error)
    _configured_from = (enabled, section)
    if _settings is None:
        missing = _missing_seam()
        if missing:
            version = importlib.metadata.version("bandersnatch")
            log.warning("Bandersnatch %s lacks %s: the freshness plugins step aside", version, missing)
            return
        _hook()
    _settings = settings


def check_names(configuration: Any) -> None:
    """End the run where a plugin name that starts like ours is none of ours.

    Raises:
        SystemExit: likewise.
    """
    try:
        options.enabled_plugins(configuration.get("plugins", "enabled", fallback=""))
    except options.OptionError as error:
        stop(configuration, error)


def stop(configuration: Any, error: options.OptionError) -> NoReturn:
    """End the run with one line that names the file and what is wrong in it."""
    log.error("%s: %s", _config_file(configuration), error)
    sys.exit(2)  # as Bandersnatch itself for a configuration it can't read


def _section(configuration: Any) -> Mapping[str, str]:
    if not configuration.has_section(options.SECTION):
        return {}
    inherited = configuration.defaults()
    # What [DEFAULT] has for other sections is no slip in ours. Raw: a "%" is no interpolation.
    return {
        name: value
        for name, value in configuration.items(options.SECTION, raw=True)
        if name in options.OPTIONS or name not in inherited
    }


def _config_file(configuration: Any) -> str:
    singleton = bandersnatch.configuration.BandersnatchConfig()
    known = getattr(singleton, "config_file", None)
    if known:
        return str(known)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=True, exit_on_error=False)
    parser.add_argument("-c", "--config", default="/etc/bandersnatch.conf")
    return str(parser.parse_known_args()[0].config)


def _missing_seam() -> str | None:
    """Say what this Bandersnatch lacks of what the suite hooks, None where it has all."""
    master = bandersnatch.master.Master
    for owner, name in (
        (bandersnatch.master, "StalePage"),
        (master, "get"),
        (master, "__aenter__"),
        (bandersnatch.mirror.BandersnatchMirror, "on_error"),
        (bandersnatch.mirror.BandersnatchMirror, "synchronize"),
        (bandersnatch.errors, "StaleMetadata"),
        (bandersnatch.verify, "on_error"),
    ):
        if not hasattr(owner, name):
            return f"{owner.__name__}.{name}"
    if "required_serial" not in inspect.signature(master.get).parameters:
        return "the required_serial of Master.get"
    return None


def _hook() -> None:
    master: Any = bandersnatch.master.Master
    master.session = _SessionSeam()
    master.get = _checked(master.get)
    mirror: Any = bandersnatch.mirror.BandersnatchMirror
    mirror.on_error = _outspoken(mirror.on_error)
    mirror.synchronize = _remembered(mirror.synchronize)
    quiet = QuietStaleSerials(
        lambda project: _run is not None and _run.is_quiet(project), bandersnatch.errors.StaleMetadata
    )
    for name in ("bandersnatch.package", "bandersnatch.mirror"):
        logging.getLogger(name).addFilter(quiet)
    bandersnatch.verify.on_error = _outspoken(bandersnatch.verify.on_error)


class _SessionSeam:
    """`Master.session`, in front of the instance attribute of that name."""

    def __get__(self, master: Any, owner: type | None = None) -> Any:
        if master is None:
            return self
        try:
            session = vars(master)["session"]
        except KeyError:
            raise AttributeError("session") from None
        return _fresh_session(master, session) or session

    def __set__(self, master: Any, session: Any) -> None:
        vars(master)["session"] = session

    def __delete__(self, master: Any) -> None:
        del vars(master)["session"]


def _fresh_session(master: Any, session: Any) -> FreshSession | None:
    """Return the session in front of a real client session, None for anything else."""
    if _settings is None or not is_client_session(session):
        return None
    fresh: FreshSession | None = vars(master).get(_KEY)
    if fresh is None or fresh.wrapped is not session or fresh.settings is not _settings:
        fresh = vars(master)[_KEY] = FreshSession(session, master.url, _settings)
    return fresh


def _checked(get: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `Master.get` that climbs the ladder before it calls a page stale."""

    @functools.wraps(get)
    def checked(self: Any, path: str, required_serial: int | None, **kw: Any) -> Any:
        url = path if path.startswith(("https://", "http://")) else self.url + path
        fresh = _fresh_session(self, self.__dict__.get("session"))
        if fresh is None or required_serial is None or not fresh.covers("GET", url):
            return get(self, path, required_serial, **kw)
        return _fetch(fresh, url, required_serial, kw, lambda: get(self, path, required_serial, **kw))

    return checked


async def _fetch(
    fresh: FreshSession,
    url: str,
    required_serial: int,
    options: dict[str, Any],
    as_ever: Callable[[], AsyncGenerator[Any, None]],
) -> AsyncGenerator[Any, None]:
    logging.getLogger("bandersnatch.master").debug("Getting %s (serial %s)", plain_url(url), required_serial)
    try:
        outcome = await fresh.fetch(url, required_serial, **options)
        project = fresh.title(url)
        _take_down(project, required_serial, outcome)
    except Exception:  # noqa: BLE001 - ours: the outcome carries the request's own
        fresh.step_aside()
        async for response in as_ever():
            yield response
        return
    if outcome.error is not None:
        raise outcome.error
    if outcome.response is None and _run is not None and _run.is_persistent(project):
        # Ends Bandersnatch's attempts at once: it was no use to pause in the last runs.
        raise bandersnatch.errors.StaleMetadata(package_name=project, attempts=1)
    if outcome.response is None:
        raise bandersnatch.master.StalePage(_stale(url, required_serial, outcome))
    async with outcome.response as response:
        yield response


def _stale(url: str, required_serial: int, outcome: Outcome) -> str:
    """Word a stale page as Bandersnatch does, for those who search their logs for it."""
    first = outcome.observations[0]
    return (
        f"Expected PyPI serial {required_serial} for request {plain_url(url)} but got {first.serial}. "
        f"Ways tried: {len(outcome.observations)}"
    )


def _take_down(project: str, required_serial: int, outcome: Outcome) -> None:
    # Of a page that ended in another error nothing is known.
    if _run is not None and (outcome.gone or outcome.error is None):
        fresh = outcome.response is not None
        _run.saw(project, required_serial, outcome.observations, fresh=fresh, gone=outcome.gone)


def _remembered(synchronize: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `synchronize` that remembers what it saw, unless it is of single packages."""

    @functools.wraps(synchronize)
    async def remembered(self: Any, specific_packages: Any = None, *args: Any, **kwargs: Any) -> Any:
        global _run
        memory = _fail_open(_memory, self) if specific_packages is None else None
        _run = _fail_open(memory.begin) if memory else None
        outcome = "interrupted"
        try:
            result = await synchronize(self, specific_packages, *args, **kwargs)
            outcome = "errors" if self.errors else "fresh"
            return result
        except Exception:
            outcome = "failed"
            raise
        finally:
            run, _run = _run, None
            if outcome == "interrupted" and self.stop_on_error and self.errors:
                outcome = "errors"  # Bandersnatch ended it by itself
            if memory and run:
                _fail_open(_end, memory, run, outcome, self)

    return remembered


def summarize(config_file: str, now: int) -> Summary:
    """Return how fresh a mirror is, from its configuration; it may be at work meanwhile.

    Raises:
        OSError: where the configuration can't be read.
        ValueError: where it can't be followed; names the file.
    """
    # Bandersnatch 4.4 complains on standard error of storage plugins that nobody asked for.
    logging.getLogger("bandersnatch").addHandler(logging.NullHandler())
    configuration = _read_configuration(config_file)
    try:
        section = _section(configuration)
        options.read_settings(options.enabled_plugins(configuration.get("plugins", "enabled", fallback="")), section)
        escalation = options.read_escalation(section)
        directory, master = configuration.get("mirror", "directory"), plain_url(configuration.get("mirror", "master"))
    except (options.OptionError, configparser.Error) as error:
        raise ValueError(f"{config_file}: {error}") from error
    backend = configuration.get("mirror", "storage-backend", fallback="filesystem")
    storage = next(iter(storage_backend_plugins(backend, config=configuration, clear_cache=True)))
    status, todo = (Store(storage, directory, name).read() for name in ("status", "todo"))
    state, problem = State(master), ""
    store = Store(storage, directory, escalation.state)
    try:
        content = store.read()
        if content is None:
            problem = f"{store.path}: no run is remembered yet; is freshness_escalation or freshness enabled?"
        else:
            state = load(content)
    except (OSError, StateError) as error:
        problem = f"{store.path}: {error}"
    return Summary(
        directory=directory,
        master=master,
        serial=parse_serial(status.decode("ascii", "replace")) if status else None,
        waiting=len(todo.splitlines()) - 1 if todo else 0,
        now=now,
        thresholds=escalation.thresholds,
        state=state,
        problem=problem,
    )


def _read_configuration(config_file: str) -> Any:
    with open(config_file):  # its own error names the file
        pass
    try:
        loaded = bandersnatch.configuration.BandersnatchConfig(Path(config_file))
    except configparser.Error as error:
        raise ValueError(f"{config_file}: {error}") from error
    return getattr(loaded, "config", loaded)


def _fail_open(step: Callable[..., _T], *args: Any) -> _T | None:
    """Do a step of the suite's own; where it fails, say so and return None."""
    try:
        return step(*args)
    except Exception:
        log.exception("An error inside bandersnatch-freshness: going on as without it")
        return None


def _memory(mirror: Any) -> Memory | None:
    """Return the memory of a mirror, None where there is none to keep."""
    if _settings is None or _settings.escalation is None:
        return None
    if _fresh_session(mirror.master, vars(mirror.master).get("session")) is None:
        return None
    escalation = _settings.escalation
    store = Store(mirror.storage_backend, mirror.homedir, escalation.state)
    name = f"{socket.gethostname()}:{mirror.homedir}"
    notifier = Notifier(escalation.notify, name, escalation.repeat_every)
    return Memory(store, plain_url(mirror.master.url), escalation.thresholds, notifier, lambda: int(time.time()))


def _end(memory: Memory, run: Run, outcome: str, mirror: Any) -> None:
    run.report.reached = int(mirror.synced_serial or 0)
    # Ended by Ctrl-C, it is to end at once; the next run sends what this one would have.
    memory.end(run, outcome, int(mirror.target_serial or 0), may_notify=outcome != "interrupted")


def _outspoken(on_error: Callable[..., None]) -> Callable[..., None]:
    """Return an `on_error` that says what Bandersnatch's own drops without a line."""

    @functools.wraps(on_error)
    def outspoken(first: Any, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        if isinstance(exception, (TypeError, ValueError)):
            package = kwargs.get("package")
            log.error(
                "%s: %s: %s. Bandersnatch drops such an error without a line, and its serial stays where it is",
                printable(str(getattr(package, "name", package))),
                type(exception).__name__,
                printable(str(exception)),
            )
        on_error(first, exception, *args, **kwargs)

    return outspoken
