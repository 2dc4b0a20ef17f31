"""The records: the state of a mirror and the second copy of its quarantine, in their files."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

from ..core import quarantine
from .document import NewerStateError, State, StateError, dump, load
from .store import Store

log = logging.getLogger("bandersnatch.freshness")

# Beside Bandersnatch's `status`: all that is older than that says.
QUARANTINE_FILE = "freshness.quarantine"

# How long a run waits for another one that is just writing.
LOCK_SECONDS = 10


class Records:
    """What is known of one mirror, as it was read last."""

    def __init__(self, store: Store, copy: Store, master: str, clock: Callable[[], int]) -> None:
        """`copy` is of the quarantine; `master` the upstream's URL without secrets.

        `clock` returns seconds since 1970.
        """
        self.store = store
        self.state = State(master)
        self._copy = copy
        self._copied = ""
        self._master = master
        self._clock = clock
        self._version: object = self  # of no file

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep others from writing, and know what they wrote.

        Raises:
            OSError: where the records can't be read.
            NewerStateError: where they are of a newer release.
            filelock.Timeout: where another process keeps them locked for too long.
        """
        with self.store.lock(LOCK_SECONDS):
            if self.store.version() != self._version:
                self._read()
            yield

    def write(self) -> None:
        """Write the state, and then the second copy of what is in quarantine. To be called with the lock held.

        Raises:
            OSError: where the state can't be written; the old one stays. A copy that can't
                be is logged.
        """
        self.store.write(dump(self.state, self._clock()))
        self._version = self.store.version()
        text = "".join(quarantine.dump(self.state.quarantine))
        if text == self._copied:
            return
        try:
            self._copy.write([text])
            self._copied = text
        except OSError as error:
            log.error("%s can't be written: %s", self._copy.path, error)

    def run_lock(self) -> contextlib.AbstractContextManager[object]:
        """Return what a run holds as long as it is under way, and a command that hands packages back to it.

        Raises:
            filelock.Timeout: on entering, where another process holds it.
        """
        return self._copy.lock(1)

    def _read(self) -> None:
        self._version = self.store.version()
        try:
            content = self.store.read()
            state = State(self._master) if content is None else load(content)
        except NewerStateError:
            raise
        except StateError as error:
            moved = self.store.move_away(f"unreadable-{self._clock()}")
            log.error("%s is corrupt; moved to %s, starting with an empty state: %s", self.store.path, moved, error)
            state = State(self._master)
        self._copied = (self._copy.read() or b"").decode("utf-8", "replace")
        found = quarantine.recovered(state.quarantine, self._copied, self._clock())
        lost = len(found.keys() - state.quarantine.keys())
        if lost:
            log.warning(
                "%s doesn't know of %d packages in quarantine: taken from %s", self.store.path, lost, self._copy.path
            )
        state.quarantine = found
        if state.master != self._master:
            log.warning(
                "The master was %s and is %s: beginning anew with what is remembered", state.master, self._master
            )
            # No serial of the old one means anything, but what it owed is to be had from the new one.
            owed = {name: entry._replace(required_serial=0, synced=None) for name, entry in found.items()}
            state = State(self._master, quarantine=owed, another_master=True)
        self.state = state
