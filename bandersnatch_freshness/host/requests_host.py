"""The generation of requests: Bandersnatch 3.6.

Tried on Bandersnatch 3.6.0. What is relied on there:

- `master.Master` opens its `requests.Session` when it is built, as `session`, and asks for
  pages and files through it, from several threads at once. XML-RPC has sessions of its own.
- `Master.get(path, required_serial, **options)` returns an answer, or raises
  `master.StalePage` after it has sent a PURGE, which PyPI refuses; a page without a serial
  header ends in a `KeyError`, a malformed one in a `ValueError`.
- `mirror.mirror` loads the plugins before it builds the master. `verify` and `delete` load
  them late or not at all, and ask by `verify.url_fetch(url, file_path, executor)`, through
  an aiohttp session for each request. For what that doesn't write, `verify --delete`
  deletes the document and then its files.
- `mirror.Mirror.synchronize()` is one run; after it `synced_serial`, `target_serial` and
  `errors` say what it came to. It lies on disk, in `homedir`.
- `determine_packages_to_sync` asks for changes by `Master.all_packages()` or
  `Master.changed_packages(last_serial)`, which return serials by name; then it calls
  `_filter_packages` once, when `packages_to_sync` and `target_serial` are known. A run
  ends with `wrapup_successful_sync`, which lets the serial advance unless there are `errors`.
- `package.Package.sync(stop_on_error, attempts)` asks so many times for a page that is
  stale, with pauses. It logs every failure and then sets `errors` of the mirror, while the
  exception is being handled. After a page was taken it calls
  `Mirror.record_finished_package(name)`.
- Names are as the project spells them: in what is asked for, and for JSON documents on disk.
- `configuration.BandersnatchConfig` is a singleton that knows its file's name.
"""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import bandersnatch.delete
import bandersnatch.master
import bandersnatch.mirror
import bandersnatch.package
import bandersnatch.verify
import requests
from filelock import FileLock
from packaging.utils import canonicalize_name
from requests import Response

from ..core.climb import AdaptiveClimber, PageResult
from ..core.variants import Variant
from ..fail_open import fail_open
from ..state.document import plain_url
from ..transports.aiohttp_session import AiohttpPage, FreshSession
from ..transports.requests_adapter import FreshAdapter
from .log_lines import QuietStaleSerials
from .running import (
    PageRequirement,
    admit,
    guarded_index,
    has_synced,
    is_excused,
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

_KEY = "_freshness_adapter"

SEAMS: Sequence[str] = (
    "master.StalePage",
    "master.Master.get",
    "master.Master.all_packages",
    "master.Master.changed_packages",
    "mirror.Mirror._filter_packages",
    "mirror.Mirror.determine_packages_to_sync",
    "mirror.Mirror.errors",
    "mirror.Mirror.record_finished_package",
    "mirror.Mirror.synchronize",
    "mirror.Mirror.wrapup_successful_sync",
    "package.Package.normalized_simple_directory",
    "package.Package.sync",
    "verify.ASYNC_USER_AGENT",
    "verify.url_fetch",
)

# Guards the adapter of a master, and the run under way.
_lock = threading.RLock()


class _StaysInQuarantineError(BaseException):
    """What is in quarantine is still not to be had. No `Exception`: nothing of Bandersnatch's is to handle it."""


class Disk:
    """A storage backend, as later Bandersnatches have them: what the suite uses of one."""

    PATH_BACKEND = Path

    def exists(self, path: Path) -> bool:
        """Tell whether there is such a file."""
        return path.exists()

    def read_file(self, path: Path, text: bool = True) -> bytes | str:
        """Return its content."""
        return path.read_text() if text else path.read_bytes()

    def get_lock(self, path: str) -> FileLock:
        """Return what keeps other processes out."""
        return FileLock(path)


def missing_seam() -> str | None:
    """Say what this Bandersnatch lacks of what the suite hooks, None where it has all."""
    lacking = missing(SEAMS)
    if lacking is None:
        for owner, name, parameter in (
            (bandersnatch.master.Master, "get", "required_serial"),
            (bandersnatch.package.Package, "sync", "attempts"),
        ):
            if parameter not in inspect.signature(getattr(owner, name)).parameters:
                return f"the {parameter} of {owner.__module__}.{owner.__name__}.{name}"
    return lacking


def hook() -> None:
    """Put the suite in place."""
    master: Any = bandersnatch.master.Master
    master.get = _checked(master.get)
    master.all_packages = _judged_changes(master.all_packages)
    master.changed_packages = _judged_changes(master.changed_packages)
    mirror: Any = bandersnatch.mirror.Mirror
    mirror.errors = _ErrorsSeam()
    mirror.synchronize = _remembered(mirror.synchronize)
    mirror.determine_packages_to_sync = _guarded_index(mirror.determine_packages_to_sync)
    mirror.wrapup_successful_sync = _unless_refused(mirror.wrapup_successful_sync)
    mirror._filter_packages = quarantining(mirror._filter_packages)
    mirror.record_finished_package = _noting_success(mirror.record_finished_package)
    bandersnatch.package.Package.sync = _without_pauses(bandersnatch.package.Package.sync)
    quiet = QuietStaleSerials(lambda project: is_quiet(canonicalize_name(project)), bandersnatch.master.StalePage)
    logging.getLogger("bandersnatch.package").addFilter(quiet)
    bandersnatch.verify.url_fetch = _guarded_fetch(bandersnatch.verify.url_fetch)


def storage(configuration: Any) -> Any:
    """Return the storage backend of a configuration."""
    return Disk()


def storage_of(mirror: Any) -> Any:
    """Return the storage backend of a mirror."""
    return Disk()


def simple_directory(mirror: Any, project: str) -> Any:
    """Return where the mirror's own pages of a project lie."""
    return bandersnatch.package.Package(project, 0, mirror).normalized_simple_directory


def asks(master: Any) -> bool:
    """Tell whether what a master asks for is the suite's business."""
    return _fresh_adapter(master) is not None


def spelled(mirror: Any, projects: Collection[str]) -> Mapping[str, str]:
    """Return how projects spell their names, by the JSON documents that the mirror has of them.

    Asked for by another name, the mirror would get a second document, and keep the old one.
    """
    directory = Path(mirror.webdir) / "json"
    if not directory.is_dir():
        return {}
    names = ((canonicalize_name(entry.name), entry.name) for entry in os.scandir(directory))
    return {name: raw for name, raw in names if name in projects}


def run(start: Callable[[Any], None]) -> object:
    """Run the command `bandersnatch`, with a configuration started first; return its exit code."""
    from bandersnatch import main

    def after_start(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def started(configuration: Any, *args: Any) -> Any:
            start(configuration)
            return command(configuration, *args)

        return started

    bandersnatch.mirror.mirror = after_start(bandersnatch.mirror.mirror)
    bandersnatch.verify.metadata_verify = after_start(bandersnatch.verify.metadata_verify)
    bandersnatch.delete.delete_packages = after_start(bandersnatch.delete.delete_packages)
    return main.main()


def _fresh_adapter(master: Any) -> FreshAdapter | None:
    """Return the adapter on a master's session, mounted by now; None where that is no session of requests."""
    session, settings = vars(master).get("session"), process.settings
    if settings is None or not issubclass(type(session), requests.Session):
        return None
    with _lock:
        known = vars(master).get(_KEY)
        if known is None or known[:2] != (session, settings):
            parts = urlsplit(master.url)
            root = f"{parts.scheme}://{parts.netloc}"
            inner = session.get_adapter(root)
            if isinstance(inner, FreshAdapter):
                inner = inner.inner
            adapter = FreshAdapter(master.url, settings.rungs, settings.cache_bust_parameter, inner)
            session.mount(root, adapter)
            known = vars(master)[_KEY] = (session, settings, adapter)
    found: FreshAdapter = known[2]
    return found


def _checked(get: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `Master.get` that climbs the ladder before it calls a page stale, and sends no PURGE."""

    @functools.wraps(get)
    def checked(self: Any, path: str, required_serial: int | None, **kw: Any) -> Any:
        url = path if path.startswith(("https://", "http://")) else self.url + path
        # Also where nothing is required: no adapter is to be mounted while another thread looks for one.
        adapter = fail_open(None, _covering, self, url)
        if adapter is None or required_serial is None:
            return get(self, path, required_serial, **kw)
        logging.getLogger("bandersnatch.master").debug("Getting %s (serial %s)", plain_url(url), required_serial)
        try:
            outcome, failure = _fresh_page(self, adapter, url, required_serial, {"timeout": self.timeout, **kw})
        except Exception:  # noqa: BLE001 - ours: the outcome carries the request's own
            adapter.climber.step_aside()
            return get(self, path, required_serial, **kw)
        if failure is not None:
            raise failure
        return outcome.response

    return checked


def _covering(master: Any, url: str) -> FreshAdapter | None:
    """Return a master's adapter where a page is its business."""
    adapter = _fresh_adapter(master)
    return adapter if adapter is not None and adapter.climber.covers("GET", url) else None


def _fresh_page(
    master: Any, adapter: FreshAdapter, url: str, required_serial: int, options: dict[str, Any]
) -> tuple[PageResult[Response], BaseException | None]:
    """Ask for a page, and return what came of it; where that is no page, with what Bandersnatch is to hear."""
    wanted = requirement(canonicalize_name(adapter.climber.scope.title(url)), required_serial)
    outcome = adapter.fetch(master.session, url, wanted.required_serial, wanted.budget, **options)
    with _lock:
        older = older_page_to_take(wanted, outcome)
    if older is not None:
        found = adapter.fetch(master.session, url, older, **options)
        if found.response is not None:
            outcome = found
            with _lock:
                takes(wanted, older)
    return outcome, None if outcome.response is not None else _failure(wanted, url, outcome)


def _failure(wanted: PageRequirement, url: str, outcome: PageResult[Response]) -> BaseException:
    """Return what Bandersnatch is to hear of a page that is not to be had."""
    if is_excused(wanted, outcome):
        return _StaysInQuarantineError(outcome.error or stale(url, wanted.required_serial, outcome))
    if outcome.error is not None:
        return outcome.error
    page: Exception = bandersnatch.master.StalePage(stale(url, wanted.required_serial, outcome))
    return page


class _ErrorsSeam:
    """`Mirror.errors`, in front of the instance attribute of that name."""

    def __get__(self, mirror: Any, owner: type | None = None) -> Any:
        return None if mirror is None else vars(mirror).get("errors")

    def __set__(self, mirror: Any, errors: Any) -> None:
        vars(mirror)["errors"] = errors
        failure = sys.exc_info()[1]
        if errors and not isinstance(failure, bandersnatch.master.StalePage):
            process.has_failed = True


def _remembered(synchronize: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `synchronize` that remembers what it saw."""

    @functools.wraps(synchronize)
    def tracking(self: Any) -> Any:
        with remembered(self):
            # Mounted by now, before there are threads that look for an adapter.
            fail_open(None, _fresh_adapter, self.master)
            return synchronize(self)

    return tracking


def _guarded_index(determine: Callable[..., None]) -> Callable[..., None]:
    """Return a `determine_packages_to_sync` that leaves the mirror as it is where the list is too old, or broken."""

    @functools.wraps(determine)
    def guarded(self: Any) -> None:
        if not vars(self).pop("need_wrapup", True):  # by an earlier run of this object
            self.need_index_sync = True
        with guarded_index(self):
            determine(self)

    return guarded


def _unless_refused(wrapup: Callable[..., None]) -> Callable[..., None]:
    """Return a `wrapup_successful_sync` for a run that may have been refused its list."""

    @functools.wraps(wrapup)
    def unless_refused(self: Any) -> None:
        if vars(self).get("need_wrapup", True):
            wrapup(self)

    return unless_refused


def _judged_changes(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return an `all_packages` or `changed_packages` that raises `IndexRefusedError` for what must not be acted on."""

    @functools.wraps(ask)
    def judged(self: Any, last_serial: int | None = None) -> Any:
        changes = ask(self) if last_serial is None else ask(self, last_serial)
        guard = process.guard
        if guard is not None:
            # A backend that is behind has no changes either. It is asked for its last one.
            newest = None if changes or guard.is_judged else self.rpc().changelog_last_serial()
            admit(guard.admit_changes, changes, last_serial, newest)
        return changes

    return judged


def _without_pauses(sync: Callable[..., None]) -> Callable[..., None]:
    """Return a `Package.sync` that does not wait for what was no use to wait for in the last runs."""

    @functools.wraps(sync)
    def without_pauses(self: Any, stop_on_error: bool = False, attempts: int = 3) -> None:
        run, project = process.run, canonicalize_name(self.name)
        if run is not None and fail_open(False, run.is_persistent, project):
            attempts = 1
        try:
            sync(self, stop_on_error, attempts)
        except _StaysInQuarantineError as error:
            say_stays_in_quarantine(project, error)

    return without_pauses


def _noting_success(record_finished_package: Callable[..., None]) -> Callable[..., None]:
    """Return a `record_finished_package` that tells when it is through with a package that was in quarantine."""

    @functools.wraps(record_finished_package)
    def noting_success(self: Any, name: str) -> None:
        record_finished_package(self, name)
        with _lock:
            if has_synced(canonicalize_name(name)):
                self.need_index_sync = True  # it may be new, in a run that has no other news

    return noting_success


def _guarded_fetch(url_fetch: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `url_fetch` whose metadata requests are dressed, and that replaces no document by an older one.

    `bandersnatch verify` has it write beside the document, with ".new" added to its name.
    """

    @functools.wraps(url_fetch)
    async def guarded(url: str, file_path: Path, *args: Any, **kwargs: Any) -> None:
        settings, configuration = process.settings, process.configuration
        climber = fail_open(None, _document_climber)
        if settings is None or climber is None or not fail_open(False, climber.covers, "GET", url):
            await url_fetch(url, file_path, *args, **kwargs)
            return
        content, least = fail_open((b"", 0), _own_document, file_path) if settings.guards else (b"", 0)
        # As Bandersnatch makes one.
        async with aiohttp.ClientSession(
            headers={"User-Agent": bandersnatch.verify.ASYNC_USER_AGENT},
            skip_auto_headers={"User-Agent"},
            trust_env=True,
        ) as session:
            fresh = FreshSession(session, configuration.get("mirror", "master"), settings, climber)
            try:
                outcome = await _fetch_document(fresh, url, least)
            except Exception:  # noqa: BLE001 - ours: the outcome carries the request's own
                fresh.step_aside()
                await url_fetch(url, file_path, *args, **kwargs)
                return
            if outcome.error is not None and not isinstance(outcome.error, aiohttp.ClientResponseError):
                raise outcome.error
            file_path.parent.mkdir(parents=True, exist_ok=True)
            if outcome.error is not None:
                status = outcome.error.status
                logging.getLogger("bandersnatch.verify").error("Invalid response from %s (%s)", plain_url(url), status)
            elif outcome.response is None:
                say_kept(fresh.title(url), least)
                file_path.write_bytes(content)  # or it would be taken for gone
            else:
                async with outcome.response as response:
                    file_path.write_bytes(await response.read())

    return guarded


@functools.cache
def _climber(master: str, rungs: tuple[Variant, ...], cache_bust_parameter: str) -> AdaptiveClimber:
    """Return what is learned in this process: each document is asked for through a session of its own."""
    return AdaptiveClimber(master, rungs, cache_bust_parameter)


def _document_climber() -> AdaptiveClimber | None:
    settings = process.settings
    if settings is None:
        return None
    return _climber(process.configuration.get("mirror", "master"), settings.rungs, settings.cache_bust_parameter)


def _own_document(file_path: Path) -> tuple[bytes, int]:
    """Return the mirror's own document, and the least serial of one that may replace it."""
    own = file_path.with_name(file_path.name.removesuffix(".new"))
    if not own.exists():
        return b"", 0
    return own.read_bytes(), own_least(canonicalize_name(own.name), own)


async def _fetch_document(fresh: FreshSession, url: str, least: int) -> AiohttpPage:
    logging.getLogger("bandersnatch.verify").info("Fetching %s", plain_url(url))
    timeout = aiohttp.ClientTimeout(total=60)  # as Bandersnatch has it
    if least:
        return await fresh.fetch(url, least, timeout=timeout)
    try:
        response = await fresh.get(url, timeout=timeout)
        response.raise_for_status()
    except (aiohttp.ClientError, TimeoutError) as error:
        return PageResult(error=error)
    return PageResult(response=response)
