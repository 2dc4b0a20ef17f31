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
- `determine_packages_to_sync` asks for the index: in 8.2 by `Master.fetch_simple_index`, in
  6.8 and 7.1 by that or by XML-RPC, before by XML-RPC only, and in all of them through
  `Master.all_packages()` or `Master.changed_packages(last_serial)`, which return serials by
  name. What it leaves in `packages_to_sync`, `need_wrapup` (whether the serial may advance)
  and `need_index_sync` decides on the run.
- `Master.url_fetch(url, file_path)` is what `verify` and `delete` get JSON documents by.
- In a run that is not of specific packages, `_filter_packages` is called once, when
  `packages_to_sync` (serials by name, not normalized) and `target_serial` are known: from
  the file `todolist` if there is one, else from the index. Nothing was asked for by then.
- A package's failure goes to `on_error(exception, package=…)`, after which the serial stays
  where it is; `process_package(package)` is called with a page that was accepted.
- `simple_directory(package)` has the mirror's own pages of a project, with their serials.
- `need_index_sync` is whether the list of all projects is written anew.
- `package.Package.update_metadata` asks three times for a page that is stale, with pauses,
  where it meets `StalePage`; where it meets `errors.StaleMetadata`, it gives up at once.
- `configuration.BandersnatchConfig` is a singleton that knows its file's name in 4.4 and
  5.3 only.
"""

from __future__ import annotations

import argparse
import asyncio
import configparser
import contextlib
import functools
import importlib.metadata
import inspect
import logging
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import aiohttp
import bandersnatch.configuration
import bandersnatch.errors
import bandersnatch.master
import bandersnatch.mirror
import bandersnatch.utils
import bandersnatch.verify
from bandersnatch.package import Package
from bandersnatch.storage import storage_backend_plugins
from packaging.utils import canonicalize_name

from . import failing, options
from .failing import attempt
from .files import SIMPLE_PAGES, Files, own_serial
from .guard import Guard, IndexRefusedError
from .incidents import INDEX
from .memory import Memory
from .notifier import Notifier
from .observations import printable
from .quiet import QuietStaleSerials
from .runs import Run
from .serials import parse_serial, serial_in_body
from .state import plain_url
from .store import Store
from .transports.aiohttp_session import FreshSession, Outcome, is_client_session

log = logging.getLogger("bandersnatch.freshness")

USER_AGENT: str = bandersnatch.utils.USER_AGENT

_T = TypeVar("_T")

_KEY = "_freshness_session"
_SAID = "_freshness_said"


@dataclass(frozen=True)
class Upstream:
    """Whom a mirror asks (the URL may hold a password), by which proxy, and with which plugins and options of ours.

    `serial` is the mirror's own, None before its first sync.
    """

    master: str
    proxy: str = ""
    enabled: str = ""
    section: Mapping[str, str] = field(default_factory=dict)
    serial: int | None = None


@dataclass
class _Underway:
    """A `mirror` or `sync` under way, and what the suite has for it: of a `sync`, a guard at most."""

    mirror: Any
    memory: Memory | None = None
    run: Run | None = None
    guard: Guard | None = None


_settings: options.Settings | None = None
_configuration: Any = None
_configured_from: object = None
_underway: _Underway | None = None
_looked: Guard | None = None
# Whether anything but a stale page has failed since Bandersnatch was started.
_has_failed = False


def start(configuration: Any) -> None:
    """Put the suite in place for a configuration; harmless and quick when repeated.

    Raises:
        SystemExit: where the configuration can't be followed; one logged line says why.
    """
    global _settings, _configuration, _configured_from
    enabled = configuration.get("plugins", "enabled", fallback="")
    section = _section(configuration)
    if (enabled, section) == _configured_from:
        return
    try:
        settings = options.read_settings(options.enabled_plugins(enabled), section)
    except options.OptionError as error:
        stop(error)
    _configured_from, _configuration = (enabled, section), configuration
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
        stop(error)


def stop(error: options.OptionError) -> NoReturn:
    """End the run with one line that names the file and what is wrong in it."""
    log.error("%s: %s", config_file(), error)
    # In `verify` this ends a task of asyncio's, which prints what nobody waits for.
    logging.getLogger("asyncio").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], SystemExit))
    )
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


def config_file() -> str:
    """Return the configuration file of the command line that is being followed."""
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
        (master, "all_packages"),
        (master, "changed_packages"),
        (master, "url_fetch"),
        (bandersnatch.mirror.BandersnatchMirror, "_filter_packages"),
        (bandersnatch.mirror.BandersnatchMirror, "determine_packages_to_sync"),
        (bandersnatch.mirror.BandersnatchMirror, "on_error"),
        (bandersnatch.mirror.BandersnatchMirror, "process_package"),
        (bandersnatch.mirror.BandersnatchMirror, "simple_directory"),
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
    master.url_fetch = _guarded_fetch(master.url_fetch)
    if hasattr(master, "fetch_simple_index"):
        master.fetch_simple_index = _judged_index(master.fetch_simple_index)
    master.all_packages = _judged_changes(master.all_packages)
    master.changed_packages = _judged_changes(master.changed_packages)
    mirror: Any = bandersnatch.mirror.BandersnatchMirror
    mirror.on_error = _lenient(_outspoken(mirror.on_error))
    mirror.synchronize = _remembered(mirror.synchronize)
    mirror.determine_packages_to_sync = _guarded_index(mirror.determine_packages_to_sync)
    mirror._filter_packages = _setting_aside(mirror._filter_packages)
    mirror.process_package = _noting_success(mirror.process_package)
    quiet = QuietStaleSerials(_is_quiet, bandersnatch.errors.StaleMetadata)
    for name in ("bandersnatch.package", "bandersnatch.mirror"):
        logging.getLogger(name).addFilter(quiet)
    bandersnatch.verify.on_error = _outspoken(bandersnatch.verify.on_error)


def _run() -> Run | None:
    return _underway.run if _underway else None


def _guard() -> Guard | None:
    return _underway.guard if _underway else None


def _is_quiet(subject: str) -> bool:
    run = _run()
    return run is not None and attempt(False, run.is_quiet, subject)


class _SessionSeam:
    """`Master.session`, in front of the instance attribute of that name."""

    def __get__(self, master: Any, owner: type | None = None) -> Any:
        if master is None:
            return self
        try:
            session = vars(master)["session"]
        except KeyError:
            raise AttributeError("session") from None
        return attempt(None, _fresh_session, master, session) or session

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
        fresh = None if required_serial is None else attempt(None, _covering, self, url)
        if fresh is None or required_serial is None:
            return get(self, path, required_serial, **kw)
        return _fetch(fresh, url, required_serial, kw, lambda: get(self, path, required_serial, **kw))

    return checked


def _covering(master: Any, url: str) -> FreshSession | None:
    """Return a master's session where a page is its business."""
    fresh = _fresh_session(master, vars(master).get("session"))
    return fresh if fresh is not None and fresh.covers("GET", url) else None


async def _fetch(
    fresh: FreshSession,
    url: str,
    required_serial: int,
    options: dict[str, Any],
    as_ever: Callable[[], AsyncGenerator[Any, None]],
) -> AsyncGenerator[Any, None]:
    logging.getLogger("bandersnatch.master").debug("Getting %s (serial %s)", plain_url(url), required_serial)
    try:
        outcome, failure = await _fresh_page(fresh, url, required_serial, options)
    except Exception:  # noqa: BLE001 - ours: the outcome carries the request's own
        fresh.step_aside()
        async for response in as_ever():
            yield response
        return
    if outcome.response is None:
        assert failure is not None  # noqa: S101 - one of both
        raise failure
    async with outcome.response as response:
        yield response


async def _fresh_page(
    fresh: FreshSession, url: str, required_serial: int, options: dict[str, Any]
) -> tuple[Outcome, Exception | None]:
    """Ask for a page, and return what came of it; where that is no page, with what Bandersnatch is to hear."""
    project, run = fresh.title(url), _run()
    floor, wanted = _own_floor(project), 0
    if required_serial == 0 and (guard := _guard()):  # in a `sync`: nothing is asked for
        wanted = guard.announced_page(project)
    required = max(required_serial, floor, wanted)
    sparing = run.asked.get(project) if run else None
    outcome = await fresh.fetch(url, required, sparing, **options)
    if run and (outcome.gone or outcome.error is None):  # of a page that ended in another error nothing is known
        run.saw(project, required, outcome.observations, fresh=outcome.response is not None, gone=outcome.gone)
    older = run.older_page(project) if run else floor if wanted > floor else None
    if older is not None and outcome.response is None and outcome.error is None:
        found = await fresh.fetch(url, older, **options)
        if found.response is not None:
            outcome = found
            if run:
                run.takes(project, older)
    return outcome, None if outcome.response else _failure(project, url, required, required_serial, floor, outcome)


def _failure(project: str, url: str, required: int, asked: int, floor: int, outcome: Outcome) -> Exception:
    """Return what Bandersnatch is to hear of a page that is not to be had: it `asked` for this serial."""
    run = _run()
    if asked == 0 and outcome.error is None and floor:
        return _kept(project, floor)
    excused = run is not None and run.excuses(project) and not outcome.gone
    if outcome.error is not None and not excused:
        return outcome.error
    if excused or (run is not None and run.is_persistent(project)):
        # Ends Bandersnatch's attempts at once: it was no use to pause in the last runs.
        error: Exception = bandersnatch.errors.StaleMetadata(package_name=project, attempts=1)
        return error
    stale: Exception = bandersnatch.master.StalePage(_stale(url, required, outcome))
    return stale


def _stale(url: str, required_serial: int, outcome: Outcome) -> str:
    """Word a stale page as Bandersnatch does, for those who search their logs for it."""
    first = outcome.observations[0]
    return (
        f"Expected PyPI serial {required_serial} for request {plain_url(url)} but got {first.serial}. "
        f"Ways tried: {len(outcome.observations)}"
    )


def _remembered(synchronize: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `synchronize` that remembers what it saw, unless it is of single packages."""

    @functools.wraps(synchronize)
    async def remembered(self: Any, specific_packages: Any = None, *args: Any, **kwargs: Any) -> Any:
        global _underway
        failing.begin()
        begin = _begin_run if specific_packages is None else _begin_sync
        underway = _underway = attempt(_Underway(self), begin, self)
        outcome = "interrupted"
        try:
            result = await synchronize(self, specific_packages, *args, **kwargs)
            outcome = "errors" if self.errors or (underway.guard and underway.guard.refusal) else "fresh"
            return result
        except Exception:
            outcome = "failed"
            raise
        finally:
            _underway = None
            if outcome == "interrupted" and self.stop_on_error and self.errors:
                outcome = "errors"  # Bandersnatch ended it by itself
            attempt(None, _end, underway, outcome)

    return remembered


def _begin_run(mirror: Any) -> _Underway:
    memory = _memory_of(mirror)
    run = memory.begin() if memory else None
    if memory is None or run is None:
        return _Underway(mirror, guard=memory.guard() if memory and _settings and _settings.guards else None)
    return _Underway(mirror, memory, run, memory.guard() if _settings and _settings.guards else None)


def _begin_sync(mirror: Any) -> _Underway:
    memory = _memory_of(mirror)
    return _Underway(mirror, guard=memory.look() if memory and _settings and _settings.guards else None)


def files(config_file: str) -> Files:
    """Return the files of a mirror.

    Raises:
        OSError: where the configuration can't be read.
        ValueError: where it can't be followed; names the file.
    """
    # Bandersnatch 4.4 complains on standard error of storage plugins that nobody asked for.
    logging.getLogger("bandersnatch").addHandler(logging.NullHandler())
    configuration = _read_configuration(config_file)
    try:
        section = _section(configuration)
        enabled = options.enabled_plugins(configuration.get("plugins", "enabled", fallback=""))
        options.read_settings(enabled, section)
        return _files(configuration, options.read_remembering(enabled, section))
    except options.OptionError as error:
        raise ValueError(f"{config_file}: {error}") from error
    except configparser.Error as error:
        raise ValueError(f"{config_file}: {_in_words(error)}") from None


def upstream(config_file: str) -> Upstream:
    """Return whom a mirror asks, and how.

    Raises:
        OSError, ValueError: as `files`.
    """
    found = files(config_file)
    configuration = _read_configuration(config_file)
    serial = None
    with contextlib.suppress(OSError):
        serial = parse_serial((found.store("status").read() or b"").decode("ascii", "replace"))
    return Upstream(
        configuration.get("mirror", "master"),
        configuration.get("mirror", "proxy", fallback="") or "",
        configuration.get("plugins", "enabled", fallback=""),
        _section(configuration),
        serial,
    )


def _files(configuration: Any, remembering: options.Remembering) -> Files:
    directory = configuration.get("mirror", "directory")
    try:
        master = plain_url(configuration.get("mirror", "master"))
    except ValueError:  # whose text may have a password in it
        raise options.OptionError("[mirror] master: not a URL") from None
    backend = configuration.get("mirror", "storage-backend", fallback="filesystem")
    storage = next(iter(storage_backend_plugins(backend, config=configuration, clear_cache=True)), None)
    if storage is None:
        raise options.OptionError(f"[mirror] storage-backend = {printable(backend)}: no such storage backend")
    return Files(directory, master, remembering, storage)


def run(arguments: Sequence[str]) -> bool | None:
    """Run the command `bandersnatch` with the suite in place from its first request.

    Returns whether nothing but stale pages has failed; None where there was nothing to do,
    as for its help.
    """
    from bandersnatch import main  # brings its own event loop, where there is another one

    async_main = main.async_main

    has_begun = False

    async def guarded_main(args: Any, config: Any) -> Any:
        nonlocal has_begun
        has_begun = True
        start(config)
        if not options.enabled_plugins(config.get("plugins", "enabled", fallback="")):
            log.warning("%s: [plugins] enabled has no freshness plugin: as plain bandersnatch", config_file())
        return await async_main(args, config)

    main.async_main = guarded_main
    sys.argv = ["bandersnatch", *arguments]
    try:
        code = main.main()
    except SystemExit as ended:
        code = ended.code
    finally:
        asyncio.set_event_loop(asyncio.new_event_loop())  # storage plugins want one
    if not has_begun and not code:
        return None
    return not code and not _has_failed


def _read_configuration(config_file: str) -> Any:
    with open(config_file):  # its own error names the file
        pass
    try:
        loaded = bandersnatch.configuration.BandersnatchConfig(Path(config_file))
    except configparser.Error as error:
        raise ValueError(f"{config_file}: {_in_words(error)}") from None
    return getattr(loaded, "config", loaded)


def _in_words(error: configparser.Error) -> str:
    """Say what is wrong with a configuration; the error's own text has some of it, such as a password."""
    section, option = (printable(str(getattr(error, name, None) or "")) for name in ("section", "option"))
    first, *_ = getattr(error, "errors", None) or [(getattr(error, "lineno", None), "")]
    line = first[0]
    where = [f"[{section}] {option}".strip()] if section else []
    where += [f"line {line}"] if line else []
    what = {
        configparser.MissingSectionHeaderError: "no [section] above it",
        configparser.ParsingError: "neither a [section] nor `option = value`",
        configparser.DuplicateOptionError: "the option is there twice",
        configparser.DuplicateSectionError: "the section is there twice",
        configparser.NoOptionError: "the option is missing",
        configparser.NoSectionError: "the section is missing",
    }.get(type(error), "a % that is to stand for itself is written %%")
    return f"{', '.join(where)}: {what}"


def _guarded_index(determine: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `determine_packages_to_sync` that leaves the mirror as it is where the index is too old, or broken."""

    @functools.wraps(determine)
    async def guarded(self: Any) -> None:
        attempt(None, _expect_index, self)
        try:
            await determine(self)
        except IndexRefusedError as error:
            level = logging.INFO if _is_quiet(INDEX) else logging.ERROR
            log.log(level, "The index is not used, and the mirror stays as it is: %s", error)
            self.packages_to_sync = {}
            self.target_serial = self.synced_serial
            self.need_wrapup = self.need_index_sync = False

    return guarded


def _expect_index(mirror: Any) -> None:
    run, guard = _run(), _guard()
    if run:
        run.is_full = not mirror.synced_serial
    if guard:
        guard.expect(int(mirror.synced_serial or 0), functools.partial(_count_own_projects, mirror))


def _count_own_projects(mirror: Any) -> int:
    """Return how many projects the mirror has; on disk alone, 0 where that takes a request for each thousand."""
    if mirror.storage_backend.PATH_BACKEND is not Path:
        return 0
    simple = Path(mirror.webdir) / "simple"
    directories = [one for one in simple.iterdir() if one.is_dir()] if mirror.hash_index else [simple]
    return sum(entry.is_dir() for directory in directories for entry in os.scandir(directory))


def _judged_index(fetch_simple_index: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `fetch_simple_index` that raises `IndexRefusedError` for what must not be acted on."""

    @functools.wraps(fetch_simple_index)
    async def judged(self: Any) -> Any:
        guard = _guard()
        if guard is None:
            return await fetch_simple_index(self)
        try:
            index = await fetch_simple_index(self)
        except aiohttp.ContentTypeError as error:
            kind = error.headers.get("Content-Type", "") if error.headers else ""
            guard.refuse(f"it is no JSON, but {printable(kind) or 'of no type'}")
        except aiohttp.ClientPayloadError:
            guard.refuse("it breaks off")
        except ValueError as error:
            guard.refuse(f"it is no JSON: {printable(str(error))}")
        finally:
            fresh = attempt(None, _fresh_session, self, vars(self).get("session"))
            guard.observations = fresh.index if fresh else ()
        _admit(guard.admit_index, index)
        return index

    return judged


def _admit(step: Callable[..., None], *args: Any) -> None:
    """Do a step of the guard's; where that fails otherwise than by a refusal, say so and guard this run no more."""
    try:
        step(*args)
    except IndexRefusedError:
        raise
    except Exception:  # noqa: BLE001 - fail open; it is logged
        failing.say()
        if _underway:
            _underway.guard = None


def _judged_changes(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return an `all_packages` or `changed_packages` that does the same for what XML-RPC answers."""

    @functools.wraps(ask)
    async def judged(self: Any, last_serial: int | None = None) -> Any:
        guard = _guard()
        try:
            changes = await (ask(self) if last_serial is None else ask(self, last_serial))
        except getattr(bandersnatch.master, "XmlRpcError", ()):
            if guard is None:
                raise
            guard.refuse("it lists no project")
        if guard is not None:
            newest = None
            if not changes and not guard.is_judged and hasattr(self, "rpc"):
                # A backend that is behind has no changes either. It is asked for its last one.
                newest = await self.rpc("changelog_last_serial")
            _admit(guard.admit_changes, changes, last_serial, newest)
        return changes

    return judged


def _own_floor(project: str) -> int:
    """Return the least serial of a page that may replace the mirror's own: nothing older than that, or ever seen."""
    if _underway is None or _underway.guard is None:
        return 0
    mirror, guard = _underway.mirror, _underway.guard
    return guard.least_page(project, _serial_of_copy(mirror, project))


def _kept(project: str, floor: int) -> Exception:
    """Say that the mirror's own page stays, and return what ends Bandersnatch's attempts without another word."""
    log.error("%s: no way gets a page as new as the mirror's own, of serial %d: that stays", project, floor)
    error: Exception = bandersnatch.errors.StaleMetadata(package_name=project, attempts=1)
    setattr(error, _SAID, True)
    return error


def _guarded_fetch(url_fetch: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `url_fetch` that replaces no JSON document by an older one.

    `bandersnatch verify` has it write beside the document, with ".new" added to its name.
    """

    @functools.wraps(url_fetch)
    async def guarded(self: Any, url: str, file_path: Any, *args: Any, **kwargs: Any) -> Any:
        fresh = attempt(None, _covering, self, url)
        if fresh is None or not fresh.settings.guards:
            return await url_fetch(self, url, file_path, *args, **kwargs)
        own = file_path.with_name(file_path.name.removesuffix(".new"))
        try:
            least = _own_least(fresh.title(url), own) if own.exists() else 0
            outcome = await fresh.fetch(url, least) if least else None
        except Exception:  # noqa: BLE001 - ours: the outcome carries the request's own
            fresh.step_aside()
            outcome = None
        if outcome is None:
            return await url_fetch(self, url, file_path, *args, **kwargs)
        if outcome.error is not None:
            raise outcome.error
        if outcome.response is None:
            raise _kept(fresh.title(url), least)
        async with outcome.response as response:
            return file_path.write_bytes(await response.read())

    return guarded


def _own_least(project: str, document: Path) -> int:
    """Return the least serial of what may replace a JSON document, outside of any run."""
    own = serial_in_body(document.read_bytes())
    if own is None and _settings and _settings.remembering and _configuration:  # damaged: the simple page knows
        hashed = _configuration.getboolean("mirror", "hash-index", fallback=False)
        simple = document.parent.parent / "simple" / (project[0] if hashed else "") / project
        storage = _files(_configuration, _settings.remembering).storage
        own = own_serial(*(Store(storage, simple, name) for name in SIMPLE_PAGES))
    return _look().least_page(project, own or 0)


def _look() -> Guard:
    """Return what guards a command that has no mirror object: what is remembered is read once."""
    global _looked
    if _looked is None and _settings and _settings.remembering and _configuration:
        files = _files(_configuration, _settings.remembering)
        _looked = Memory(files.records(clock), _settings.remembering, Notifier([], "", 0), clock).look()
    return _looked or Guard(None)


def _setting_aside(filter_packages: Callable[..., None]) -> Callable[..., None]:
    """Return a `_filter_packages` that leaves on the list what of all that is set aside is to be asked for."""

    @functools.wraps(filter_packages)
    def setting_aside(self: Any) -> None:
        memory, run = (_underway.memory, _underway.run) if _underway else (None, None)
        names = attempt(None, _list_what_is_set_aside, memory, self) if memory else None
        filter_packages(self)
        if memory and run and names is not None:
            attempt(None, _plan, memory, run, names, self)

    return setting_aside


def _list_what_is_set_aside(memory: Memory, mirror: Any) -> dict[str, str]:
    """Put it on the run's list, where the mirror's filters see it; return names as listed by normalized ones."""
    concerned = memory.concerned()
    if not concerned:
        return {}
    listed: dict[str, str] = {canonicalize_name(name): name for name in mirror.packages_to_sync}
    for name, serial in concerned.items():
        if name not in listed and serial is not None:
            mirror.packages_to_sync[name] = serial
            listed[name] = name
    return {name: listed[name] for name in concerned if name in listed}


def _plan(memory: Memory, run: Run, names: Mapping[str, str], mirror: Any) -> None:
    packages = mirror.packages_to_sync
    listed = {name: raw for name, raw in names.items() if raw in packages}
    target, synced = int(mirror.target_serial or 0), int(mirror.synced_serial or 0)
    resumed = mirror.storage_backend.exists(mirror.todolist)
    others = len(packages) - len(listed)
    held = memory.count_set_aside(listed)
    memory.begin_batch(run, target, len(packages) - held, resumed=resumed, announced=target - synced)
    plan = memory.plan(run, {name: int(packages[raw]) for name, raw in listed.items()}, others)
    copies = {name: _serial_of_copy(mirror, name) for name in plan.ask}
    run.follow(plan, copies)
    for name, raw in listed.items():
        if name in plan.hold:
            del packages[raw]
        elif name in plan.ask:
            # Of another master any serial is new, but a page must have one, and a 404 is to be looked into.
            required = plan.quarantine[name].required
            packages[raw] = max(required, copies[name]) if required else 1


def _serial_of_copy(mirror: Any, project: str) -> int:
    """Return the serial of the mirror's own copy of a project, 0 where it has none."""
    storage, simple = mirror.storage_backend, mirror.simple_directory(Package(project))
    pages = (Store(storage, simple, name) for name in SIMPLE_PAGES)
    return own_serial(*pages, Store(storage, mirror.webdir, f"json/{project}"))


def _noting_success(process_package: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `process_package` that tells when it is through with a package that was set aside."""

    @functools.wraps(process_package)
    async def noting_success(self: Any, package: Any) -> Any:
        result = await process_package(self, package)
        run = _run()
        if run is not None and attempt(False, run.processed, package.name):
            self.need_index_sync = True  # it may be new, in a run that has no other news
        return result

    return noting_success


def _lenient(on_error: Callable[..., None]) -> Callable[..., None]:
    """Return an `on_error` that doesn't hold up the mirror for what is set aside."""

    @functools.wraps(on_error)
    def lenient(self: Any, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        project = getattr(kwargs.get("package"), "name", None)
        run = _run()
        known = project is not None and isinstance(exception, Exception) and run is not None
        if known and run is not None and attempt(False, run.excuses, project):
            log.info("%s stays set aside: %s", project, printable(str(exception)))
            return
        on_error(self, exception, *args, **kwargs)

    return lenient


def _memory_of(mirror: Any) -> Memory | None:
    """Return the memory of a mirror, None where there is none to keep."""
    if _settings is None or _settings.remembering is None:
        return None
    if _fresh_session(mirror.master, vars(mirror.master).get("session")) is None:
        return None
    remembering = _settings.remembering
    files = Files(str(mirror.homedir), plain_url(mirror.master.url), remembering, mirror.storage_backend)
    name = f"{socket.gethostname()}:{mirror.homedir}"
    notifier = Notifier(remembering.notify, name, remembering.repeat_every)
    return Memory(files.records(clock), remembering, notifier, clock)


def clock() -> int:
    """Return the seconds since 1970."""
    return int(time.time())


def _end(underway: _Underway, outcome: str) -> None:
    mirror, memory, run = underway.mirror, underway.memory, underway.run
    if memory is None or run is None:
        return
    run.report.reached = int(mirror.synced_serial or 0)
    run.report.is_whole = outcome in ("fresh", "errors")
    # Ended by Ctrl-C, it is to end at once; the next run sends what this one would have.
    memory.end(run, underway.guard, outcome, int(mirror.target_serial or 0), may_notify=outcome != "interrupted")


def _outspoken(on_error: Callable[..., None]) -> Callable[..., None]:
    """Return an `on_error` that says what Bandersnatch's own drops without a line, and nothing twice."""

    @functools.wraps(on_error)
    def outspoken(first: Any, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        global _has_failed
        if hasattr(exception, _SAID):
            return
        _has_failed = _has_failed or not isinstance(exception, bandersnatch.errors.StaleMetadata)
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
