"""The host adapter of Bandersnatch 4.4 and later, which ask through aiohttp.

Each method named in the table of seams returns what takes the place of what it is given.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from typing import Any

import bandersnatch.errors
import bandersnatch.master
from bandersnatch.storage import storage_backend_plugins

from ..core.decision import PageAction, PageRequirement, decide
from ..core.log_fields import log_fields
from ..fail_open import fail_open, log_error
from ..formatting import printable
from ..settings import OptionError
from ..transports.aiohttp_session import AiohttpPage, FreshSession, is_client_session
from ..transports.climber import AdaptiveClimber
from . import pages
from .configuration import has_proxy
from .index_judge import IndexJudge
from .log_lines import QuietFailures, at_warning, knows_in, level_in
from .protocols import HostMirror
from .seams import AIOHTTP, Hooks, Stage
from .suite import Suite

log = logging.getLogger("bandersnatch.freshness")
_master_log = logging.getLogger("bandersnatch.master")

_KEY = "_freshness_session"
_IS_LOGGED = "_freshness_is_logged"


class AiohttpHost:
    """What this Bandersnatch does in its own way."""

    client = AIOHTTP

    def __init__(self) -> None:
        """Make the suite in front of it; nothing is hooked yet."""
        self.suite = Suite(self)
        self._is_quiet = False

    # Facts.

    def storage(self, configuration: Any) -> Any:
        """Return the storage backend of a configuration."""
        backend = configuration.get("mirror", "storage-backend", fallback="filesystem")
        found = next(iter(storage_backend_plugins(backend, config=configuration, clear_cache=True)), None)
        if found is None:
            raise OptionError(f"[mirror] storage-backend = {printable(backend)}: no such storage backend")
        return found

    def storage_of(self, mirror: Any) -> Any:
        """Return the storage backend of a mirror."""
        return mirror.storage_backend

    def climber(self, master: Any) -> AdaptiveClimber | None:
        """Return what climbs for a master; None where what that asks for is not the suite's business."""
        session = self._fresh_session(master, vars(master).get("session"))
        return session.climber if session is not None else None

    def spelled(self, mirror: HostMirror, projects: Collection[str] | None = None) -> Mapping[str, str]:
        """Return nothing: this Bandersnatch asks for projects, and stores them, by their normalized names."""
        return {}

    def fetch_index(self, configuration: Any) -> bytes:
        """Return the body of the master's index."""
        from .index_request import fetch_by_aiohttp  # which only an audit needs

        return fetch_by_aiohttp(configuration)

    def run_command(self, start: Callable[[Any], None], *, quiet: bool) -> object:
        """Run the command `bandersnatch`, with its configuration started first; return its exit code."""
        from bandersnatch import main  # brings its own event loop, where there is another one

        self._start, self._is_quiet = start, quiet
        hooks = Hooks(self)
        try:
            hooks.hook(Stage.COMMAND)
            return main.main()
        finally:
            hooks.unhook()
            asyncio.set_event_loop(asyncio.new_event_loop())  # storage plugins want one

    # Seams.

    def started_main(self, async_main: Callable[..., Any]) -> Callable[..., Any]:
        """Start the suite before Bandersnatch's command begins."""

        async def started_main(args: Any, config: Any) -> Any:
            self._start(config)
            return await async_main(args, config)

        return started_main

    def quiet_console(self, setup_logging: Callable[[Any], logging.Handler]) -> Callable[[Any], logging.Handler]:
        """Keep what is below WARNING from the console, where that is asked for."""
        return at_warning(setup_logging) if self._is_quiet else setup_logging

    def quiet_filter(self) -> logging.Filter:
        """Return what lowers lines about failures that the suite tells of."""
        return QuietFailures(level_in(self.suite), knows_in(self.suite))

    def session_seam(self, _: object) -> Any:
        """Return a descriptor in front of the instance attribute."""
        return _SessionSeam(self)

    def _fresh_session(self, master: Any, session: Any) -> FreshSession | None:
        """Return the session in front of a real client session, None for anything else."""
        settings = self.suite.settings
        fresh: FreshSession | None = vars(master).get(_KEY)
        if fresh is not None and fresh.wrapped is session and fresh.settings is settings:  # as for nearly every request
            return fresh
        if settings is None or not is_client_session(session):
            return None
        fresh = vars(master)[_KEY] = FreshSession(session, master.url, settings)
        fresh.climber.believes_404 = not has_proxy(vars(master).get("proxy_kwargs") or vars(master).get("proxy"))
        return fresh

    def _covering(self, master: Any, url: str) -> FreshSession | None:
        """Return a master's session where a page is its business."""
        try:
            session = self._fresh_session(master, vars(master).get("session"))
            return session if session is not None and session.climber.covers("GET", url) else None
        except Exception:  # noqa: BLE001 - fail open; it is logged
            log_error()
            return None

    def checked_get(self, get: Callable[..., Any]) -> Callable[..., Any]:
        """Climb the ladder before a page is called stale."""

        @functools.wraps(get)
        def checked_get(master: Any, path: str, required_serial: int | None, **options: Any) -> Any:
            if required_serial is None:  # as of every release file
                return get(master, path, required_serial, **options)
            url = path if path.startswith(("https://", "http://")) else master.url + path
            session = self._covering(master, url)
            if session is None:
                return get(master, path, required_serial, **options)
            as_without = functools.partial(get, master, path, required_serial, **options)
            return self._checked(session, url, required_serial, options, as_without)

        return checked_get

    async def _checked(
        self,
        session: FreshSession,
        url: str,
        requested_serial: int,
        options: dict[str, Any],
        as_without: Callable[[], AsyncGenerator[Any, None]],
    ) -> AsyncGenerator[Any, None]:
        if _master_log.isEnabledFor(logging.DEBUG):
            _master_log.debug("Getting %s (serial %s)", session.climber.scope.plain(url), requested_serial)
        failure: Exception | None = None
        try:
            context = self.suite.context
            run = context.run if context else None
            by_body = context is not None and context.pages is not None
            requirement = pages.require(context, session.climber.scope.title(url), requested_serial)
            result = await session.fetch(
                url, requirement.required_serial, requirement.budget, by_body=by_body, **options
            )
            decision = decide(run, requirement, result)
            ways = session.climber.all_ways if run and result.response is None else None
            if run and ways and run.may_ask_origin(requirement.project, ways):
                asked = await session.ask_origin(url, requirement.required_serial, requirement.project, **options)
                if asked is not None:
                    run.asked_origin(requirement, asked)
                    result = asked if asked.response is not None else result
            # In a `sync`, it is the page that Bandersnatch would have taken at once.
            may_ask = result.response is None and not (run and session.climber.ladder.is_refused)
            if decision.older_serial is not None and may_ask:
                once = session.climber.once(decision.older_variant)
                older = await session.fetch(url, decision.older_serial, once, by_body=by_body, **options)
                if older.response is not None:
                    result = older
                    if run is not None:
                        run.takes(requirement.project, decision.older_serial)
            if result.response is None:
                failure = self._failure(decision.action, session.climber.scope.plain(url), requirement, result)
        except Exception:  # noqa: BLE001 - ours: the result carries the request's own
            session.climber.step_aside()
            async for response in as_without():
                yield response
            return
        if failure is not None:
            raise failure
        assert result.response is not None  # noqa: S101 - one of both
        async with result.response as response:
            yield response

    def _failure(
        self, action: PageAction, url: str, requirement: PageRequirement, result: AiohttpPage
    ) -> Exception | None:
        """Return what Bandersnatch is to hear of a page that is not to be had."""
        if action is PageAction.FAIL:
            return result.error
        if action is PageAction.KEEP_OWN:
            return _kept(requirement.project, requirement.floor)
        if action is PageAction.STALE:
            stale: Exception = bandersnatch.master.StalePage(pages.stale_message(url, requirement, result))
            return stale
        # Ends Bandersnatch's attempts at once: it was no use to pause in the last runs.
        ending: Exception = bandersnatch.errors.StaleMetadata(package_name=requirement.project, attempts=1)
        return ending

    def remembered(self, synchronize: Callable[..., Any]) -> Callable[..., Any]:
        """Remember what a run saw, unless it is of single packages."""

        @functools.wraps(synchronize)
        async def remembered(mirror: HostMirror, specific_packages: Any = None, *args: Any, **kwargs: Any) -> Any:
            with self.suite.remembered(mirror, is_of_all=specific_packages is None):
                return await synchronize(mirror, specific_packages, *args, **kwargs)

        return remembered

    def guarded_index(self, determine: Callable[..., Any]) -> Callable[..., Any]:
        """Leave the mirror as it is where the index is too old, or broken."""

        @functools.wraps(determine)
        async def guarded_index(mirror: HostMirror) -> None:
            judge = IndexJudge(self.suite, self._session_of)
            with self.suite.guarded_index(mirror):
                await judge.hear_account(mirror.master)
                await determine(mirror)
            if self.suite.begins_anew(mirror):
                with self.suite.guarded_index(mirror):
                    await determine(mirror)
            await judge.peek(mirror.master)

        return guarded_index

    def quarantining(self, filter_packages: Callable[..., None]) -> Callable[..., None]:
        """Keep on the list only those packages in quarantine that are due."""
        return self.suite.quarantining(filter_packages)

    def judged_index(self, fetch_simple_index: Callable[..., Any]) -> Callable[..., Any]:
        """Take the best copy of the index that may be acted on."""
        return IndexJudge(self.suite, self._session_of).judged_index(fetch_simple_index)

    def judged_changes(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        """Act on what XML-RPC answers only if that may be."""
        return IndexJudge(self.suite, self._session_of).judged_changes(ask)

    def _session_of(self, master: Any) -> FreshSession | None:
        return fail_open(None, self._fresh_session, master, vars(master).get("session"))

    def guarded_fetch(self, url_fetch: Callable[..., Any]) -> Callable[..., Any]:
        """Replace no JSON document by an older one."""

        @functools.wraps(url_fetch)
        async def guarded_fetch(master: Any, url: str, file_path: Any, *args: Any, **kwargs: Any) -> Any:
            session = self._covering(master, url)
            if session is None or not session.settings.guards:
                return await url_fetch(master, url, file_path, *args, **kwargs)
            project = session.climber.scope.title(url)
            own = file_path.with_name(file_path.name.removesuffix(".new"))
            try:
                least = self.suite.least_document(project, own) if own.exists() else 0
                result = await session.fetch(url, least, by_body=True) if least else None
            except Exception:  # noqa: BLE001 - ours: the result carries the request's own
                session.climber.step_aside()
                result = None
            if result is None:
                return await url_fetch(master, url, file_path, *args, **kwargs)
            is_gone = result.is_proven_gone or self.suite.knows_gone(project)
            if result.error is not None and (is_gone or not result.is_missing):
                raise result.error
            if result.response is None:
                raise _kept(project, least)
            async with result.response as response:
                return file_path.write_bytes(await response.read())

        return guarded_fetch

    def noting_success(self, process_package: Callable[..., Any]) -> Callable[..., Any]:
        """Note that a package in quarantine was synced."""

        @functools.wraps(process_package)
        def noting_success(mirror: HostMirror, package: Any) -> Any:
            run = self.suite.context.run if self.suite.context else None
            if run is None or not fail_open(False, run.concerns, package.name):
                return process_package(mirror, package)
            return noting(mirror, package)

        async def noting(mirror: HostMirror, package: Any) -> Any:
            result = await process_package(mirror, package)
            if self.suite.has_synced(mirror, package.name):
                mirror.need_index_sync = True  # it may be new, in a run that has no other news
            return result

        return noting_success

    def keeping_missing(self, wrapup: Callable[..., None]) -> Callable[..., None]:
        """Save what was not found before the serial passes it."""

        @functools.wraps(wrapup)
        def keeping_missing(mirror: HostMirror) -> None:
            self.suite.keeps_missing(mirror)
            wrapup(mirror)

        return keeping_missing

    def believed_gone(self, on_package_not_found: Callable[..., Any]) -> Callable[..., Any]:
        """Act on a 404 only where it is believed, and delete files only after a second one."""

        @functools.wraps(on_package_not_found)
        async def believed_gone(mirror: HostMirror, package: Any) -> None:
            if self.suite.believes_gone(mirror, package.name):
                await on_package_not_found(mirror, package)

        return believed_gone

    def package_on_error(self, on_error: Callable[..., None]) -> Callable[..., None]:
        """Log what Bandersnatch drops, and keep failures of packages in quarantine from holding up the mirror."""
        logged = self.verify_on_error(on_error)

        @functools.wraps(on_error)
        def package_on_error(mirror: HostMirror, exception: BaseException, *args: Any, **kwargs: Any) -> None:
            run = self.suite.context.run if self.suite.context else None
            package = kwargs.get("package")
            try:
                if package is not None and run is not None and isinstance(exception, Exception):
                    if not isinstance(exception, bandersnatch.errors.StaleMetadata):
                        pages.note_failure(run, package.name, int(package.serial or 0), exception)
                    if run.excuses(package.name):
                        pages.log_waits(run, package.name, exception)
                        return
            except Exception:  # noqa: BLE001 - fail open; it is logged
                log_error()
            logged(mirror, exception, *args, **kwargs)

        return package_on_error

    def verify_on_error(self, on_error: Callable[..., None]) -> Callable[..., None]:
        """Log what Bandersnatch drops without a line, and nothing twice."""

        @functools.wraps(on_error)
        def verify_on_error(first: Any, exception: BaseException, *args: Any, **kwargs: Any) -> None:
            if hasattr(exception, _IS_LOGGED):
                return
            suite = self.suite
            if not isinstance(exception, bandersnatch.errors.StaleMetadata):
                suite.note_failed()
            if isinstance(exception, (TypeError, ValueError)):
                package = kwargs.get("package")
                project = printable(str(getattr(package, "name", package)))
                log.log(
                    level_in(suite)(project),
                    "%s: %s: %s. Bandersnatch drops such an error without a line, and its serial stays where it is",
                    *(project, type(exception).__name__, printable(str(exception))),
                    extra=log_fields(project=project),
                )
            on_error(first, exception, *args, **kwargs)

        return verify_on_error


class _SessionSeam:
    """`Master.session`, in front of the instance attribute of that name."""

    def __init__(self, host: AiohttpHost) -> None:
        self._host = host

    def __get__(self, master: Any, owner: type | None = None) -> Any:
        if master is None:
            return self
        try:
            session = vars(master)["session"]
        except KeyError:
            raise AttributeError("session") from None
        try:
            return self._host._fresh_session(master, session) or session
        except Exception:  # noqa: BLE001 - fail open; it is logged
            log_error()
            return session

    def __set__(self, master: Any, session: Any) -> None:
        vars(master)["session"] = session

    def __delete__(self, master: Any) -> None:
        del vars(master)["session"]


def _kept(project: str, floor: int) -> Exception:
    """Log that the mirror's own page stays, and return what ends Bandersnatch's attempts without another word."""
    pages.log_kept(project, floor)
    error: Exception = bandersnatch.errors.StaleMetadata(package_name=project, attempts=1)
    setattr(error, _IS_LOGGED, True)
    return error
