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

from .. import failing
from ..climb import Outcome
from ..failing import attempt
from ..fields import extra as fields
from ..files import SIMPLE_PAGES, Files, own_serial, simple_directory
from ..guard import Guard, IndexRefusedError
from ..incidents import INDEX
from ..ladder import Sparing
from ..memory import Memory
from ..observations import printable
from ..options import OptionError, Remembering, Settings
from ..runs import Run
from ..serials import serial_in_body
from ..state import State, plain_url

if TYPE_CHECKING:
    from ..notifier import Notifier

log = logging.getLogger("bandersnatch.freshness")


class Generation(Protocol):
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
class Underway:
    """A `mirror` or `sync` under way, and what the suite has for it: of a `sync`, a guard at most."""

    mirror: Any
    memory: Memory | None = None
    run: Run | None = None
    guard: Guard | None = None


@dataclass
class Process:
    """What the suite knows in this process; Bandersnatch makes one run, programs built on it may make more."""

    generation: Generation | None = None
    settings: Settings | None = None
    configuration: Any = None
    configured_from: object = None
    underway: Underway | None = None
    looked: Guard | None = None
    # Whether anything but a stale page has failed since Bandersnatch was started.
    has_failed: bool = False

    @property
    def run(self) -> Run | None:
        """The run under way."""
        return self.underway.run if self.underway else None

    @property
    def guard(self) -> Guard | None:
        """What guards the run, or the `sync`, under way."""
        return self.underway.guard if self.underway else None


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


def generation() -> Generation:
    """Return that of the Bandersnatch which is installed."""
    assert process.generation is not None  # noqa: S101 - set when this package is imported
    return process.generation


def files_of(configuration: Any, remembering: Remembering) -> Files:
    """Return the files of the mirror that a configuration is of."""
    directory = configuration.get("mirror", "directory")
    try:
        master = plain_url(configuration.get("mirror", "master"))
    except ValueError:  # whose text may have a password in it
        raise OptionError("[mirror] master: not a URL") from None
    return Files(directory, master, remembering, generation().storage(configuration))


def is_quiet(subject: str) -> bool:
    """Tell whether what is stale is no news yet."""
    run = process.run
    return run is not None and attempt(False, run.is_quiet, subject)


@contextlib.contextmanager
def remembered(mirror: Any, *, is_of_all: bool = True) -> Iterator[None]:
    """Remember what a run saw, unless it is of single packages."""
    failing.begin()
    begin = _begin_run if is_of_all else _begin_sync
    underway = process.underway = attempt(Underway(mirror), begin, mirror)

    def end(outcome: str) -> None:
        if process.underway is underway:  # only once
            process.underway = None
            if outcome == "interrupted" and mirror.stop_on_error and mirror.errors:
                outcome = "errors"  # Bandersnatch ended it by itself
            attempt(None, _end, underway, outcome)

    # Ctrl-C and an error that stops it leave the coroutines of Bandersnatch 4.4 where they are: nothing else ends this.
    atexit.register(end, "interrupted")
    outcome = "interrupted"
    try:
        yield
        outcome = "errors" if mirror.errors or (underway.guard and underway.guard.refusal) else "fresh"
    except Exception:
        outcome = "failed"
        raise
    finally:
        atexit.unregister(end)
        end(outcome)


def _begin_run(mirror: Any) -> Underway:
    memory = _memory_of(mirror)
    run = memory.begin() if memory else None
    guard = memory.guard() if memory and process.settings and process.settings.guards else None
    return Underway(mirror, memory, run, guard) if run else Underway(mirror, guard=guard)


def _begin_sync(mirror: Any) -> Underway:
    memory = _memory_of(mirror)
    return Underway(mirror, guard=memory.look() if memory and process.settings and process.settings.guards else None)


def _memory_of(mirror: Any) -> Memory | None:
    """Return the memory of a mirror, None where there is none to keep."""
    if process.settings is None or process.settings.remembering is None or not generation().asks(mirror.master):
        return None
    remembering = process.settings.remembering
    files = Files(str(mirror.homedir), plain_url(mirror.master.url), remembering, generation().storage_of(mirror))

    # Imported by the runs that need it: nearly all of a cron job's have nothing to do, and are to be quick.
    def notifier() -> Notifier:
        from ..notifier import Notifier

        return Notifier(remembering.notify, f"{socket.gethostname()}:{mirror.homedir}", remembering.repeat_every)

    def publish(state: State, now: int) -> None:
        from ..publish import Publisher

        Publisher(files).publish(state, now)

    shows = publish if remembering.metrics_file or remembering.status_page else None
    return Memory(files.records(clock), remembering, clock, notifier, shows)


def _end(underway: Underway, outcome: str) -> None:
    mirror, memory, run = underway.mirror, underway.memory, underway.run
    if memory is None or run is None:
        return
    run.report.reached = int(mirror.synced_serial or 0)
    run.report.is_whole = outcome in ("fresh", "errors")
    # Ended by Ctrl-C, it is to end at once; the next run sends what this one would have.
    memory.end(run, underway.guard, outcome, int(mirror.target_serial or 0), may_notify=outcome != "interrupted")


class Wish(NamedTuple):
    """What is wanted of a project's page: at least the serial `required`.

    Bandersnatch `asked` for a serial. What the mirror has is of the serial `floor`, and what
    was `announced` of the page is known where nothing is asked for, as in a `sync`.
    """

    project: str
    asked: int
    floor: int
    announced: int
    sparing: Sparing | None

    @property
    def required(self) -> int:
        """The least serial of a page that is fresh."""
        return max(self.asked, self.floor, self.announced)


def wish(project: str, asked: int) -> Wish:
    """Return what is wanted of a page that Bandersnatch asks for with a serial."""
    run, guard = process.run, process.guard
    floor = (
        guard.least_page(project, serial_of_copy(process.underway.mirror, project)) if guard and process.underway else 0
    )
    announced = guard.announced_page(project) if guard and asked == 0 else 0
    return Wish(project, asked, floor, announced, run.asked.get(project) if run else None)


def older_page(wish: Wish, outcome: Outcome[Any]) -> int | None:
    """Take down what came of asking for a page; return the serial of one that is to be taken though it is older."""
    run = process.run
    gone = outcome.gone
    if run and (gone or outcome.error is None):  # of a page that ended in another error nothing is known
        fresh = outcome.response is not None
        run.saw(wish.project, wish.required, outcome.observations, fresh=fresh, gone=gone)
    older = run.older_page(wish.project) if run else wish.floor if wish.announced > wish.floor else None
    return older if outcome.response is None and outcome.error is None else None


def takes(wish: Wish, older: int) -> None:
    """Take down that Bandersnatch gets an older page."""
    if process.run:
        process.run.takes(wish.project, older)


def is_kept(wish: Wish, outcome: Outcome[Any]) -> bool:
    """Tell whether the mirror's own page stays, as nothing newer is to be had."""
    return wish.asked == 0 and outcome.error is None and wish.floor > 0


def is_excused(wish: Wish, outcome: Outcome[Any]) -> bool:
    """Tell whether a failure is none of the run: the package is set aside, and still not to be had."""
    run = process.run
    return run is not None and run.excuses(wish.project) and not outcome.gone


def is_persistent(wish: Wish) -> bool:
    """Tell whether it was no use to wait for the page in the last runs."""
    run = process.run
    return run is not None and run.is_persistent(wish.project)


def stale(url: str, required_serial: int, outcome: Outcome[Any]) -> str:
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
        extra=fields(project=project, required_serial=floor),
    )


def say_stays_aside(project: str, reason: object) -> None:
    """Say that what is set aside is still not to be had."""
    log.info("%s stays set aside: %s", project, printable(str(reason)), extra=fields(project=project))


@contextlib.contextmanager
def guarded_index(mirror: Any) -> Iterator[None]:
    """Leave the mirror as it is where the index is too old, or broken."""
    attempt(None, _expect_index, mirror)
    try:
        yield
    except IndexRefusedError as error:
        level = logging.INFO if is_quiet(INDEX) else logging.ERROR
        kept = fields(project=INDEX)
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
    if generation().storage_of(mirror).PATH_BACKEND is not Path:
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
        if process.underway:
            process.underway.guard = None


def own_least(project: str, document: Path) -> int:
    """Return the least serial of what may replace a JSON document, outside of any run."""
    settings, configuration = process.settings, process.configuration
    own = serial_in_body(document.read_bytes())
    if own is None and settings and settings.remembering and configuration:  # damaged: the simple page knows
        hashed = configuration.getboolean("mirror", "hash-index", fallback=False)
        simple = simple_directory(document.parent.parent, project, hashed=hashed)
        storage = files_of(configuration, settings.remembering).storage
        own = own_serial(storage, simple, SIMPLE_PAGES)
    return _look().least_page(project, own or 0)


def _look() -> Guard:
    """Return what guards a command that has no mirror object: what is remembered is read once."""
    now = process
    if now.looked is None and now.settings and now.settings.remembering and now.configuration:
        files = files_of(now.configuration, now.settings.remembering)
        now.looked = Memory(files.records(clock), now.settings.remembering, clock).look()
    return now.looked or Guard(None)


def setting_aside(filter_packages: Callable[..., None]) -> Callable[..., None]:
    """Return a `_filter_packages` that leaves on the list what of all that is set aside is to be asked for."""

    @functools.wraps(filter_packages)
    def setting_aside(self: Any) -> None:
        underway = process.underway
        memory, run = (underway.memory, underway.run) if underway else (None, None)
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
    missing = {name: serial for name, serial in concerned.items() if name not in listed and serial is not None}
    spelled = generation().spelled(mirror, missing) if missing else {}
    for name, serial in missing.items():
        listed[name] = spelled.get(name, name)
        mirror.packages_to_sync[listed[name]] = serial
    return {name: listed[name] for name in concerned if name in listed}


def _plan(memory: Memory, run: Run, names: Mapping[str, str], mirror: Any) -> None:
    packages = mirror.packages_to_sync
    listed = {name: raw for name, raw in names.items() if raw in packages}
    target, synced = int(mirror.target_serial or 0), int(mirror.synced_serial or 0)
    resumed = generation().storage_of(mirror).exists(mirror.todolist)
    others = len(packages) - len(listed)
    held = memory.count_set_aside(listed)
    memory.begin_batch(run, target, len(packages) - held, resumed=resumed, announced=target - synced)
    plan = memory.plan(run, {name: int(packages[raw]) for name, raw in listed.items()}, others)
    copies = {name: serial_of_copy(mirror, name) for name in plan.ask}
    run.follow(plan, copies)
    for name, raw in listed.items():
        if name in plan.hold:
            del packages[raw]
        elif name in plan.ask:
            # Of another master any serial is new, but a page must have one, and a 404 is to be looked into.
            required = plan.quarantine[name].required
            packages[raw] = max(required, copies[name]) if required else 1


def serial_of_copy(mirror: Any, project: str) -> int:
    """Return the serial of the mirror's own copy of a project, 0 where it has none."""
    here = generation()
    storage, simple = here.storage_of(mirror), here.simple_directory(mirror, project)
    return own_serial(storage, simple, SIMPLE_PAGES) or own_serial(storage, mirror.webdir, [f"json/{project}"])


def has_synced(project: str) -> bool:
    """Take down that Bandersnatch is through with a page; tell whether the package was set aside."""
    run = process.run
    return run is not None and attempt(False, run.processed, project)
