"""Memory: brings the records through a run, and says what has changed by it.

Whatever goes wrong here is said in one line, and leaves the run as it is.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import filelock

from ..core import history, quarantine
from ..core import wording as words
from ..core.guard import IndexGuard
from ..core.history import Batch
from ..core.incidents import Change, Level, advance
from ..core.log_fields import change_fields, incident_fields, log_fields
from ..core.run import KnownPages, Run
from ..settings import TrackingSettings
from .document import NewerStateError, State, StateError
from .records import Records

log = logging.getLogger("bandersnatch.freshness")


class Notifies(Protocol):
    """What sends notifications after a run: plans them, delivers them, and notes what arrived."""

    def plan(self, state: State, now: int) -> dict[Any, Any]:
        """Return what is to be sent, and note in the state that it is under way."""

    def deliver(self, plan: Any) -> Any:
        """Send it, and return which parts arrived."""

    def settle(self, state: State, plan: Any, arrived: Any, now: int) -> bool:
        """Note in the state what arrived; return whether that is news."""


class Memory:
    """What is known of one mirror."""

    def __init__(
        self,
        records: Records,
        tracking: TrackingSettings,
        clock: Callable[[], int],
        notifier: Callable[[], Notifies] | None = None,
        publish: Callable[[State, int], None] | None = None,
    ) -> None:
        """`clock` returns seconds since 1970.

        `notifier` makes what sends notifications, where there may be some; `publish` shows the
        state after a run, at a time, to others.
        """
        self._records = records
        self._tracking = tracking
        self._make_notifier = notifier
        self._clock = clock
        self._publish = publish
        self._running = contextlib.ExitStack()

    def begin(self) -> Run | None:
        """Start a run; None where the state can't be used, and the suite is to remember nothing."""
        try:
            with self._records.lock():
                pass
        except NewerStateError as error:
            log.error("%s is left alone, and this run not remembered: %s", self._records.store.path, error)
            return None
        except (OSError, filelock.Timeout) as error:
            log.error("%s can't be read, this run is not remembered: %s", self._records.store.path, error)
            return None
        with contextlib.suppress(OSError, filelock.Timeout):  # a run that overlaps with another goes without
            self._running.enter_context(self._records.run_lock())
        return Run(self._clock(), self._records.state.incidents, quiets=self._tracking.escalates)

    def guard(self) -> IndexGuard:
        """Return what guards the index of a run, from what is known of the master."""
        state = self._records.state
        return IndexGuard(state.index, another_master=state.another_master)

    def pages(self) -> KnownPages:
        """Return what is known of pages."""
        state = self._records.state
        return KnownPages(state.incidents, state.quarantine, another_master=state.another_master)

    def look(self) -> KnownPages:
        """Return what is known of pages, for a command that is no run; nothing is remembered of that."""
        with contextlib.suppress(OSError, StateError, filelock.Timeout), self._records.lock():
            pass
        return self.pages()

    def concerned(self) -> dict[str, int | None]:
        """Return the packages a plan is about: those in quarantine with their serials, those due for it with None."""
        state, after = self._records.state, self._tracking.quarantine_after
        concerned: dict[str, int | None] = {}
        if after is not None:
            now = self._clock()
            last = state.last_run()
            due = (one.subject for one in state.incidents.values() if quarantine.is_due_for(one, now, after, last))
            concerned.update(dict.fromkeys(due))
        return concerned | {name: entry.required_serial for name, entry in state.quarantine.items()}

    def count_quarantined(self, names: Iterable[str]) -> int:
        """Return how many of these packages are in quarantine."""
        return sum(name in self._records.state.quarantine for name in names)

    def plan(self, run: Run, announced: Mapping[str, int], others: int) -> quarantine.QuarantinePlan:
        """Decide on what is in quarantine in a run, and remember it before the mirror's serial can advance.

        `announced` are the serials of those packages that the run is to sync; it asks for
        so many `others`.
        """
        after = self._tracking.quarantine_after
        if after is None:  # what was in quarantine is asked for as any other package
            return quarantine.QuarantinePlan(dict(self._records.state.quarantine))
        now, state = self._clock(), self._records.state
        before = state.quarantine
        plan = quarantine.plan(before, state.incidents, announced, others, now, after, state.last_run())
        if plan.quarantine == before:
            return plan
        try:
            with self._records.lock():
                if self._records.state is not state:  # another run has written meanwhile
                    state = self._records.state
                    before = state.quarantine
                    plan = quarantine.plan(before, state.incidents, announced, others, now, after, state.last_run())
                state.quarantine = plan.quarantine
                try:
                    self._records.write()
                except OSError:
                    state.quarantine = before
                    raise
        except (OSError, StateError, filelock.Timeout) as error:
            log.error("%s can't be written, nothing more is in quarantine: %s", self._records.store.path, error)
            return plan.without(plan.changed, before)
        for name in sorted(plan.quarantine.keys() - before.keys()):
            incident = state.incidents[name]
            log.warning("%s", words.in_quarantine(incident, now), extra=incident_fields(incident))
        for name in sorted(before.keys() - plan.quarantine.keys()):
            log.info(
                "%s is dropped by the mirror's filters, and no longer in quarantine",
                name,
                extra=log_fields(project=name),
            )
        return plan

    def begin_batch(self, run: Run, target: int, size: int, *, resumed: bool, announced: int) -> None:
        """Take down how many packages there are on the way to the serial `target`.

        Of a run that goes on with the todo list of an earlier one it is what that began
        with, else at most `announced`: no more packages than serials.
        """
        known = self._records.state.batch
        if resumed:
            size = max(size, known.size if known and known.target == target else announced)
        run.batch = Batch(target, size)
        run.report.batch = size

    def end(self, run: Run, guard: IndexGuard | None, outcome: str, target: int, *, may_notify: bool = True) -> None:
        """Finish a run that came to this outcome, on its way to the serial `target`.

        What is to be sent is noted in the state before it is sent, so that a run which
        overlaps with this one does not send it too.
        """
        now = self._clock()
        changes: list[Change] = []
        left: list[str] = []
        plan: dict[Any, Any] = {}
        notifier = self._notifier() if may_notify else None

        def advance_all(state: State) -> None:
            before = state.quarantine
            state.quarantine = quarantine.after_run(before, run.rechecks.keys(), run.report.gone, run.synced, now)
            left.extend(before.keys() - state.quarantine.keys())
            run.report.quarantined = set(state.quarantine)
            max_age = self._tracking.index_max_age
            if guard is not None and max_age is not None:
                state.index, run.report.index, run.report.index_is_right = guard.after(now, max_age)
            if guard is not None and guard.stands_still:
                log.warning(
                    "The mirror's serial is that of another master, and higher than this one's: nothing is synced "
                    "before a full check, by `bandersnatch mirror --force-check`"
                )
            if run.is_full and outcome == "fresh":
                state.another_master = False
            state.incidents, found = advance(state.incidents, run.report, now, self._tracking.thresholds)
            changes.extend(found)
            state.batch = run.batch or state.batch
            state.runs.append(run.finished(now, outcome, target))
            _sum_up(state, run, guard, now)
            if notifier:
                plan.update(notifier.plan(state, now))

        with self._running:
            if self._update(advance_all):
                for name in sorted(left):
                    log.info("%s is no longer in quarantine", name, extra=log_fields(project=name))
                if self._tracking.escalates:
                    for change in changes:
                        line = words.describe_change(change, now)
                        log.log(_log_level(change), "%s", line, extra=change_fields(change))
                if notifier and plan:
                    arrived = notifier.deliver(plan)
                    self._update(lambda state: notifier.settle(state, plan, arrived, now))
            if self._publish:
                with contextlib.ExitStack() as locked:
                    with contextlib.suppress(OSError, StateError, filelock.Timeout):
                        locked.enter_context(self._records.lock())
                    self._publish(self._records.state, now)

    def _notifier(self) -> Notifies | None:
        """Return what sends notifications, None where nobody is to be told, or has to be forgotten."""
        wanted = self._tracking.notify or self._records.state.notified
        return self._make_notifier() if self._make_notifier and self._tracking.escalates and wanted else None

    def _update(self, change: Callable[[State], bool | None]) -> bool:
        """Change the state and write it, unless that was no change; false where that failed, which is then said."""
        try:
            with self._records.lock():
                if change(self._records.state) is not False:
                    self._records.write()
        except (OSError, StateError, filelock.Timeout) as error:
            log.error("%s can't be written, this run is not remembered: %s", self._records.store.path, error)
            return False
        return True


def _sum_up(state: State, run: Run, guard: IndexGuard | None, now: int) -> None:
    """Take down what a run has added to what is counted, and to the history."""
    last = state.runs[-1]
    lag = max(0, (state.announced() or 0) - last.serial)
    state.history = history.after_run(state.history, now, lag, state.incidents)
    if last.outcome == "fresh" and not (lag or state.incidents or state.quarantine):
        state.fresh = now
    state.totals.runs[last.outcome] += 1
    state.totals.requests += run.requests
    state.totals.requests.update(str(one.variant) for one in (guard.observations if guard else ()))


def _log_level(change: Change) -> int:
    if change.ending is not None:
        # The end of what was said aloud is said as loud as it takes to be read.
        return logging.INFO if change.incident.level is Level.STALE else logging.WARNING
    return logging.CRITICAL if change.incident.level is Level.CRITICAL else logging.WARNING
