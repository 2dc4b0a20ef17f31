"""Memory: brings the state through a run, and says what has changed by it.

Whatever goes wrong here is said in one line, and leaves the run as it is.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import filelock

from . import words
from .incidents import Change, Level, Thresholds, advance
from .notifier import Notifier, Plan
from .runs import Run
from .state import NewerStateError, State, StateError, dump, load
from .store import Store

log = logging.getLogger("bandersnatch.freshness")


class Memory:
    """What is known of one mirror."""

    def __init__(
        self, store: Store, master: str, thresholds: Thresholds, notifier: Notifier, clock: Callable[[], int]
    ) -> None:
        """`master`: the upstream's URL without secrets; `clock` returns seconds since 1970."""
        self._store = store
        self._master = master
        self._thresholds = thresholds
        self._notifier = notifier
        self._clock = clock
        self._state = State(master)
        self._version: object = None

    def begin(self) -> Run | None:
        """Start a run; None where the state can't be used, and the suite is to remember nothing."""
        try:
            with self._store.lock():
                self._read()
        except NewerStateError as error:
            log.error("%s is left alone, and this run not remembered: %s", self._store.path, error)
            return None
        except (OSError, filelock.Timeout) as error:
            log.error("%s can't be read, this run is not remembered: %s", self._store.path, error)
            return None
        return Run(self._clock(), self._state.incidents)

    def end(self, run: Run, outcome: str, target: int, *, may_notify: bool = True) -> None:
        """Finish a run that came to this outcome, on its way to the serial `target`.

        What is to be sent is noted in the state before it is sent, so that a run which
        overlaps with this one does not send it too.
        """
        now = self._clock()
        changes: list[Change] = []
        plan: Plan = {}

        def advance_all() -> None:
            state = self._state
            state.incidents, found = advance(state.incidents, run.report, now, self._thresholds)
            changes.extend(found)
            state.runs.append(run.finished(now, outcome, target))
            if may_notify:
                plan.update(self._notifier.plan(state, now))

        if not self._update(advance_all, now):
            return
        for change in changes:
            log.log(_log_level(change), "%s", words.describe_change(change, now))
        if plan:
            arrived = self._notifier.deliver(plan)
            self._update(lambda: self._notifier.settle(self._state, plan, arrived, now), now)

    def _update(self, change: Callable[[], None], now: int) -> bool:
        """Change the state and write it; false where that failed, which is then said."""
        try:
            with self._store.lock():
                if self._store.version() != self._version:  # by a run that overlaps with this one
                    self._read()
                change()
                self._store.write(dump(self._state, now))
                self._version = self._store.version()
        except (OSError, StateError, filelock.Timeout) as error:
            log.error("%s can't be written, this run is not remembered: %s", self._store.path, error)
            return False
        return True

    def _read(self) -> None:
        self._version = self._store.version()
        try:
            content = self._store.read()
            state = State(self._master) if content is None else load(content)
        except NewerStateError:
            raise
        except StateError as error:
            aside = self._store.set_aside(f"unreadable-{self._clock()}")
            log.error("%s can't be understood, and is now %s: %s", self._store.path, aside, error)
            state = State(self._master)
        if state.master != self._master:
            log.warning(
                "The master was %s and is %s: beginning anew with what is remembered", state.master, self._master
            )
            state = State(self._master)
        self._state = state


def _log_level(change: Change) -> int:
    if change.ending is not None:
        # The end of what was said aloud is said as loud as it takes to be read.
        return logging.INFO if change.incident.level is Level.STALE else logging.WARNING
    return logging.CRITICAL if change.incident.level is Level.CRITICAL else logging.WARNING
