"""The end of a run: what it leaves in the state, and what of that is to be said. No I/O, no clock."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from msgspec.structs import replace

from ..core import missing, quarantine
from ..core.causes import KILLED
from ..core.completeness import Todo, complete_at, shortfall
from ..core.guard import IndexGuard
from ..core.history import Batch
from ..core.incidents import MIRROR, Change, RunReport, Shortfall, Thresholds, advance, mirror_after
from ..core.refusals import Refusal
from ..core.run import Run
from ..settings import TrackingSettings
from .document import State
from .trace import Left

LOST = "a run could not be remembered"


class RunEnd(Struct, frozen=True):
    """How a run ended: its outcome, the highest serial announced, and a refusal that the master may have told.

    `problem` says why it ended early, or has no index, which `is_of_index`; `todo` is what is left to do.
    """

    outcome: str
    target: int
    refusal: Refusal | None = None
    problem: str = ""
    is_of_index: bool = False
    todo: Todo | None = None


class News(Struct, frozen=True):
    """What is to be said after a run: incidents, the packages that left the quarantine, and traits that are no use."""

    changes: list[Change]
    left: set[str]
    no_use: list[str]


def note_end(
    state: State, run: Run, guard: IndexGuard | None, end: RunEnd, tracking: TrackingSettings, now: int
) -> News:
    """Change the state by a run that has ended `now`, in seconds since 1970."""
    report = run.report
    left = _note_packages(state, run, now, quarantines=tracking.quarantine_after is not None)
    if guard is not None and tracking.index_max_age is not None:
        index = guard.after(now, tracking.index_max_age)
        known = index.known
        state.index, state.doubt = known.seen, known.doubt
        state.ceiling, state.stalled_at = known.ceiling, known.stalled_at
        report.index, report.index_is_right, report.most = index.wrong, index.is_right, guard.most
    no_use = state.note_use(run.usefulness, now, counts=not report.overlaps)
    told = end.refusal or state.refusal
    state.refusal = told if told and told.holds(now) else None
    if run.is_full and end.outcome == "fresh":
        state.another_master = False
    report.shortfall = shortfall(report, end.outcome, end.problem, is_of_index=end.is_of_index)
    report.has_progress = end.outcome == "interrupted" and end.todo is not None and end.todo.is_progress(state.batch)
    batch = run.batch or state.batch
    state.batch = batch and replace(batch, left=end.todo.left if end.todo else 0)
    if run.audit is not None:
        is_consented = run.audit.is_consented or bool(state.audit and state.audit.is_consented)
        state.audit = replace(run.audit, is_consented=is_consented)
    state.note_upstream(run.upstream, run.started, guard.most if guard else None)
    state.incidents, changes = advance(state.incidents, report, now, tracking.thresholds)
    listed = state.index.projects if state.index else 0
    state.complete_at = complete_at(state.complete_at, report, state.batch, state.incidents, listed)
    looks = Counter(str(one.variant) for one in (guard.observations if guard else ()))
    state.add_run(run.finished(now, end.outcome, end.target), Counter(run.requests) + looks)
    state.newest = run.newest.after(state.newest, state.announced())
    return News(changes, left, no_use)


def _note_packages(state: State, run: Run, now: int, *, quarantines: bool) -> set[str]:
    """Note what is missing and in quarantine after a run; return what has left the quarantine."""
    report, owed = run.report, len(dict(missing.still_owed(state.missing)))
    asked = run.missing_asked.keys()
    state.missing = run.missing_after(state.missing, now)
    are_missing_back = missing.is_over(asked, asked - state.missing.keys(), owed)
    before = dict(state.quarantine)
    if quarantines:  # else they stay where they are
        for name, serial in run.missing_seen().items():
            state.missing.pop(name, None)
            before[name] = quarantine.QuarantineEntry(serial, now, now)
    on_record = (name for name in state.missing if name in before or name in state.incidents)
    report.gone |= {name for name in on_record if state.missing[name].is_gone}
    state.quarantine = quarantine.after_run(before, run.rechecks.keys(), report.gone, run.synced, now)
    left = before.keys() - state.quarantine.keys()
    # What came past all caches is no sign that these are right again.
    are_cured = quarantine.is_over(run.rechecks.keys(), left - run.origin.fresh, len(before))
    state.drains = are_cured or are_missing_back
    if state.origin:
        state.origin = state.origin.settle(run.origin, report.fresh | report.gone, now)
    report.quarantined = set(state.quarantine)
    report.accepted = {name for name, entry in state.quarantine.items() if entry.is_accepted}
    report.synced = {name: entry.synced for name, entry in state.quarantine.items() if entry.synced is not None}
    report.missing = {name for name, _ in missing.still_owed(state.missing)}
    return set(left)


def note_untold(state: State, left: Left, todo: Todo | None, now: int, thresholds: Thresholds) -> list[Change]:
    """Change the state by a run that never told its end; return what has changed. `todo` is what is left to do."""
    report = RunReport(shortfall=Shortfall(LOST if left.is_lost else KILLED), reached=state.runs[-1].serial)
    report.has_progress = todo is not None and todo.is_progress(state.batch)
    if todo is not None:
        known = state.batch if state.batch and state.batch.target == todo.target else None
        size, at = (known.size, known.at) if known else (todo.left, left.begun)
        state.batch = Batch(todo.target, max(size, todo.left), at, todo.left)
    changes: list[Change] = []
    state.incidents = mirror_after(state.incidents, state.incidents.get(MIRROR), report, now, thresholds, changes)
    return changes
