"""Memory: updates the records over the course of a run, and logs what has changed.

Any failure here is logged in one line and does not affect the run.
"""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import filelock
from msgspec.structs import replace

from ..core import origin, quarantine
from ..core.agreement import HOUR
from ..core.completeness import Todo
from ..core.guard import IndexGuard
from ..core.history import begin_batch
from ..core.incidents import INDEX, Change
from ..core.index import KnownIndex, plausible
from ..core.known_pages import KnownPages
from ..core.log_fields import log_fields
from ..core.refusals import Refusal
from ..core.run import Run
from ..settings import TrackingSettings
from . import telling
from .audit_rounds import AuditRounds, with_lost
from .document import NewerStateError, State, StateError
from .missing import MissingPackages
from .notifies import Notifies
from .records import Records
from .run_end import News, RunEnd, note_end, note_untold
from .trace import Left, Trace

log = logging.getLogger("bandersnatch.freshness")

Publish = Callable[[State, int, Callable[[str], int]], Collection[str]]


class Memory:
    """What is remembered about one mirror."""

    def __init__(
        self,
        records: Records,
        tracking: TrackingSettings,
        clock: Callable[[], int],
        notifier: Callable[[], Notifies] | None = None,
        publish: Publish | None = None,
        trace: Trace | None = None,
    ) -> None:
        """`clock` returns seconds since 1970.

        `notifier` makes the object that sends notifications, if there are any to send. `publish`
        is called after a run with the state, the time and the level to log at by option, to write what others read; it
        returns the options of what could not be written. `trace` is what a run leaves when it begins.
        """
        self._records = records
        self._tracking = tracking
        self._make_notifier = functools.cache(notifier) if notifier else None
        self._clock = clock
        self._publish = publish
        self._trace = trace or Trace()
        self._running = contextlib.ExitStack()
        self.missing = MissingPackages(records, clock)
        self.audit = AuditRounds(records, tracking.audit_every, clock)

    def begin(self, todo: Todo | None = None) -> Run | None:
        """Start a run; None if the state can't be used, in which case nothing is to be remembered.

        `todo` is what Bandersnatch's todo list has.

        Raises:
            OptionError: if a notification channel's URL can't be used.
        """
        try:
            with self._records.lock():
                pass
        except NewerStateError as error:
            log.error("%s is left unchanged, and this run is not remembered: %s", self._records.store.path, error)
            return None
        except (OSError, filelock.Timeout) as error:
            level = logging.DEBUG if self.has_told_loss() else logging.CRITICAL
            log.log(level, "%s can't be read, this run is not remembered: %s", self._records.store.path, error)
            self._trace.lose(self._clock())
            return None
        if notifier := self._notifier():
            notifier.check(self._records.state)
        now, overlaps = self._clock(), False
        try:
            self._running.enter_context(self._records.run_lock())
        except filelock.Timeout:  # another run is under way, to which the lock and the trace belong
            overlaps = True
        except OSError:  # there may be no room for it
            pass
        if not overlaps and self._has_told(self._trace.left(), todo, now):
            self._trace.begin(now)
        if notifier and not overlaps:
            notifier.begin()
        run = Run(
            now,
            self._records.state.incidents,
            # What another master's runs were quiet about is news of this one.
            quiets=self._tracking.escalates and not self._records.has_switched,
            warn_after=self._tracking.thresholds.warn_after,
        )
        run.report.overlaps = overlaps
        return run

    def _has_told(self, left: Left | None, todo: Todo | None, now: int) -> bool:
        """Remember a run that left a trace and never told its end; return False if that can't be written.

        What that changes is told by this run as it begins: it may be killed as well.
        """
        if left is None:
            return True
        changes: list[Change] = []
        notifier, plan = self._notifier(), {}
        try:
            with self._records.lock():
                state = self._records.state
                if state.add_untold(left.begun, "failed" if left.is_lost else "interrupted"):
                    changes = note_untold(state, left, todo, now, self._tracking.thresholds)
                    plan = notifier.plan(state, now) if notifier and changes else {}
                    self._records.write()
        except (OSError, StateError, filelock.Timeout):  # the end of this run tries again, and tells
            return False
        if left.is_lost:
            log.warning("%s can be written again", self._records.store.path)
        if left.is_told and notifier:
            notifier.end_alarm(str(self._records.store.path), left.begun)
        if changes:
            self._tell(changes, notifier, plan, now)
        return True

    def _tell(self, changes: list[Change], notifier: Notifies | None, plan: dict[Any, Any], now: int) -> None:
        """Log what has changed, notify what was planned, and write what others read."""
        if self._tracking.escalates:
            telling.log_changes(changes, now)
        if notifier and plan:
            arrived = notifier.deliver(plan)
            self._records.update(lambda state: notifier.settle(state, plan, arrived, now))
        if self._publish:
            self._show(self._publish, now)

    def has_told_loss(self) -> bool:
        """Return whether a run has said that it can't be remembered, and none has been remembered since."""
        left = self._trace.left()
        return left is not None and left.is_lost

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
        most = plausible(ceiling.serial, ceiling.at, self._clock()) if ceiling and ceiling.counts_to else None
        gone = {name for name, one in state.missing.items() if one.is_gone}
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
        entries.update({name: replace(entries[name], last_asked=now, asks=entries[name].asks + 1) for name in due})
        return bool(due)

    def concerned(self, run: Run) -> dict[str, int | None]:
        """Return the packages to plan for: those in quarantine with their required serials, those due with None.

        What the run has found lost counts as in quarantine from now on.
        """
        state, tracking = self._records.state, self._tracking
        after, warn_after = tracking.quarantine_after, tracking.thresholds.warn_after
        last = self._last_run(state)
        held = with_lost(state, run, run.started)
        return quarantine.concerned(held, state.incidents, self._clock(), after, last, warn_after)

    def count_quarantined(self, run: Run, names: Iterable[str]) -> int:
        """Return how many of these packages are in quarantine, with what the run has found lost."""
        return sum(name in self._records.state.quarantine or name in run.lost for name in names)

    def plan(
        self, run: Run, announced: Mapping[str, int], others: int, most: int | None = None
    ) -> quarantine.QuarantinePlan:
        """Decide what is in quarantine during a run, and save it before the mirror's serial can advance.

        Likewise for what the run may ask the origin itself for, which counts before it does.

        `announced` has the serials of those packages of `concerned` that the run is to sync;
        `others` is how many other packages it requests. No serial above `most` counts.
        """
        after = self._tracking.quarantine_after
        if after is None:  # packages in quarantine are requested like any other
            return quarantine.QuarantinePlan(dict(self._records.state.quarantine))
        now, state = self._clock(), self._records.state
        before = state.quarantine
        plan = self._plan(state, run, announced, others, now, after, most)
        may_ask = self._may_ask_origin(state, plan, announced, now, after)
        if plan.quarantine == before and not may_ask.most:
            return plan
        try:
            with self._records.lock():
                if self._records.state is not state:  # another run has written in the meantime
                    known, state = before, self._records.state
                    before = state.quarantine
                    plan = self._plan(state, run, announced, others, now, after, most)
                    # What an audit has put there since is not what the mirror's filters have dropped.
                    plan.quarantine.update((name, one) for name, one in before.items() if name not in known)
                    may_ask = self._may_ask_origin(state, plan, announced, now, after)
                state.quarantine, was_asked = plan.quarantine, state.origin
                if may_ask.most:  # that counts, should the run be killed before its end
                    state.origin = (was_asked or origin.Allowance()).take(may_ask.most, now)
                try:
                    self._records.write()
                except OSError:
                    state.quarantine, state.origin = before, was_asked
                    raise
        except (OSError, StateError, filelock.Timeout) as error:
            level = logging.DEBUG if self.has_told_loss() else logging.ERROR
            text = "%s can't be written, no more packages go into quarantine: %s"
            log.log(level, text, self._records.store.path, error)
            return plan.without(plan.changed, before)
        lost = run.lost.keys() & (plan.quarantine.keys() - before.keys())
        telling.log_lost(lost)
        telling.log_plan(plan.quarantine, before, lost, state.incidents, now, is_news=not self._tracking.escalates)
        run.origin = origin.OriginTurns(may_ask)
        return plan.asking_fully(may_ask.names)

    def _plan(
        self, state: State, run: Run, announced: Mapping[str, int], others: int, now: int, after: int, most: int | None
    ) -> quarantine.QuarantinePlan:
        last, warn_after = self._last_run(state), self._tracking.thresholds.warn_after
        return quarantine.plan(
            with_lost(state, run, now),
            state.incidents,
            announced,
            others,
            now,
            after,
            last,
            warn_after,
            most,
            drains=state.drains,
            lost=run.lost,
            untold=run.untold,
        )

    def _may_ask_origin(
        self, state: State, plan: quarantine.QuarantinePlan, announced: Mapping[str, int], now: int, after: int
    ) -> origin.OriginPlan:
        """Return what a run may ask the origin itself for."""
        allowance, warn_after = state.origin or origin.Allowance(), self._tracking.thresholds.warn_after
        left = allowance.left(origin.most_a_day(self._tracking.ask_origin, state.master), now)
        if not left or self._is_refused(state):
            return origin.NO_REQUESTS
        return origin.choose(plan.quarantine, state.incidents, announced, allowance, left, now, after, warn_after)

    def _is_refused(self, state: State) -> bool:
        """Return whether the master wants fewer requests, by what it told an earlier run."""
        return state.refusal is not None and state.refusal.holds(self._clock())

    def _last_run(self, state: State) -> int:
        """Return when the last completed run ended, in seconds since 1970; 0 if that was one of another master."""
        return 0 if self._records.has_switched else state.last_run()

    def begin_batch(self, run: Run, target: int, size: int, *, resumed: bool, announced: int) -> None:
        """Record how many packages there are to sync to reach the serial `target`; as in `begin_batch`."""
        known = self._records.state.batch
        run.batch = begin_batch(known, target, size, run.started, resumed=resumed, announced=announced)
        run.report.batch = run.batch.size

    def wants_peek(self) -> bool:
        """Return whether to look how far upstream has moved: once an hour, while a todo list is worked off."""
        state, now = self._records.state, self._clock()
        last = max(state.batch.at if state.batch else 0, state.upstream.at if state.upstream else 0)
        return not last <= now < last + HOUR

    def refusal(self) -> Refusal | None:
        """Return what the master told an earlier run, as it wants fewer requests; None if that is over."""
        state = self._records.state
        return state.refusal if self._is_refused(state) else None

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
        problem: str = "",
        is_of_index: bool = False,
        todo: Todo | None = None,
    ) -> None:
        """Finish a run with its outcome and the highest serial announced, `target`; the master may have told a refusal.

        `problem` says why it ended early, or has no index, which `is_of_index`; `todo` is what is left to do.
        Notifications are recorded in the state before they are sent, so that a run that overlaps
        this one does not send them too.
        """
        now = self._clock()
        if run.report.overlaps and outcome in ("fresh", "errors"):
            outcome = "overlapping"
        end = RunEnd(outcome, target, refusal, problem, is_of_index, todo)
        news = News([], set(), [])
        plan: dict[Any, Any] = {}
        # Ended by Ctrl-C, it is to end at once; the next run sends what this one would have.
        notifier = self._notifier() if outcome != "interrupted" else None

        def note(state: State) -> None:
            nonlocal news
            news = note_end(state, run, guard, end, self._tracking, now)
            if notifier:
                plan.update(notifier.plan(state, now))

        with self._running:
            is_remembered = self._remember(run, note)
            telling.log_origin(run.origin)
            for warning in guard.warnings if guard else ():
                log.warning("%s", warning, extra=log_fields(project=INDEX))
            if is_remembered:
                telling.log_left(news.left)
                telling.log_no_use(news.no_use)
                self._tell(news.changes, notifier, plan, now)
            elif notifier and not run.report.overlaps:
                self._alarm(notifier, now)
            if self._publish and not is_remembered:
                self._show(self._publish, now)

    def _show(self, publish: Publish, now: int) -> None:
        """Write what others read; if that can't be written, log it now and then."""
        with contextlib.ExitStack() as locked:
            with contextlib.suppress(OSError, StateError, filelock.Timeout):
                locked.enter_context(self._records.lock())
            state, pause, is_quiet = self._records.state, self._tracking.repeat_every, self.has_told_loss()
            said = {option: at for option, at in state.unwritten.items() if at <= now < at + pause}
            failed = publish(state, now, lambda option: logging.DEBUG if is_quiet or option in said else logging.ERROR)
            told = {option: said.get(option, now) for option in failed if option in said or not is_quiet}
            if told != state.unwritten:
                state.unwritten = told
                with contextlib.suppress(OSError):  # the next run says it again
                    self._records.write()

    def _notifier(self) -> Notifies | None:
        """Return the notifier, None if there is no channel to notify and none to forget."""
        state, tracking = self._records.state, self._tracking
        wanted = tracking.notify or tracking.heartbeat or state.notified or state.channels
        return self._make_notifier() if self._make_notifier and tracking.escalates and wanted else None

    def _remember(self, run: Run, change: Callable[[State], None]) -> bool:
        """Change the state and write it; return False if that fails, which the trace tells `check`."""
        is_written = self._records.update(change, level=logging.DEBUG if self.has_told_loss() else logging.CRITICAL)
        if is_written and not run.report.overlaps:
            self._trace.end()
        elif not run.report.overlaps:
            self._trace.lose(run.started)
        return is_written

    def _alarm(self, notifier: Notifies, now: int) -> None:
        """Send that the state can't be written, once; unless even the trace can't, as it would be sent in every run."""
        left = self._trace.left()
        if left and left.is_lost:
            path = str(self._records.store.path)
            if notifier.alarm(self._records.state, path, left.begun, now, is_told=left.is_told):
                self._trace.tell()
