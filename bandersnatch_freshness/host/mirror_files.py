"""The files of a mirror that the suite reads and writes: its own, and Bandersnatch's."""

from __future__ import annotations

import contextlib
import functools
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from ..core.observations import parse_serial
from ..formatting import duration, reason
from ..settings import TrackingSettings
from ..state import second_copy
from ..state.document import State, StateError, load
from ..state.memory import Memory
from ..state.notifies import Notifies
from ..state.records import QUARANTINE_FILE, Records
from ..state.store import Store
from ..state.trace import TRACE_FILE, Trace
from . import todo
from .layout import LOCK, STATUS, TODO

if TYPE_CHECKING:
    from ..reporting.summary import Summary


class Look(Struct, frozen=True):
    """What is remembered of a mirror, and why that may not be all: `problem`. `is_there`: there is a state, or was."""

    state: State
    problem: str
    is_there: bool


class MirrorFiles(Struct, frozen=True):
    """A mirror as a command finds it, from its configuration; it may be at work meanwhile."""

    directory: str
    master: str
    tracking: TrackingSettings
    storage: Any

    def store(self, name: str) -> Store:
        """Return a file of the mirror's storage; a relative name lies in its directory."""
        return Store(self.storage, self.directory, name)

    def lock(self) -> contextlib.AbstractContextManager[Any]:
        """Return Bandersnatch's own lock; a run holds it while it starts.

        Raises:
            filelock.Timeout: on entering, where it stays held for a second.
        """
        lock = self.storage.get_lock(str(self.store(LOCK).path))
        return lock.acquire(timeout=1)  # type: ignore[no-any-return]

    def obstacle(self, state: State, now: int) -> str:
        """Return why what runs see can't be remembered, empty if nothing is in the way."""
        store = self.store(self.tracking.state)
        why = store.obstacle()
        if why:
            return f"{store.path} can't be written: {why}"
        left = self.trace().left()
        if left and left.is_lost and all(run.started != left.begun for run in state.runs):
            age = duration(max(0, now - left.begun))
            return f"{store.path} could not be written by the run that began {age} ago, whose log says why"
        return ""

    def look(self, now: int) -> Look:
        """Return what is remembered of the mirror, for whoever only looks; the quarantine from its second copy too."""
        store, copied = self.store(self.tracking.state), self.store(QUARANTINE_FILE)
        state, problem, content = State(self.master), "", None
        try:
            content = store.read()
            state = load(content) if content is not None else state
        except (OSError, StateError) as error:
            problem = f"{store.path}: {reason(error)}"
        try:
            second_copy.recover(state, (copied.read() or b"").decode("utf-8", "replace"), now)
        except OSError as error:
            problem = problem or f"{copied.path}: {reason(error)}"
        return Look(state, problem, is_there=content is not None or bool(problem))

    def summary(self, state: State, now: int, problem: str = "", obstacle: str = "") -> Summary:
        """Return how fresh the mirror is, by what is remembered of it and by Bandersnatch's own files.

        `problem` is why the state says nothing, if it does not; `obstacle`, why it can't be written.

        Raises:
            OSError: where a file can't be read.
        """
        from ..reporting.summary import Summary  # which few runs need

        status, listed = self.store(STATUS).read(), todo.measure(self.store(TODO).read())
        left = self.trace().left()
        return Summary(
            directory=self.directory,
            master=self.master,
            serial=parse_serial(status.decode("ascii", "replace")) if status else None,
            waiting=listed.left if listed else 0,
            now=now,
            thresholds=self.tracking.thresholds,
            state=state,
            problem=problem,
            obstacle=obstacle,
            begun=left.begun if left and not left.is_lost else 0,
            touched=self.store(TODO).modified(),
            audit_every=self.tracking.audit_every,
        )

    def records(self, clock: Callable[[], int]) -> Records:
        """Return what is remembered of the mirror; `clock` returns seconds since 1970."""
        return Records(self.store(self.tracking.state), self.store(QUARANTINE_FILE), self.master, clock)

    def memory(self, clock: Callable[[], int]) -> Memory:
        """Return the memory of the mirror; `clock` returns seconds since 1970."""
        tracking = self.tracking

        # Imported by the runs that need it: nearly all of a cron job's have nothing to do, and are to be quick.
        def notifier() -> Notifies:
            from ..notify.notifier import Notifier

            return Notifier(tracking, socket.gethostname(), self.directory)

        def publish(state: State, now: int, level: Callable[[str], int]) -> set[str]:
            from ..reporting.publisher import publish
            from . import served

            def summarize() -> Summary:
                return self.summary(state, now, obstacle=self.obstacle(state, now))

            own_serials = functools.partial(served.own_serials, self.storage, self.directory)
            return publish(tracking, self.storage, self.directory, summarize, own_serials, level)

        shows = publish if tracking.metrics_file or tracking.status_page else None
        return Memory(self.records(clock), tracking, clock, notifier, shows, self.trace())

    def trace(self) -> Trace:
        """Return what a run leaves when it begins."""
        return Trace(self.store(TRACE_FILE))
