"""The host adapter of Bandersnatch 3.6, which asks through requests, from several threads.

Each method named in the table of seams returns what takes the place of what it is given. Names are as
the project spells them, in what is asked for and for JSON documents on disk.
"""

from __future__ import annotations

import functools
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bandersnatch.master
import requests
from filelock import FileLock
from packaging.utils import canonicalize_name
from requests import Response

from ..core.climb import PageResult
from ..core.decision import PageAction, PageRequirement, decide
from ..core.index import read_changes
from ..fail_open import fail_open
from ..transports.climber import AdaptiveClimber
from ..transports.requests_adapter import FreshAdapter
from . import pages
from .configuration import has_proxy
from .log_lines import QuietFailures, at_warning, knows_in, level_in
from .protocols import HostMirror
from .requests_verify import DocumentFetcher
from .seams import REQUESTS, Hooks, Stage
from .suite import Suite

log = logging.getLogger("bandersnatch.freshness")

_KEY = "_freshness_adapter"


class _WaitsError(BaseException):
    """A package in quarantine, or a missing one, is still not to be had.

    No `Exception`: nothing of Bandersnatch's is to handle it.
    """


class Disk:
    """A storage backend, as later Bandersnatches have them: what the suite uses of one."""

    PATH_BACKEND = Path

    def exists(self, path: Path) -> bool:
        """Return whether there is such a file."""
        return path.exists()

    def read_file(self, path: Path, text: bool = True) -> bytes | str:
        """Return its content."""
        return path.read_text() if text else path.read_bytes()

    def get_lock(self, path: str) -> FileLock:
        """Return what keeps other processes out."""
        return FileLock(path)


class RequestsHost:
    """What this Bandersnatch does in its own way."""

    client = REQUESTS

    def __init__(self) -> None:
        """Make the suite in front of it; nothing is hooked yet."""
        self.suite = Suite(self)
        self._is_quiet = False
        # Guards the adapter of a master, and the run under way.
        self._lock = threading.RLock()
        # What this thread syncs.
        self._syncing = threading.local()

    # Facts.

    def storage(self, configuration: Any) -> Any:
        """Return the storage backend of a configuration."""
        return Disk()

    def storage_of(self, mirror: Any) -> Any:
        """Return the storage backend of a mirror."""
        return Disk()

    def climber(self, master: Any) -> AdaptiveClimber | None:
        """Return what climbs for a master; None where what that asks for is not the suite's business."""
        adapter = self._fresh_adapter(master)
        return adapter.climber if adapter is not None else None

    def spelled(self, mirror: HostMirror, projects: Collection[str] | None = None) -> Mapping[str, str]:
        """Return how projects spell their names, by the JSON documents that the mirror has of them.

        Asked for by another name, the mirror would get a second document, and keep the old one.
        """
        directory = Path(mirror.webdir) / "json"
        if not directory.is_dir():
            return {}
        names = ((canonicalize_name(entry.name), entry.name) for entry in os.scandir(directory))
        return {name: raw for name, raw in names if name != raw and (projects is None or name in projects)}

    def fetch_index(self, configuration: Any) -> bytes:
        """Return the body of the master's index."""
        from .index_request import fetch_by_requests  # which only an audit needs

        return fetch_by_requests(configuration)

    def run_command(self, start: Callable[[Any], None], *, quiet: bool) -> object:
        """Run the command `bandersnatch`, with its configuration started first; return its exit code."""
        from bandersnatch import main

        self._start, self._is_quiet = start, quiet
        hooks = Hooks(self)
        try:
            hooks.hook(Stage.COMMAND)
            return main.main()
        finally:
            hooks.unhook()

    # Seams.

    def started_command(self, command: Callable[..., Any]) -> Callable[..., Any]:
        """Start the suite before a command of Bandersnatch's begins."""

        @functools.wraps(command)
        def started_command(configuration: Any, *args: Any) -> Any:
            self._start(configuration)
            return command(configuration, *args)

        return started_command

    def quiet_console(self, setup_logging: Callable[[Any], logging.Handler]) -> Callable[[Any], logging.Handler]:
        """Keep what is below WARNING from the console, where that is asked for."""
        return at_warning(setup_logging) if self._is_quiet else setup_logging

    def quiet_filter(self) -> logging.Filter:
        """Return what lowers lines about failures that the suite tells of."""
        return QuietFailures(level_in(self.suite), knows_in(self.suite))

    def _fresh_adapter(self, master: Any) -> FreshAdapter | None:
        """Return the adapter on a master's session, mounted by now; None where that is no session of requests."""
        session, settings = vars(master).get("session"), self.suite.settings
        if settings is None or not issubclass(type(session), requests.Session):
            return None
        with self._lock:
            known = vars(master).get(_KEY)
            if known is None or known[:2] != (session, settings):
                try:
                    parts = urlsplit(master.url)
                    root = f"{parts.scheme}://{parts.netloc}"
                    inner = session.get_adapter(root)
                except ValueError:  # no URL: Bandersnatch says so
                    return None
                if isinstance(inner, FreshAdapter):
                    inner = inner.inner
                adapter = FreshAdapter(master.url, settings.rungs, settings.cache_bust_parameter, inner)
                adapter.climber.believes_404 = not has_proxy(session.proxies)
                session.mount(root, adapter)
                known = vars(master)[_KEY] = (session, settings, adapter)
        found: FreshAdapter = known[2]
        return found

    def _covering(self, master: Any, url: str) -> FreshAdapter | None:
        """Return a master's adapter where a page is its business."""
        adapter = self._fresh_adapter(master)
        return adapter if adapter is not None and adapter.climber.covers("GET", url) else None

    def checked_get(self, get: Callable[..., Any]) -> Callable[..., Any]:
        """Climb the ladder before a page is called stale, and send no PURGE."""

        @functools.wraps(get)
        def checked_get(master: Any, path: str, required_serial: int | None, **options: Any) -> Any:
            url = path if path.startswith(("https://", "http://")) else master.url + path
            # Also where nothing is required: no adapter is to be mounted while another thread looks for one.
            adapter = fail_open(None, self._covering, master, url)
            if adapter is None or required_serial is None:
                return get(master, path, required_serial, **options)
            plain = adapter.climber.scope.plain(url)
            logging.getLogger("bandersnatch.master").debug("Getting %s (serial %s)", plain, required_serial)
            try:
                all_options = {"timeout": master.timeout, **options}
                result, failure = self._fresh_page(master.session, adapter, url, required_serial, all_options)
            except Exception:  # noqa: BLE001 - ours: the result carries the request's own
                adapter.climber.step_aside()
                return get(master, path, required_serial, **options)
            if failure is not None:
                raise failure
            return result.response

        return checked_get

    def _fresh_page(
        self, session: Any, adapter: FreshAdapter, url: str, requested_serial: int, options: dict[str, Any]
    ) -> tuple[PageResult[Response], BaseException | None]:
        """Ask for a page; return the result, and what Bandersnatch is to hear if there is no page."""
        context = self.suite.context
        run = context.run if context else None
        by_body = context is not None and context.pages is not None
        scope = adapter.climber.scope
        requirement = pages.require(context, canonicalize_name(scope.title(url)), requested_serial)
        result = adapter.fetch(
            session, url, requirement.required_serial, requirement.budget, by_body=by_body, **options
        )
        with self._lock:
            decision = decide(run, requirement, result)
        ways = adapter.climber.all_ways if run and result.response is None else None
        if run and ways and run.may_ask_origin(requirement.project, ways):
            asked = adapter.ask_origin(session, url, requirement.required_serial, requirement.project, **options)
            if asked is not None:
                with self._lock:
                    run.asked_origin(requirement, asked)
                result = asked if asked.response is not None else result
        may_ask = result.response is None and not adapter.climber.ladder.is_refused
        if decision.older_serial is not None and may_ask:
            once = adapter.climber.once(decision.older_variant)
            older = adapter.fetch(session, url, decision.older_serial, once, by_body=by_body, **options)
            if older.response is not None:
                result = older
                with self._lock:
                    if run is not None:
                        run.takes(requirement.project, decision.older_serial)
        if result.response is not None:
            return result, None
        return result, _failure(decision.action, scope.plain(url), requirement, result)

    def errors_seam(self, _: object) -> Any:
        """Return a descriptor in front of the instance attribute."""
        return _ErrorsSeam(self)

    def note_failure(self, failure: BaseException | None) -> bool:
        """Note why the package can't be synced that this thread is at; return whether that is the run's failure."""
        package, run = getattr(self._syncing, "package", None), self.suite.context.run if self.suite.context else None
        if package is None or run is None or failure is None:
            return True
        project = canonicalize_name(package.name)
        with self._lock:
            if not isinstance(failure, bandersnatch.master.StalePage):
                pages.note_failure(run, project, int(package.serial or 0), failure)
            is_excused = run.excuses(project)
        if is_excused:
            pages.log_waits(run, project, failure)
        return not is_excused

    def remembered(self, synchronize: Callable[..., Any]) -> Callable[..., Any]:
        """Remember what a run saw."""

        @functools.wraps(synchronize)
        def remembered(mirror: HostMirror) -> Any:
            with self.suite.remembered(mirror):
                # Mounted by now, before there are threads that look for an adapter.
                fail_open(None, self._fresh_adapter, mirror.master)
                return synchronize(mirror)

        return remembered

    def guarded_index(self, determine: Callable[..., None]) -> Callable[..., None]:
        """Leave the mirror as it is where the list of changes is too old, or broken."""

        @functools.wraps(determine)
        def guarded_index(mirror: HostMirror) -> None:
            if not vars(mirror).pop("need_wrapup", True):  # by an earlier run of this object
                mirror.need_index_sync = True
            with self.suite.guarded_index(mirror):
                self._hear_account(mirror.master)
                determine(mirror)
            if self.suite.begins_anew(mirror):
                vars(mirror).pop("need_wrapup", None)
                with self.suite.guarded_index(mirror):
                    determine(mirror)

        return guarded_index

    def _hear_account(self, master: Any) -> None:
        """Ask the master for the last serial that it has given out, where the guard wants to know."""
        guard = self.suite.context.guard if self.suite.context else None
        if guard is None or not guard.wants_account:
            return
        try:
            account = int(master.rpc().changelog_last_serial())
        except Exception as error:  # noqa: BLE001 - whatever an XML-RPC client says of a master that has none
            log.debug("The master does not say which serial it is at: %s", type(error).__name__)
            account = None
        self.suite.admit(guard.hear, account)

    def quarantining(self, filter_packages: Callable[..., None]) -> Callable[..., None]:
        """Keep on the list only those packages in quarantine that are due."""
        return self.suite.quarantining(filter_packages)

    def unless_refused(self, wrapup: Callable[..., None]) -> Callable[..., None]:
        """Keep the serial where it is in a run that was refused its list, and save first what was not found."""

        @functools.wraps(wrapup)
        def unless_refused(mirror: HostMirror) -> None:
            if vars(mirror).get("need_wrapup", True):
                self.suite.keeps_missing(mirror)
                wrapup(mirror)

        return unless_refused

    def judged_changes(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        """Raise `IndexRefusedError` for what XML-RPC answers and must not be acted on."""

        @functools.wraps(ask)
        def judged_changes(master: Any, last_serial: int | None = None) -> Any:
            changes = ask(master) if last_serial is None else ask(master, last_serial)
            guard = self.suite.context.guard if self.suite.context else None
            if guard is not None:
                # A backend that is behind has no changes either. It is asked for its last one.
                newest = None if changes or guard.is_judged else master.rpc().changelog_last_serial()
                try:
                    self.suite.admit(guard.admit_changes, changes, last_serial, newest)
                finally:
                    self._hear_account(master)
            if last_serial is None:
                self.suite.note_listing(read_changes, changes)
            elif self.suite.awaits_listing():
                master.all_packages()  # which is noted
            return changes

        return judged_changes

    def without_pauses(self, sync: Callable[..., None]) -> Callable[..., None]:
        """Do not wait for what was no use to wait for in the last runs."""

        @functools.wraps(sync)
        def without_pauses(package: Any, stop_on_error: bool = False, attempts: int = 3) -> None:
            run = self.suite.context.run if self.suite.context else None
            project = canonicalize_name(package.name)
            if run is not None and fail_open(False, run.is_persistent, project):
                attempts = 1
            self._syncing.package = package
            try:
                sync(package, stop_on_error, attempts)
            except _WaitsError as error:
                if run is not None:
                    pages.log_waits(run, project, error)
            finally:
                self._syncing.package = None

        return without_pauses

    def noting_success(self, record_finished_package: Callable[..., None]) -> Callable[..., None]:
        """Note that a package in quarantine was synced."""

        @functools.wraps(record_finished_package)
        def noting_success(mirror: HostMirror, name: str) -> None:
            record_finished_package(mirror, name)
            with self._lock:
                if self.suite.has_synced(mirror, canonicalize_name(name)):
                    mirror.need_index_sync = True  # it may be new, in a run that has no other news

        return noting_success

    def guarded_fetch(self, url_fetch: Callable[..., Any]) -> Callable[..., Any]:
        """Dress the metadata requests of `verify`, and replace no document by an older one."""
        return DocumentFetcher(self.suite).guarded_fetch(url_fetch)


def _failure(
    action: PageAction, url: str, requirement: PageRequirement, result: PageResult[Response]
) -> BaseException | None:
    """Return what Bandersnatch is to hear of a page that is not to be had."""
    if action is PageAction.FAIL:
        return result.error
    stale = pages.stale_message(url, requirement, result) if result.observations else ""
    if action is PageAction.WAIT:
        return _WaitsError(result.error or stale)
    # Nothing asks this Bandersnatch for a page of no serial, so that the mirror's own would be kept.
    error: Exception = bandersnatch.master.StalePage(stale)
    return error


class _ErrorsSeam:
    """`Mirror.errors`, in front of the instance attribute of that name."""

    def __init__(self, host: RequestsHost) -> None:
        self._host = host

    def __get__(self, mirror: Any, owner: type | None = None) -> Any:
        return None if mirror is None else vars(mirror).get("errors")

    def __set__(self, mirror: Any, errors: Any) -> None:
        failure = sys.exc_info()[1]
        if errors and not fail_open(True, self._host.note_failure, failure):
            return
        vars(mirror)["errors"] = errors
        if errors and not isinstance(failure, bandersnatch.master.StalePage):
            self._host.suite.note_failed()
