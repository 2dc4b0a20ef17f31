"""Memory: updates the records over the course of a run, and logs what has changed.

Any failure here is logged in one line and does not affect the run.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import filelock

from ..core import quarantine
from ..core import wording as words
from ..core.guard import IndexGuard
from ..core.history import Batch
from ..core.incidents import INDEX, Change, Level, advance
from ..core.index import KnownIndex, plausible
from ..core.log_fields import change_fields, incident_fields, log_fields
from ..core.refusals import Refusal
from ..core.run import KnownPages, Run
from ..settings import TrackingSettings
from .document import NewerStateError, State, StateError
from .missing import MissingPackages
from .records import Records
from .trace import Left, Trace

log = logging.getLogger("bandersnatch.freshness")


class Notifies(Protocol):
    """Sends the notifications after a run: plans them, delivers them and records what arrived."""

    def plan(self, state: State, now: int) -> dict[Any, Any]:
        """Return what to send, and record in the state that it is under way."""

    def deliver(self, plan: Any) -> Any:
        """Send it, and return which parts arrived."""

    def settle(self, state: State, plan: Any, arrived: Any, now: int) -> bool:
        """Record in the state what arrived, and return whether that changed anything."""

    def alarm(self, state: State, file: str, since: int, now: int, *, is_told: bool) -> bool:
        """Send that the state can't be written, and return whether all messages arrived."""


class Memory:
    """What is remembered about one mirror."""

    def __init__(
        self,
        records: Records,
        tracking: TrackingSettings,
        clock: Callable[[], int],
        notifier: Callable[[], Notifies] | None = None,
        publish: Callable[[State, int], None] | None = None,
        trace: Trace | None = None,
    ) -> None:
        """`clock` returns seconds since 1970.

        `notifier` makes the object that sends notifications, if there are any to send. `publish`
        is called after a run with the state and the time, to write what others read. `trace` is
        what a run leaves when it begins.
        """
        self._records = records
        self._tracking = tracking
        self._make_notifier = notifier
        self._clock = clock
        self._publish = publish
        self._trace = trace or Trace()
        self._running = contextlib.ExitStack()
        self.missing = MissingPackages(records, clock)

    def begin(self) -> Run | None:
        """Start a run; None if the state can't be used, in which case nothing is to be remembered."""
        try:
            with self._records.lock():
                pass
        except NewerStateError as error:
            log.error("%s is left unchanged, and this run is not remembered: %s", self._records.store.path, error)
            return None
        except (OSError, filelock.Timeout) as error:
            log.error("%s can't be read, this run is not remembered: %s", self._records.store.path, error)
            self._trace.lose(self._clock())
            return None
        now, overlaps = self._clock(), False
        try:
            self._running.enter_context(self._records.run_lock())
        except filelock.Timeout:  # another run is under way, to which the lock and the trace belong
            overlaps = True
        except OSError:  # there may be no room for it
            pass
        if not overlaps and self._has_told(self._trace.left()):
            self._trace.begin(now)
        run = Run(
            now,
            self._records.state.incidents,
            # What another master's runs were quiet about is news of this one.
            quiets=self._tracking.escalates and not self._records.has_switched,
            warn_after=self._tracking.thresholds.warn_after,
        )
        run.report.overlaps = overlaps
        return run

    def _has_told(self, left: Left | None) -> bool:
        """Remember a run that left a trace and never told its end; return False if that can't be written."""
        if left is None:
            return True
        try:
            with self._records.lock():
                if self._records.state.add_untold(left.begun, "failed" if left.is_lost else "interrupted"):
                    self._records.write()
        except (OSError, StateError, filelock.Timeout):  # the end of this run tries again, and tells
            return False
        return True

    def guard(self, run: Run | None = None) -> IndexGuard:
        """Return the index guard of a run, or of another command, made from what is known about the master."""
        state, warn_after = self._records.state, self._tracking.thresholds.warn_after
        known = KnownIndex(state.index, state.doubt, state.ceiling, state.stalled_at)
        counts = run is not None and not run.report.overlaps
        longest = self._tracking.index_max_age or 0
        return IndexGuard(known, now=self._clock(), warn_after=warn_after, longest=longest, counts=counts)

    def owed(self) -> int:
        """Return the highest serial that an open incident or a package in quarantine requires, 0 if there is none."""
        state = self._records.state
        entries = (entry.required_serial for entry in state.quarantine.values() if not entry.waiting)
        return max((0, *(one.required_serial for one in state.incidents.values()), *entries))

    def is_held(self, normalize: Callable[[str], str]) -> Callable[[str], bool] | None:
        """Return what tells whether a project is in quarantine, by its name as it is spelled; None if nothing is."""
        entries = self._records.state.quarantine
        return (lambda name: normalize(name) in entries) if entries else None

    def waiting(self) -> list[str]:
        """Return the packages in quarantine that wait for what this master lists."""
        return [name for name, entry in self._records.state.quarantine.items() if entry.waiting]

    def pages(self) -> KnownPages:
        """Return what is known about pages."""
        state = self._records.state
        ceiling = state.ceiling
        most = plausible(ceiling.serial, ceiling.at, self._clock()) if ceiling and ceiling.serial else None
        gone = {name for name, one in state.missing.items() if one.is_gone(self._clock())}
        return KnownPages(state.incidents, state.quarantine, gone=gone, another_master=state.another_master, most=most)

    def look(self) -> KnownPages:
        """Return what is known about pages, for a command other than a run, which is not remembered."""
        with contextlib.suppress(OSError, StateError, filelock.Timeout), self._records.lock():
            pass
        return self.pages()

    def awaits_listing(self) -> bool:
        """Return whether to ask for all that this master lists, for the packages that wait for it; ever more rarely."""
        now, entries = self._clock(), self._records.state.quarantine
        due = [name for name, entry in entries.items() if entry.waiting and entry.is_due(now)]
        entries.update({name: entries[name]._replace(last_asked=now, asks=entries[name].asks + 1) for name in due})
        return bool(due)

    def concerned(self) -> dict[str, int | None]:
        """Return the packages to plan for: those in quarantine with their required serials, those due with None."""
        state, after = self._records.state, self._tracking.quarantine_after
        concerned: dict[str, int | None] = {}
        if after is not None:
            now = self._clock()
            last = self._last_run(state)
            warn_after = self._tracking.thresholds.warn_after
            concerned = {
                name: None
                for name, one in state.incidents.items()
                if quarantine.is_due_for(one, now, after, last, warn_after)
            }
        return concerned | {name: entry.required_serial for name, entry in state.quarantine.items()}

    def count_quarantined(self, names: Iterable[str]) -> int:
        """Return how many of these packages are in quarantine."""
        return sum(name in self._records.state.quarantine for name in names)

    def plan(
        self, run: Run, announced: Mapping[str, int], others: int, most: int | None = None
    ) -> quarantine.QuarantinePlan:
        """Decide what is in quarantine during a run, and save it before the mirror's serial can advance.

        `announced` has the serials of those packages of `concerned` that the run is to sync;
        `others` is how many other packages it requests. No serial above `most` counts.
        """
        after = self._tracking.quarantine_after
        if after is None:  # packages in quarantine are requested like any other
            return quarantine.QuarantinePlan(dict(self._records.state.quarantine))
        now, state = self._clock(), self._records.state
        before = state.quarantine
        plan = self._plan(state, announced, others, now, after, most)
        if plan.quarantine == before:
            return plan
        try:
            with self._records.lock():
                if self._records.state is not state:  # another run has written in the meantime
                    known, state = before, self._records.state
                    before = state.quarantine
                    plan = self._plan(state, announced, others, now, after, most)
                    # What an audit has put there since is not what the mirror's filters have dropped.
                    plan.quarantine.update((name, one) for name, one in before.items() if name not in known)
                state.quarantine = plan.quarantine
                try:
                    self._records.write()
                except OSError:
                    state.quarantine = before
                    raise
        except (OSError, StateError, filelock.Timeout) as error:
            log.error("%s can't be written, no more packages go into quarantine: %s", self._records.store.path, error)
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

    def _plan(
        self, state: State, announced: Mapping[str, int], others: int, now: int, after: int, most: int | None
    ) -> quarantine.QuarantinePlan:
        last, warn_after = self._last_run(state), self._tracking.thresholds.warn_after
        return quarantine.plan(
            state.quarantine,
            state.incidents,
            announced,
            others,
            now,
            after,
            last,
            warn_after,
            most,
            drains=state.drains,
        )

    def _last_run(self, state: State) -> int:
        """Return when the last completed run ended, in seconds since 1970; 0 if that was one of another master."""
        return 0 if self._records.has_switched else state.last_run()

    def begin_batch(self, run: Run, target: int, size: int, *, resumed: bool, announced: int) -> None:
        """Record how many packages there are to sync to reach the serial `target`.

        A run that continues an earlier run's todo list (`resumed`) takes over the number that the
        earlier one started with. If that is unknown, it takes `announced`, the number of serials
        announced: there are no more packages than serials.
        """
        known = self._records.state.batch
        if resumed:
            size = max(size, known.size if known and known.target == target else announced)
        run.batch = Batch(target, size)
        run.report.batch = size

    def refusal(self) -> Refusal | None:
        """Return what the master told an earlier run, as it wants fewer requests; None if that is over."""
        found = self._records.state.refusal
        return found if found and found.holds(self._clock()) else None

    def left_out(self) -> set[str]:
        """Return the traits of variants that are left out now, as they are no use at this master."""
        return self._records.state.left_out(self._clock())

    def end(
        self,
        run: Run,
        guard: IndexGuard | None,
        outcome: str,
        target: int,
        refusal: Refusal | None = None,
        *,
        may_notify: bool = True,
    ) -> None:
        """Finish a run with its outcome and the highest serial announced, `target`; the master may have told a refusal.

        Notifications are recorded in the state before they are sent, so that a run that overlaps
        this one does not send them too.
        """
        now = self._clock()
        if run.report.overlaps and outcome in ("fresh", "errors"):
            outcome = "overlapping"
        changes: list[Change] = []
        left: list[str] = []
        no_use: list[str] = []
        plan: dict[Any, Any] = {}
        notifier = self._notifier() if may_notify else None

        def advance_all(state: State) -> None:
            state.missing = run.missing_after(state.missing, now)
            before = dict(state.quarantine)
            if self._tracking.quarantine_after is not None:  # else they stay where they are
                for name, serial in run.missing_seen().items():
                    state.missing.pop(name, None)
                    before[name] = quarantine.QuarantineEntry(serial, now, now)
            on_record = before.keys() | state.incidents.keys()
            run.report.gone |= {name for name in on_record & state.missing.keys() if state.missing[name].is_gone(now)}
            state.quarantine = quarantine.after_run(before, run.rechecks.keys(), run.report.gone, run.synced, now)
            left.extend(before.keys() - state.quarantine.keys())
            state.drains = quarantine.is_over(run.rechecks.keys(), set(left), len(before))
            run.report.quarantined = set(state.quarantine)
            run.report.missing = self.missing.owed()
            max_age = self._tracking.index_max_age
            if guard is not None and max_age is not None:
                index = guard.after(now, max_age)
                state.index, state.doubt, state.ceiling, state.stalled_at = index.known
                run.report.index, run.report.index_is_right = index.wrong, index.is_right
                run.report.most = guard.most
            no_use.extend(state.note_use(run.usefulness, now, counts=not run.report.overlaps))
            told = refusal or state.refusal
            state.refusal = told if told and told.holds(now) else None
            if run.is_full and outcome == "fresh":
                state.another_master = False
            state.incidents, found = advance(state.incidents, run.report, now, self._tracking.thresholds)
            changes.extend(found)
            state.batch = run.batch or state.batch
            looks = Counter(str(one.variant) for one in (guard.observations if guard else ()))
            state.add_run(run.finished(now, outcome, target), run.requests + looks)
            if notifier:
                plan.update(notifier.plan(state, now))

        with self._running:
            is_remembered = self._remember(run, advance_all)
            for warning in guard.warnings if guard else ():
                log.warning("%s", warning, extra=log_fields(project=INDEX))
            if is_remembered:
                for name in sorted(left):
                    log.info("%s is no longer in quarantine", name, extra=log_fields(project=name))
                for trait in no_use:
                    log.info(
                        "%s is no use at this master: left out, and tried again in a week", trait.replace("_", "-")
                    )
                if self._tracking.escalates:
                    for change in changes:
                        line = words.describe_change(change, now)
                        log.log(_log_level(change), "%s", line, extra=change_fields(change))
                if notifier and plan:
                    arrived = notifier.deliver(plan)
                    self._records.update(lambda state: notifier.settle(state, plan, arrived, now))
            elif notifier and not run.report.overlaps:
                self._alarm(notifier, now)
            if self._publish:
                with contextlib.ExitStack() as locked:
                    with contextlib.suppress(OSError, StateError, filelock.Timeout):
                        locked.enter_context(self._records.lock())
                    self._publish(self._records.state, now)

    def _notifier(self) -> Notifies | None:
        """Return the notifier, None if there is no channel to notify and none to forget."""
        wanted = self._tracking.notify or self._records.state.notified
        return self._make_notifier() if self._make_notifier and self._tracking.escalates and wanted else None

    def _remember(self, run: Run, change: Callable[[State], None]) -> bool:
        """Change the state and write it; return False if that fails, which the trace tells `check`."""
        is_written = self._records.update(change)
        if not run.report.overlaps:
            if is_written:
                self._trace.end()
            else:
                self._trace.lose(run.started)
        return is_written

    def _alarm(self, notifier: Notifies, now: int) -> None:
        """Send that the state can't be written, once; unless even the trace can't, as it would be sent in every run."""
        left = self._trace.left()
        if left and left.is_lost:
            path = str(self._records.store.path)
            if notifier.alarm(self._records.state, path, left.begun, now, is_told=left.is_told):
                self._trace.tell()


def _log_level(change: Change) -> int:
    if change.ending is not None:
        # Anyone who read that an incident had worsened must also see that it ended.
        return logging.INFO if change.incident.level is Level.STALE else logging.WARNING
    return logging.CRITICAL if change.incident.level is Level.CRITICAL else logging.WARNING
