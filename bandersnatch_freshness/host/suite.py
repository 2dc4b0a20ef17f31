"""The suite in this process: what is enabled, and the run in progress."""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from ..core.causes import ENDED, STOP_ON_ERROR, cause_of, cause_of_no_begin
from ..core.incidents import INDEX, MIRROR
from ..core.index import IndexRefusedError, Listing
from ..core.known_pages import KnownPages
from ..core.log_fields import log_fields
from ..core.observations import parse_serial, serial_in_body
from ..core.run import Run
from ..fail_open import begin_run, fail_open, log_error
from ..formatting import plain_url
from ..settings import OptionError, Settings, TrackingSettings
from ..slips import master_slip
from ..state.memory import Memory
from ..state.store import Store
from ..transports.climber import AdaptiveClimber
from . import package_list, pages
from .configuration import read_tracking, stop
from .handing_back import hand_back_all
from .layout import STATUS, TODO, simple_directory
from .log_lines import level_in
from .mirror_files import MirrorFiles
from .protocols import HostAdapter, HostMirror
from .run_context import RunContext, end_run, read_todo
from .seams import Hooks, Stage, lacking

log = logging.getLogger("bandersnatch.freshness")


def clock() -> int:
    """Return the seconds since 1970."""
    return int(time.time())


class Suite:
    """The suite in front of one Bandersnatch, which makes one run; programs built on it may make more.

    `has_failed` is whether anything has failed, since Bandersnatch was started, that isn't remembered as an incident;
    `tells` is whether the end of the last run is remembered, and what persists is told; `end_level` is the level for an
    error that ended it. `has_begun` is whether a run has begun at all.
    """

    def __init__(self, adapter: HostAdapter) -> None:
        """`adapter` is of the Bandersnatch that is installed."""
        self.adapter = adapter
        self.settings: Settings | None = None
        self.configuration: Any = None
        self.context: RunContext | None = None
        self.has_failed = self.tells = self.has_begun = False
        self.end_level = logging.DEBUG
        self.hooks = Hooks(adapter)
        self._known_pages: KnownPages | None = None

    def enable(self, settings: Settings, configuration: Any) -> str | None:
        """Follow these settings from now on; return what Bandersnatch lacks for that, None if it has all."""
        self.configuration = configuration
        if self.settings is None:
            missing = lacking(self.adapter.client)
            if missing:
                return missing
            try:
                self.hooks.hook(Stage.START)
            except Exception:
                self.hooks.unhook()
                raise
        self.settings = settings
        return None

    def unhook(self) -> None:
        """Take everything back; what asks by then, such as an adapter that is mounted, asks plainly from now on."""
        self.hooks.unhook()
        self.settings = self.configuration = self.context = self._known_pages = None

    def note_failed(self) -> None:
        """Note that something has failed that is no stale page."""
        self.has_failed = self.has_failed or self.context is None or self.context.run is None

    def files(self, tracking: TrackingSettings) -> MirrorFiles:
        """Return the files of the mirror that the configuration is of."""
        return files_of(self.adapter, self.configuration, tracking)

    @contextlib.contextmanager
    def remembered(self, mirror: HostMirror, *, is_of_all: bool = True) -> Iterator[None]:
        """Remember what a run saw, unless it is of single packages."""
        if self.has_begun:  # what came before the first run counts as of that
            begin_run()
        self.has_begun = True
        if is_of_all:
            fail_open(None, self._hand_back, mirror)
        begin = self._begin_run if is_of_all else self._begin_sync
        context = self.context = fail_open(RunContext(mirror), begin, mirror)

        def end(outcome: str, problem: str = "") -> None:
            if outcome not in ("fresh", "errors"):
                gc.unfreeze()  # what is left unfinished is cleaned up at exit, as without the suite
            if self.context is context:  # only once
                self.context = None
                if outcome == "interrupted" and mirror.stop_on_error and mirror.errors:
                    outcome, problem = "errors", STOP_ON_ERROR  # Bandersnatch ended it by itself
                self.tells = fail_open(False, end_run, context, outcome, problem)

        # Ctrl-C and an error that stops it leave Bandersnatch 4.4's coroutines where they are: nothing else ends this.
        atexit.register(end, "interrupted")
        outcome, problem = "interrupted", ENDED
        try:
            yield
            outcome, problem = "errors" if mirror.errors or (context.guard and context.guard.refusal) else "fresh", ""
            self.end_level = logging.ERROR  # what fails from here on is remembered nowhere
        except Exception as error:
            outcome, problem = "failed", cause_of(error)
            if not context.no_index:  # which has been said
                self.end_level = fail_open(logging.INFO, level_in(self), MIRROR)
            raise
        finally:
            atexit.unregister(end)
            end(outcome, problem)

    def _hand_back(self, mirror: HostMirror) -> None:
        """Hand back what is in quarantine, if no enabled plugin minds it; Bandersnatch reads its todo list later."""
        settings = self.settings
        if settings is None or settings.quarantines or not _is_url(mirror.master.url):
            return
        tracking = settings.tracking or read_tracking(self.configuration)
        storage = self.adapter.storage_of(mirror)
        files = MirrorFiles(str(mirror.homedir), plain_url(mirror.master.url), tracking, storage)
        if said := hand_back_all(files, clock, with_missing=settings.tracking is None):
            log.warning("No enabled plugin minds the quarantine: %s", said)

    def _begin_run(self, mirror: HostMirror) -> RunContext:
        storage = self.adapter.storage_of(mirror)
        memory = self._memory_of(mirror, storage)
        listed = read_todo(storage, mirror)
        try:
            run = memory.begin(listed) if memory else None
        except OptionError as error:
            stop(error)
        if memory is None:
            return RunContext(mirror, storage)
        climber = self._climber(mirror, memory)
        if run and climber:
            run.ways = len(climber.ladder.rungs)
        context = RunContext(mirror, storage, memory if run else None, run, climber=climber, todo=listed)
        if self.settings and self.settings.guards:
            context.guard, context.pages = memory.guard(run), memory.pages()
        return context

    def _begin_sync(self, mirror: HostMirror) -> RunContext:
        storage = self.adapter.storage_of(mirror)
        memory = self._memory_of(mirror, storage)
        if memory is None or not (self.settings and self.settings.guards):
            return RunContext(mirror, storage)
        pages = memory.look()
        return RunContext(mirror, storage, pages=pages, guard=memory.guard(), climber=self._climber(mirror, memory))

    def _climber(self, mirror: HostMirror, memory: Memory) -> AdaptiveClimber | None:
        """Return what climbs for a mirror, which heeds what earlier runs learned of its master."""
        climber, refusal = self.adapter.climber(mirror.master), memory.refusal()
        if climber is not None:
            climber.leave_out(memory.left_out())
        if climber is not None and refusal is not None:
            climber.begin_refused(refusal)
        return climber

    def _memory_of(self, mirror: HostMirror, storage: Any) -> Memory | None:
        """Return the memory of a mirror, None where nothing is to be remembered."""
        tracking = self.settings.tracking if self.settings else None
        if tracking is None or not _is_url(mirror.master.url) or self.adapter.climber(mirror.master) is None:
            return None
        return MirrorFiles(str(mirror.homedir), plain_url(mirror.master.url), tracking, storage).memory(clock)

    def end_early(self, error: Exception) -> None:
        """Remember a run that Bandersnatch ended by an error before it began, as where the disk is full."""
        tracking = self.settings.tracking if self.settings else None
        if tracking is not None:
            self.tells = fail_open(False, self._end_early, tracking, error)

    def _end_early(self, tracking: TrackingSettings, error: Exception) -> bool:
        try:
            files = self.files(tracking)
        except Exception:  # noqa: BLE001 - there is nothing to remember it in, which is why it ended
            return False
        memory = files.memory(clock)
        run = memory.begin()
        if run is None:
            return memory.has_told_loss()
        with contextlib.suppress(OSError):  # by which it may have ended
            run.report.reached = parse_serial((files.store(STATUS).read() or b"").decode("ascii", "replace")) or 0
        run.report.is_whole = False
        self.end_level = logging.DEBUG if run.report.overlaps or run.is_known(MIRROR) else logging.INFO
        memory.end(run, None, "failed", run.report.reached, problem=cause_of_no_begin(error))
        return run.is_quiet

    @contextlib.contextmanager
    def guarded_index(self, mirror: HostMirror) -> Iterator[None]:
        """Leave the mirror as it is where the index is too old, or broken."""
        fail_open(None, self._expect_index, mirror)
        context = self.context
        try:
            yield
        except IndexRefusedError as error:
            if not (context and context.guard and context.guard.has_begun_anew):  # which is said instead
                self._log_refused("The index is not used, and the mirror stays as it is", str(error), mirror)
            mirror.packages_to_sync = {}
            mirror.target_serial = mirror.synced_serial
            mirror.need_wrapup = mirror.need_index_sync = False
        except Exception as error:  # by which the run ends, as without the suite
            if context and context.guard:
                reason = context.guard.refusal or cause_of(error)
                self._log_refused("The index can't be had", f"{reason}{_because_of(mirror.master.url)}", mirror)
            raise

    def _log_refused(self, what: str, reason: str, mirror: HostMirror) -> None:
        """Log that there is no index: at ERROR where nobody will tell what persists, or a first sync can't begin."""
        if self.context:
            self.context.no_index = f"there is no index: {reason}"
        level = fail_open(logging.ERROR, level_in(self), INDEX, MIRROR)
        if not mirror.synced_serial and level == logging.INFO:
            level = logging.ERROR
        log.log(level, "%s: %s", what, reason, extra=log_fields(project=INDEX))

    def _expect_index(self, mirror: HostMirror) -> None:
        context = self.context
        if context is None:
            return
        synced, owed, target = int(mirror.synced_serial or 0), 0, 0
        if context.run and context.memory:
            context.run.is_full = not synced
            if context.todo is not None:
                target = context.todo.target
                if "--force-check" in sys.argv:
                    path = Store(context.storage, mirror.homedir, TODO).path
                    log.warning("%s is worked off first: --force-check begins with the run after that", path)
            owed = context.memory.owed()
            if not synced and context.pages:
                context.pages.begin_anew()
        if context.guard:
            count_own = functools.partial(pages.count_own_projects, context.storage, mirror.webdir, mirror.hash_index)
            is_held = context.memory.is_held(canonicalize_name) if context.memory else None
            context.guard.expect(synced, count_own, owed, target, is_held)

    def begins_anew(self, mirror: HostMirror) -> bool:
        """Start the mirror over if the upstream has gone back for good, as after a restore; return whether it does."""
        return fail_open(False, self._begin_anew, mirror)

    def _begin_anew(self, mirror: HostMirror) -> bool:
        guard = self.context.guard if self.context else None
        if self.context is None or guard is None or not guard.has_begun_anew:
            return False
        log.warning(
            "The upstream is older than the mirror, which is at serial %s, in three runs: the mirror begins anew, "
            "as by `bandersnatch mirror --force-check`",
            mirror.synced_serial,
        )
        # For the next run too, should this one be killed.
        Store(self.context.storage, mirror.homedir, STATUS).write(["0"], 0o644)
        mirror.synced_serial = 0
        mirror.need_index_sync = True  # which the refusal has switched off
        guard.reconsider()
        return True

    def admit(self, step: Callable[..., None], *args: Any) -> None:
        """Do a step of the guard's; if it fails other than by a refusal, log that, and guard nothing in this run."""
        try:
            step(*args)
        except IndexRefusedError:
            raise
        except Exception:  # noqa: BLE001 - fail open; it is logged
            log_error()
            if self.context:
                self.context.guard = self.context.pages = None

    def least_document(self, project: str, document: Path) -> int:
        """Return the least serial of what may replace a JSON document, outside of any run."""
        tracking = self.settings.tracking if self.settings else None
        own = serial_in_body(document.read_bytes()) or 0
        if tracking and not own:  # damaged: the simple page knows
            hashed = self.configuration.getboolean("mirror", "hash-index", fallback=False)
            simple = simple_directory(document.parent.parent, project, hashed=hashed)
            own = pages.serial_of_simple(self.files(tracking).storage, simple)
        if self._known_pages is None and tracking:  # `verify` has no mirror object: read once
            self._known_pages = Memory(self.files(tracking).records(clock), tracking, clock).look()
        return self._known_pages.floor(project, own) if self._known_pages else own

    def knows_gone(self, project: str) -> bool:
        """Return whether a project is believed to be gone, outside of any run."""
        return self._known_pages is not None and project in self._known_pages.gone

    def quarantining(self, filter_packages: Callable[..., None]) -> Callable[..., None]:
        """Return a `_filter_packages` that keeps on the list only those packages in quarantine that are due."""

        @functools.wraps(filter_packages)
        def quarantining(mirror: HostMirror) -> None:
            context = self.context
            memory, run = (context.memory, context.run) if context else (None, None)
            if context is None or memory is None or run is None:
                filter_packages(mirror)
                return
            package_list.settle(context, memory, run, self.adapter, self.configuration, filter_packages)

        return quarantining

    def note_listing(self, read: Callable[[Any], Listing], listed: Any) -> None:
        """Keep all that the master lists, where that is audited, packages in quarantine wait for it, or are missing."""
        context = self.context
        memory, run = (context.memory, context.run) if context else (None, None)
        if context and memory and run:
            fail_open(None, self._note_listing, context, memory, run, read, listed)

    @staticmethod
    def _note_listing(
        context: RunContext, memory: Memory, run: Run, read: Callable[[Any], Listing], listed: Any
    ) -> None:
        listing = read(listed)
        context.slice = memory.audit.next_slice(run, listing.projects)
        if context.slice or memory.waiting() or memory.missing.is_any_due():
            context.listing = listing

    def awaits_listing(self) -> bool:
        """Return whether to ask for all that the master lists, as packages in quarantine wait for it."""
        memory = self.context.memory if self.context and self.context.listing is None else None
        return memory is not None and fail_open(False, memory.awaits_listing)

    def wants_peek(self) -> bool:
        """Return whether to look how far upstream has moved, as a todo list is worked off."""
        context = self.context
        memory = context.memory if context and context.run and context.todo else None
        return memory is not None and fail_open(False, memory.wants_peek)

    def keeps_missing(self, mirror: HostMirror) -> None:
        """Save what was not found before the mirror's serial passes it; if that fails, the serial waits."""
        memory, run = (self.context.memory, self.context.run) if self.context else (None, None)
        if memory and run and not mirror.errors and not fail_open(False, memory.missing.keep, run):
            mirror.errors = True

    def believes_gone(self, mirror: HostMirror, project: str) -> bool:
        """Return whether Bandersnatch may act on the 404 that it got for a project."""
        run = self.context.run if self.context else None
        return run is None or fail_open(False, self._believes_gone, run, mirror, project)

    def _believes_gone(self, run: Run, mirror: HostMirror, project: str) -> bool:
        storage = self.adapter.storage_of(mirror)
        deletes = getattr(mirror, "delete_missing_packages", False)
        has_files = deletes and storage.exists(storage.PATH_BACKEND(f"{mirror.webdir}/json/{project}"))
        return run.believes_gone(project, clock(), has_files=has_files)

    def has_synced(self, mirror: HostMirror, project: str) -> bool:
        """Record that Bandersnatch has synced a page; return whether the package was in quarantine."""
        run = self.context.run if self.context else None
        was_held = run is not None and fail_open(False, run.processed, project)
        if was_held and run is not None and run.batch:
            served = min(run.proven_serial(project), run.batch.target)
            mirror.target_serial = max(int(mirror.target_serial or 0), served)
        return was_held


def _because_of(master: str) -> str:
    """Return what to say of a master that is probably a slip, where there is no index."""
    slip = master_slip(master)
    return f"; [mirror] master {slip}" if slip else ""


def _is_url(master: str) -> bool:
    """Return whether a master is a URL; of one that is none, Bandersnatch says so."""
    try:
        return bool(plain_url(master))
    except ValueError:
        return False


def files_of(adapter: HostAdapter, configuration: Any, tracking: TrackingSettings) -> MirrorFiles:
    """Return the files of the mirror that a configuration is of.

    Raises:
        OptionError: if its master is not a URL.
    """
    directory = configuration.get("mirror", "directory")
    try:
        master = plain_url(configuration.get("mirror", "master"))
    except ValueError:  # whose text may have a password in it
        raise OptionError("[mirror] master: not a URL") from None
    storage = adapter.storage(configuration)
    if storage.PATH_BACKEND is Path:  # a relative one says nothing to those who read of it elsewhere
        directory = os.path.abspath(directory)
    return MirrorFiles(directory, master, tracking, storage)
