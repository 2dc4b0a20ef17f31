"""The generation of aiohttp, from Bandersnatch 4.4 on.

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
- The mirror's own pages of a project, with their serials, lie in `web/simple` below `homedir`; where `hash_index`, in a
  directory of its first letter there.
- `need_index_sync` is whether the list of all projects is written anew.
- `package.Package.update_metadata` asks three times for a page that is stale, with pauses,
  where it meets `StalePage`; where it meets `errors.StaleMetadata`, it gives up at once.
- `configuration.BandersnatchConfig` is a singleton that knows its file's name in 4.4 and
  5.3 only.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from typing import Any

import aiohttp
import bandersnatch.errors
import bandersnatch.filter
import bandersnatch.master
import bandersnatch.mirror
import bandersnatch.verify
from bandersnatch.storage import storage_backend_plugins

from ..core.log_fields import log_fields
from ..core.observations import printable
from ..fail_open import fail_open
from ..settings import OptionError
from ..state.document import plain_url
from ..transports.aiohttp_session import AiohttpPage, FreshSession, is_client_session
from . import mirror_files as files
from .log_lines import QuietStaleSerials
from .running import (
    PageRequirement,
    admit,
    guarded_index,
    has_synced,
    is_excused,
    is_kept,
    is_persistent,
    is_quiet,
    missing,
    older_page_to_take,
    own_least,
    process,
    quarantining,
    remembered,
    requirement,
    say_kept,
    say_stays_in_quarantine,
    stale,
    takes,
)

log = logging.getLogger("bandersnatch.freshness")
_master_log = logging.getLogger("bandersnatch.master")

_KEY = "_freshness_session"
_SAID = "_freshness_said"

SEAMS: Sequence[str] = (
    "master.StalePage",
    "master.Master.get",
    "master.Master.all_packages",
    "master.Master.changed_packages",
    "master.Master.url_fetch",
    "mirror.BandersnatchMirror._filter_packages",
    "mirror.BandersnatchMirror.determine_packages_to_sync",
    "mirror.BandersnatchMirror.on_error",
    "mirror.BandersnatchMirror.process_package",
    "mirror.BandersnatchMirror.synchronize",
    "errors.StaleMetadata",
    "verify.on_error",
)


def missing_seam() -> str | None:
    """Say what this Bandersnatch lacks of what the suite hooks, None where it has all."""
    lacking = missing(SEAMS)
    if lacking is None and "required_serial" not in inspect.signature(bandersnatch.master.Master.get).parameters:
        return "the required_serial of bandersnatch.master.Master.get"
    return lacking


def hook() -> None:
    """Put the suite in place."""
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
    mirror._filter_packages = quarantining(mirror._filter_packages)
    mirror.process_package = _noting_success(mirror.process_package)
    quiet = QuietStaleSerials(is_quiet, bandersnatch.errors.StaleMetadata)
    for name in ("bandersnatch.package", "bandersnatch.mirror"):
        logging.getLogger(name).addFilter(quiet)
    bandersnatch.verify.on_error = _outspoken(bandersnatch.verify.on_error)
    # From 6 on, `verify` looks all entry points up anew for each package: the longer, the more is installed.
    if hasattr(bandersnatch.filter, "entry_points"):
        bandersnatch.filter.entry_points = functools.cache(bandersnatch.filter.entry_points)


def storage(configuration: Any) -> Any:
    """Return the storage backend of a configuration."""
    backend = configuration.get("mirror", "storage-backend", fallback="filesystem")
    found = next(iter(storage_backend_plugins(backend, config=configuration, clear_cache=True)), None)
    if found is None:
        raise OptionError(f"[mirror] storage-backend = {printable(backend)}: no such storage backend")
    return found


def storage_of(mirror: Any) -> Any:
    """Return the storage backend of a mirror."""
    return mirror.storage_backend


def simple_directory(mirror: Any, project: str) -> Any:
    """Return where the mirror's own pages of a project lie."""
    return files.simple_directory(f"{mirror.homedir}/web", project, hashed=mirror.hash_index)


def asks(master: Any) -> bool:
    """Tell whether what a master asks for is the suite's business."""
    return _fresh_session(master, vars(master).get("session")) is not None


def spelled(mirror: Any, projects: Collection[str]) -> Mapping[str, str]:
    """Return nothing: this generation asks for projects, and stores them, by their normalized names."""
    return {}


def run(start: Callable[[Any], None]) -> object:
    """Run the command `bandersnatch`, with a configuration started first; return its exit code."""
    from bandersnatch import main  # brings its own event loop, where there is another one

    async_main = main.async_main

    async def guarded_main(args: Any, config: Any) -> Any:
        start(config)
        return await async_main(args, config)

    main.async_main = guarded_main
    try:
        return main.main()
    finally:
        asyncio.set_event_loop(asyncio.new_event_loop())  # storage plugins want one


class _SessionSeam:
    """`Master.session`, in front of the instance attribute of that name."""

    def __get__(self, master: Any, owner: type | None = None) -> Any:
        if master is None:
            return self
        try:
            session = vars(master)["session"]
        except KeyError:
            raise AttributeError("session") from None
        return fail_open(None, _fresh_session, master, session) or session

    def __set__(self, master: Any, session: Any) -> None:
        vars(master)["session"] = session

    def __delete__(self, master: Any) -> None:
        del vars(master)["session"]


def _fresh_session(master: Any, session: Any) -> FreshSession | None:
    """Return the session in front of a real client session, None for anything else."""
    if process.settings is None or not is_client_session(session):
        return None
    fresh: FreshSession | None = vars(master).get(_KEY)
    if fresh is None or fresh.wrapped is not session or fresh.settings is not process.settings:
        fresh = vars(master)[_KEY] = FreshSession(session, master.url, process.settings)
    return fresh


def _checked(get: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `Master.get` that climbs the ladder before it calls a page stale."""

    @functools.wraps(get)
    def checked(self: Any, path: str, required_serial: int | None, **kw: Any) -> Any:
        url = path if path.startswith(("https://", "http://")) else self.url + path
        fresh = None if required_serial is None else fail_open(None, _covering, self, url)
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
    if _master_log.isEnabledFor(logging.DEBUG):
        _master_log.debug("Getting %s (serial %s)", plain_url(url), required_serial)
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
) -> tuple[AiohttpPage, Exception | None]:
    """Ask for a page, and return what came of it; where that is no page, with what Bandersnatch is to hear."""
    wanted = requirement(fresh.title(url), required_serial)
    outcome = await fresh.fetch(url, wanted.required_serial, wanted.budget, **options)
    older = older_page_to_take(wanted, outcome)
    if older is not None:
        found = await fresh.fetch(url, older, **options)
        if found.response is not None:
            outcome = found
            takes(wanted, older)
    return outcome, None if outcome.response else _failure(wanted, url, outcome)


def _failure(wanted: PageRequirement, url: str, outcome: AiohttpPage) -> Exception:
    """Return what Bandersnatch is to hear of a page that is not to be had."""
    if is_kept(wanted, outcome):
        return _kept(wanted.project, wanted.floor)
    excused = is_excused(wanted, outcome)
    if outcome.error is not None and not excused:
        return outcome.error
    if excused or is_persistent(wanted):
        # Ends Bandersnatch's attempts at once: it was no use to pause in the last runs.
        error: Exception = bandersnatch.errors.StaleMetadata(package_name=wanted.project, attempts=1)
        return error
    page: Exception = bandersnatch.master.StalePage(stale(url, wanted.required_serial, outcome))
    return page


def _remembered(synchronize: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `synchronize` that remembers what it saw, unless it is of single packages."""

    @functools.wraps(synchronize)
    async def tracking(self: Any, specific_packages: Any = None, *args: Any, **kwargs: Any) -> Any:
        with remembered(self, is_of_all=specific_packages is None):
            return await synchronize(self, specific_packages, *args, **kwargs)

    return tracking


def _guarded_index(determine: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `determine_packages_to_sync` that leaves the mirror as it is where the index is too old, or broken."""

    @functools.wraps(determine)
    async def guarded(self: Any) -> None:
        with guarded_index(self):
            await determine(self)

    return guarded


def _judged_index(fetch_simple_index: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `fetch_simple_index` that raises `IndexRefusedError` for what must not be acted on."""

    @functools.wraps(fetch_simple_index)
    async def judged(self: Any) -> Any:
        guard = process.guard
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
            fresh = fail_open(None, _fresh_session, self, vars(self).get("session"))
            guard.observations = fresh.index if fresh else ()
        admit(guard.admit_index, index)
        return index

    return judged


def _judged_changes(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return an `all_packages` or `changed_packages` that does the same for what XML-RPC answers."""

    @functools.wraps(ask)
    async def judged(self: Any, last_serial: int | None = None) -> Any:
        guard = process.guard
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
            admit(guard.admit_changes, changes, last_serial, newest)
        return changes

    return judged


def _kept(project: str, floor: int) -> Exception:
    """Say that the mirror's own page stays, and return what ends Bandersnatch's attempts without another word."""
    say_kept(project, floor)
    error: Exception = bandersnatch.errors.StaleMetadata(package_name=project, attempts=1)
    setattr(error, _SAID, True)
    return error


def _guarded_fetch(url_fetch: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `url_fetch` that replaces no JSON document by an older one.

    `bandersnatch verify` has it write beside the document, with ".new" added to its name.
    """

    @functools.wraps(url_fetch)
    async def guarded(self: Any, url: str, file_path: Any, *args: Any, **kwargs: Any) -> Any:
        fresh = fail_open(None, _covering, self, url)
        if fresh is None or not fresh.settings.guards:
            return await url_fetch(self, url, file_path, *args, **kwargs)
        own = file_path.with_name(file_path.name.removesuffix(".new"))
        try:
            least = own_least(fresh.title(url), own) if own.exists() else 0
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


def _noting_success(process_package: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `process_package` that tells when it is through with a package that was in quarantine."""

    @functools.wraps(process_package)
    def noting_success(self: Any, package: Any) -> Any:
        run = process.run
        if run is None or not fail_open(False, run.concerns, package.name):
            return process_package(self, package)
        return noting(self, package)

    async def noting(self: Any, package: Any) -> Any:
        result = await process_package(self, package)
        if has_synced(package.name):
            self.need_index_sync = True  # it may be new, in a run that has no other news
        return result

    return noting_success


def _lenient(on_error: Callable[..., None]) -> Callable[..., None]:
    """Return an `on_error` that doesn't hold up the mirror for what is in quarantine."""

    @functools.wraps(on_error)
    def lenient(self: Any, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        project = getattr(kwargs.get("package"), "name", None)
        run = process.run
        is_failure = isinstance(exception, Exception)
        if project is not None and is_failure and run is not None and fail_open(False, run.excuses, project):
            say_stays_in_quarantine(project, exception)
            return
        on_error(self, exception, *args, **kwargs)

    return lenient


def _outspoken(on_error: Callable[..., None]) -> Callable[..., None]:
    """Return an `on_error` that says what Bandersnatch's own drops without a line, and nothing twice."""

    @functools.wraps(on_error)
    def outspoken(first: Any, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        if hasattr(exception, _SAID):
            return
        process.has_failed = process.has_failed or not isinstance(exception, bandersnatch.errors.StaleMetadata)
        if isinstance(exception, (TypeError, ValueError)):
            package = kwargs.get("package")
            project = printable(str(getattr(package, "name", package)))
            log.error(
                "%s: %s: %s. Bandersnatch drops such an error without a line, and its serial stays where it is",
                *(project, type(exception).__name__, printable(str(exception))),
                extra=log_fields(project=project),
            )
        on_error(first, exception, *args, **kwargs)

    return outspoken
