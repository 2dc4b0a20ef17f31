"""The records: a mirror's state and the second copy of its quarantine, each in its file."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import filelock

from ..core.scope import same_master
from . import second_copy
from .document import NewerStateError, State, StateError, dump, load
from .store import NoFileError, Store

log = logging.getLogger("bandersnatch.freshness")

# Next to Bandersnatch's `status`, which says that the mirror has everything up to its serial: these are
# the exceptions.
QUARANTINE_FILE = "freshness.quarantine"

# How long a run waits for another one that is writing.
LOCK_SECONDS = 10


class Records:
    """What is remembered about one mirror, as last read."""

    def __init__(self, store: Store, copy: Store, master: str, clock: Callable[[], int]) -> None:
        """`copy` is the second copy of the quarantine; `master` is the upstream's URL without secrets.

        `clock` returns seconds since 1970.
        """
        self.store = store
        self.state = State(master)
        self._copy = copy
        # Of the second copy's text, to know whether it must be written again.
        self._copied_hash = hash("")
        self._master = master
        self._clock = clock
        # Whether the last run was one of another master.
        self.has_switched = False
        self._version: object = self  # unlike the version of any file

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from writing, and read what they wrote.

        Raises:
            OSError: if the records can't be read.
            NewerStateError: if a newer release wrote them.
            filelock.Timeout: if another process keeps them locked for too long.
        """
        with self.store.lock(LOCK_SECONDS):
            if self.store.version() != self._version:
                self._read()
            yield

    def write(self) -> None:
        """Write the state, then the second copy of the quarantine. Call this with the lock held.

        Raises:
            OSError: if the state can't be written; the old one stays. If only the copy can't be
                written, that is logged.
        """
        self.store.write(dump(self.state, self._clock()))
        self._version = self.store.version()
        text = second_copy.dump(self.state)
        if hash(text) == self._copied_hash:
            return
        try:
            self._copy.write([text])
            self._copied_hash = hash(text)
        except OSError as error:
            log.error("%s can't be written: %s", self._copy.path, error)

    def update(self, change: Callable[[State], bool | None], *, level: int = logging.CRITICAL) -> bool:
        """Change the state, and write it unless `change` returns False; return False if that fails.

        That is logged at this `level`.
        """
        try:
            with self.lock():
                if change(self.state) is not False:
                    self.write()
        except (OSError, StateError, filelock.Timeout) as error:
            log.log(level, "%s can't be written, this run is not remembered: %s", self.store.path, error)
            return False
        return True

    def run_lock(self) -> contextlib.AbstractContextManager[object]:
        """Return the lock held for the duration of a run, or of a command that releases packages from quarantine.

        Raises:
            filelock.Timeout: on entering, if another process holds it.
        """
        return self._copy.lock(1)

    def _read(self) -> None:
        self._version = self.store.version()
        try:
            content = self.store.read()
            state = State(self._master) if content is None else load(content)
        except NewerStateError:
            raise
        except (StateError, NoFileError) as error:
            _move_away(self.store, self._clock(), "starting with an empty state", error)
            state = State(self._master)
        try:
            copied = (self._copy.read() or b"").decode("utf-8", "replace")
        except OSError as error:  # the state has it all, but for the day on which that is lost
            _move_away(self._copy, self._clock(), "starting with what the state has", error)
            copied = ""
        lost, self._copied_hash = 0, hash(copied)
        if copied != second_copy.dump(state):  # nearly always it is
            lost = second_copy.recover(state, copied, self._clock())
        if lost:
            log.warning("%s lacks packages in quarantine: %d restored from %s", self.store.path, lost, self._copy.path)
        if not same_master(state.master, self._master):
            log.warning(
                "The master was %s and is now %s: what is remembered of the last three is kept, "
                "and what is in quarantine waits for the new one's list",
                state.master,
                self._master,
            )
            state = state.switched_to(self._master, self._clock())
            self.has_switched = True
        state.master = self._master  # as it is spelled now
        self.state = state


def _move_away(store: Store, now: int, instead: str, error: Exception) -> None:
    """Move a file away that can't be used, once for all.

    Raises:
        OSError: if it can't be moved.
    """
    moved = store.move_away(f"unreadable-{now}")
    log.error("%s is corrupt; moved to %s, %s: %s", store.path, moved, instead, error)
