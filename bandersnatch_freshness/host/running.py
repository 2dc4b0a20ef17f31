"""What is under way in this process, and the steps of a run that every Bandersnatch has."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import logging
import os
import socket
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from packaging.utils import canonicalize_name

from .. import fail_open as failing
from ..core.climb import PageResult
from ..core.guard import Guard, IndexRefusedError
from ..core.incidents import INDEX
from ..core.ladder import RecheckBudget
from ..core.log_fields import log_fields
from ..core.observations import printable
from ..core.run import Run
from ..core.serials import serial_in_body
from ..fail_open import fail_open
from ..settings import OptionError, Settings, TrackingSettings
from ..state.document import State, plain_url
from ..state.memory import Memory
from .mirror_files import SIMPLE_PAGES, MirrorFiles, own_serial, simple_directory

if TYPE_CHECKING:
    from ..notify.notifier import Notifier

log = logging.getLogger("bandersnatch.freshness")


class HostAdapter(Protocol):
    """What differs between the generations of Bandersnatch; each is a module of this package."""

    # What is needed of Bandersnatch: names below `bandersnatch`.
    SEAMS: Sequence[str]

    def missing_seam(self) -> str | None:
        """Say what this Bandersnatch lacks of what the suite hooks, None where it has all."""

    def hook(self) -> None:
        """Put the suite in place."""

    def storage(self, configuration: Any) -> Any:
        """Return the storage backend of a configuration."""

    def storage_of(self, mirror: Any) -> Any:
        """Return the storage backend of a mirror."""

    def simple_directory(self, mirror: Any, project: str) -> Any:
        """Return where the mirror's own pages of a project lie."""

    def asks(self, master: Any) -> bool:
        """Tell whether what a master asks for is the suite's business."""

    def spelled(self, mirror: Any, projects: Collection[str]) -> Mapping[str, str]:
        """Return how Bandersnatch spells projects, where that differs from their normalized names."""

    def run(self, start: Callable[[Any], None]) -> object:
        """Run the command `bandersnatch`, with a configuration started first; return its exit code."""


@dataclass
class RunContext:
    """A `mirror` or `sync` under way, and what the suite has for it: of a `sync`, a guard at most."""

    mirror: Any
    memory: Memory | None = None
    run: Run | None = None
    guard: Guard | None = None


@dataclass
class Process:
    """What the suite knows in this process; Bandersnatch makes one run, programs built on it may make more."""

    host_adapter: HostAdapter | None = None
    settings: Settings | None = None
    configuration: Any = None
    configured_from: object = None
    context: RunContext | None = None
    looked: Guard | None = None
    # Whether anything but a stale page has failed since Bandersnatch was started.
    has_failed: bool = False

    @property
    def run(self) -> Run | None:
        """The run under way."""
        return self.context.run if self.context else None

    @property
    def guard(self) -> Guard | None:
        """What guards the run, or the `sync`, under way."""
        return self.context.guard if self.context else None


process = Process()


def clock() -> int:
    """Return the seconds since 1970."""
    return int(time.time())


def missing(seams: Iterable[str]) -> str | None:
    """Return the first of these names below `bandersnatch` that is not there, None where all are."""
    for seam in seams:
        module, *names = seam.split(".")
        owner: Any = importlib.import_module(f"bandersnatch.{module}")
        for name in names:
            if not hasattr(owner, name):
                return f"bandersnatch.{seam}"
            owner = getattr(owner, name)
    return None


def host_adapter() -> HostAdapter:
    """Return that of the Bandersnatch which is installed."""
    assert process.host_adapter is not None  # noqa: S101 - set when this package is imported
    return process.host_adapter


def files_of(configuration: Any, tracking: TrackingSettings) -> MirrorFiles:
    """Return the files of the mirror that a configuration is of."""
    directory = configuration.get("mirror", "directory")
    try:
        master = plain_url(configuration.get("mirror", "master"))
    except ValueError:  # whose text may have a password in it
        raise OptionError("[mirror] master: not a URL") from None
    return MirrorFiles(directory, master, tracking, host_adapter().storage(configuration))


def is_quiet(subject: str) -> bool:
    """Tell whether what is stale is no news yet."""
    run = process.run
    return run is not None and fail_open(False, run.is_quiet, subject)


@contextlib.contextmanager
def remembered(mirror: Any, *, is_of_all: bool = True) -> Iterator[None]:
    """Remember what a run saw, unless it is of single packages."""
    failing.begin()
    begin = _begin_run if is_of_all else _begin_sync
    context = process.context = fail_open(RunContext(mirror), begin, mirror)

    def end(outcome: str) -> None:
        if process.context is context:  # only once
            process.context = None
            if outcome == "interrupted" and mirror.stop_on_error and mirror.errors:
                outcome = "errors"  # Bandersnatch ended it by itself
            fail_open(None, _end, context, outcome)

    # Ctrl-C and an error that stops it leave the coroutines of Bandersnatch 4.4 where they are: nothing else ends this.
    atexit.register(end, "interrupted")
    outcome = "interrupted"
    try:
        yield
        outcome = "errors" if mirror.errors or (context.guard and context.guard.refusal) else "fresh"
    except Exception:
        outcome = "failed"
        raise
    finally:
        atexit.unregister(end)
        end(outcome)


def _begin_run(mirror: Any) -> RunContext:
    memory = _memory_of(mirror)
    run = memory.begin() if memory else None
    guard = memory.guard() if memory and process.settings and process.settings.guards else None
    return RunContext(mirror, memory, run, guard) if run else RunContext(mirror, guard=guard)


def _begin_sync(mirror: Any) -> RunContext:
    memory = _memory_of(mirror)
    return RunContext(mirror, guard=memory.look() if memory and process.settings and process.settings.guards else None)


def _memory_of(mirror: Any) -> Memory | None:
    """Return the memory of a mirror, None where there is none to keep."""
    if process.settings is None or process.settings.tracking is None or not host_adapter().asks(mirror.master):
        return None
    tracking = process.settings.tracking
    files = MirrorFiles(str(mirror.homedir), plain_url(mirror.master.url), tracking, host_adapter().storage_of(mirror))

    # Imported by the runs that need it: nearly all of a cron job's have nothing to do, and are to be quick.
    def notifier() -> Notifier:
        from ..notify.notifier import Notifier

        return Notifier(tracking.notify, f"{socket.gethostname()}:{mirror.homedir}", tracking.repeat_every)

    def publish(state: State, now: int) -> None:
        from ..reporting.publisher import Publisher

        Publisher(files).publish(state, now)

    shows = publish if tracking.metrics_file or tracking.status_page else None
    return Memory(files.records(clock), tracking, clock, notifier, shows)


def _end(context: RunContext, outcome: str) -> None:
    mirror, memory, run = context.mirror, context.memory, context.run
    if memory is None or run is None:
        return
    run.report.reached = int(mirror.synced_serial or 0)
    run.report.is_whole = outcome in ("fresh", "errors")
    # Ended by Ctrl-C, it is to end at once; the next run sends what this one would have.
    memory.end(run, context.guard, outcome, int(mirror.target_serial or 0), may_notify=outcome != "interrupted")


class PageRequirement(NamedTuple):
    """What is wanted of a project's page: at least the serial `required`.

    Bandersnatch asked for `requested_serial`. What the mirror has is of the serial `floor`, and what
    was `announced` of the page is known where nothing is asked for, as in a `sync`.
    """

    project: str
    requested_serial: int
    floor: int
    announced: int
    budget: RecheckBudget | None

    @property
    def required_serial(self) -> int:
        """The least serial of a page that is fresh."""
        return max(self.requested_serial, self.floor, self.announced)


def requirement(project: str, requested_serial: int) -> PageRequirement:
    """Return what is wanted of a page that Bandersnatch asks for with a serial."""
    run, guard = process.run, process.guard
    floor = (
        guard.least_page(project, serial_of_copy(process.context.mirror, project)) if guard and process.context else 0
    )
    announced = guard.announced_page(project) if guard and requested_serial == 0 else 0
    return PageRequirement(project, requested_serial, floor, announced, run.rechecks.get(project) if run else None)


def older_page_to_take(requirement: PageRequirement, outcome: PageResult[Any]) -> int | None:
    """Take down what came of asking for a page; return the serial of one that is to be taken though it is older."""
    run = process.run
    gone = outcome.gone
    if run and (gone or outcome.error is None):  # of a page that ended in another error nothing is known
        fresh = outcome.response is not None
        run.saw(requirement.project, requirement.required_serial, outcome.observations, fresh=fresh, gone=gone)
    older = (
        run.older_page_to_take(requirement.project)
        if run
        else requirement.floor
        if requirement.announced > requirement.floor
        else None
    )
    return older if outcome.response is None and outcome.error is None else None


def takes(requirement: PageRequirement, older: int) -> None:
    """Take down that Bandersnatch gets an older page."""
    if process.run:
        process.run.takes(requirement.project, older)


def is_kept(requirement: PageRequirement, outcome: PageResult[Any]) -> bool:
    """Tell whether the mirror's own page stays, as nothing newer is to be had."""
    return requirement.requested_serial == 0 and outcome.error is None and requirement.floor > 0


def is_excused(requirement: PageRequirement, outcome: PageResult[Any]) -> bool:
    """Tell whether a failure is none of the run: the package is in quarantine, and still not to be had."""
    run = process.run
    return run is not None and run.excuses(requirement.project) and not outcome.gone


def is_persistent(requirement: PageRequirement) -> bool:
    """Tell whether it was no use to wait for the page in the last runs."""
    run = process.run
    return run is not None and run.is_persistent(requirement.project)


def stale(url: str, required_serial: int, outcome: PageResult[Any]) -> str:
    """Word a stale page as Bandersnatch does, for those who search their logs for it."""
    first = outcome.observations[0]
    return (
        f"Expected PyPI serial {required_serial} for request {plain_url(url)} but got {first.serial}. "
        f"Ways tried: {len(outcome.observations)}"
    )


def say_kept(project: str, floor: int) -> None:
    """Say that the mirror's own page stays."""
    log.error(
        "%s: no way gets a page as new as the mirror's own, of serial %d: that stays",
        *(project, floor),
        extra=log_fields(project=project, required_serial=floor),
    )


def say_stays_in_quarantine(project: str, reason: object) -> None:
    """Say that what is in quarantine is still not to be had."""
    log.info("%s stays in quarantine: %s", project, printable(str(reason)), extra=log_fields(project=project))


@contextlib.contextmanager
def guarded_index(mirror: Any) -> Iterator[None]:
    """Leave the mirror as it is where the index is too old, or broken."""
    fail_open(None, _expect_index, mirror)
    try:
        yield
    except IndexRefusedError as error:
        level = logging.INFO if is_quiet(INDEX) else logging.ERROR
        kept = log_fields(project=INDEX)
        log.log(level, "The index is not used, and the mirror stays as it is: %s", error, extra=kept)
        mirror.packages_to_sync = {}
        mirror.target_serial = mirror.synced_serial
        mirror.need_wrapup = mirror.need_index_sync = False


def _expect_index(mirror: Any) -> None:
    run, guard = process.run, process.guard
    if run:
        run.is_full = not mirror.synced_serial
    if guard:
        guard.expect(int(mirror.synced_serial or 0), functools.partial(_count_own_projects, mirror))


def _count_own_projects(mirror: Any) -> int:
    """Return how many projects the mirror has; on disk alone, 0 where that takes a request for each thousand."""
    if host_adapter().storage_of(mirror).PATH_BACKEND is not Path:
        return 0
    simple = Path(mirror.webdir) / "simple"
    directories = [one for one in simple.iterdir() if one.is_dir()] if mirror.hash_index else [simple]
    return sum(entry.is_dir() for directory in directories for entry in os.scandir(directory))


def admit(step: Callable[..., None], *args: Any) -> None:
    """Do a step of the guard's; where that fails otherwise than by a refusal, say so and guard this run no more."""
    try:
        step(*args)
    except IndexRefusedError:
        raise
    except Exception:  # noqa: BLE001 - fail open; it is logged
        failing.say()
        if process.context:
            process.context.guard = None


def own_least(project: str, document: Path) -> int:
    """Return the least serial of what may replace a JSON document, outside of any run."""
    settings, configuration = process.settings, process.configuration
    own = serial_in_body(document.read_bytes())
    if own is None and settings and settings.tracking and configuration:  # damaged: the simple page knows
        hashed = configuration.getboolean("mirror", "hash-index", fallback=False)
        simple = simple_directory(document.parent.parent, project, hashed=hashed)
        storage = files_of(configuration, settings.tracking).storage
        own = own_serial(storage, simple, SIMPLE_PAGES)
    return _look().least_page(project, own or 0)


def _look() -> Guard:
    """Return what guards a command that has no mirror object: what is remembered is read once."""
    now = process
    if now.looked is None and now.settings and now.settings.tracking and now.configuration:
        files = files_of(now.configuration, now.settings.tracking)
        now.looked = Memory(files.records(clock), now.settings.tracking, clock).look()
    return now.looked or Guard(None)


def quarantining(filter_packages: Callable[..., None]) -> Callable[..., None]:
    """Return a `_filter_packages` that leaves on the list what of all that is in quarantine is to be asked for."""

    @functools.wraps(filter_packages)
    def quarantining(self: Any) -> None:
        context = process.context
        memory, run = (context.memory, context.run) if context else (None, None)
        names = fail_open(None, _list_quarantined, memory, self) if memory else None
        filter_packages(self)
        if memory and run and names is not None:
            fail_open(None, _plan, memory, run, names, self)

    return quarantining


def _list_quarantined(memory: Memory, mirror: Any) -> dict[str, str]:
    """Put it on the run's list, where the mirror's filters see it; return names as listed by normalized ones."""
    concerned = memory.concerned()
    if not concerned:
        return {}
    listed: dict[str, str] = {canonicalize_name(name): name for name in mirror.packages_to_sync}
    missing = {name: serial for name, serial in concerned.items() if name not in listed and serial is not None}
    spelled = host_adapter().spelled(mirror, missing) if missing else {}
    for name, serial in missing.items():
        listed[name] = spelled.get(name, name)
        mirror.packages_to_sync[listed[name]] = serial
    return {name: listed[name] for name in concerned if name in listed}


def _plan(memory: Memory, run: Run, names: Mapping[str, str], mirror: Any) -> None:
    packages = mirror.packages_to_sync
    listed = {name: raw for name, raw in names.items() if raw in packages}
    target, synced = int(mirror.target_serial or 0), int(mirror.synced_serial or 0)
    resumed = host_adapter().storage_of(mirror).exists(mirror.todolist)
    others = len(packages) - len(listed)
    held = memory.count_quarantined(listed)
    memory.begin_batch(run, target, len(packages) - held, resumed=resumed, announced=target - synced)
    plan = memory.plan(run, {name: int(packages[raw]) for name, raw in listed.items()}, others)
    copies = {name: serial_of_copy(mirror, name) for name in plan.ask}
    run.follow(plan, copies)
    for name, raw in listed.items():
        if name in plan.hold:
            del packages[raw]
        elif name in plan.ask:
            # Of another master any serial is new, but a page must have one, and a 404 is to be looked into.
            required_serial = plan.quarantine[name].required_serial
            packages[raw] = max(required_serial, copies[name]) if required_serial else 1


def serial_of_copy(mirror: Any, project: str) -> int:
    """Return the serial of the mirror's own copy of a project, 0 where it has none."""
    here = host_adapter()
    storage, simple = here.storage_of(mirror), here.simple_directory(mirror, project)
    return own_serial(storage, simple, SIMPLE_PAGES) or own_serial(storage, mirror.webdir, [f"json/{project}"])


def has_synced(project: str) -> bool:
    """Take down that Bandersnatch is through with a page; tell whether the package was in quarantine."""
    run = process.run
    return run is not None and fail_open(False, run.processed, project)
