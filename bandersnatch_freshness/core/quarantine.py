"""The quarantine: packages kept off the todo list so that the mirror's serial can advance. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from .agreement import HOUR, are_most_back, are_three_runs
from .incidents import EDGE, OF_ALL, Incident, is_overdue
from .index import ANY_SERIAL

# A package in quarantine is requested again after a tenth of the time it has been there so far,
# and at least once a day.
ASK_SHARE = 0.1
ASK_WITHIN = 24 * 60 * 60

# At most this share of a run's requests goes to packages in quarantine, but always at least one; of many in quarantine
# a share of these, up to as many as tell whether the trouble is over: if most of so many come back, all are asked for.
REQUEST_SHARE = 0.05
QUARANTINE_SHARE = 0.2
ENOUGH_TO_TELL = 10


class QuarantineEntry(Struct, frozen=True, gc=False):  # there may be 100,000, none of them in a cycle
    """A package that has been in quarantine since `since`, and was requested `asks` times, last at `last_asked`.

    Times are seconds since 1970. `required_serial` is the highest serial announced for it. If
    the mirror has meanwhile taken an older page, the newest that the origin has, `synced` is
    that page's serial. It is `waiting` for a list of the present master that tells its serial: `required_serial` is
    another master's, or ANY_SERIAL where the present one has announced nothing but a serial that can't be true.
    `is_accepted` by hand: nobody is told of it until its serials change.
    """

    required_serial: int
    since: int
    last_asked: int
    asks: int = 0
    synced: int | None = None
    waiting: bool = False
    is_accepted: bool = False

    def next_ask(self) -> int:
        """Return when to request it again, in seconds since 1970."""
        return self.last_asked + int(min(ASK_WITHIN, (self.last_asked - self.since) * ASK_SHARE))

    @property
    def is_untold(self) -> bool:
        """Whether the present master has announced it, with a serial that can't be true."""
        return self.waiting and self.required_serial <= ANY_SERIAL

    def is_due(self, now: int) -> bool:
        """Return whether to request it again, which is also true if the clock has jumped back."""
        return not self.last_asked <= now < self.next_ask()


class QuarantinePlan(Struct, frozen=True):
    """What a run does about the packages in quarantine.

    `quarantine` has all of them from now on, and `changed` those that are new or have a newer
    release: the serial must not advance before these are remembered. `ask` has the packages to
    request, each with the maximum number of variants (None: no limit, as for any other package).
    `hold` has the rest, which are not requested.
    """

    quarantine: dict[str, QuarantineEntry]
    changed: frozenset[str] = frozenset()
    ask: Mapping[str, int | None] = MappingProxyType({})
    hold: frozenset[str] = frozenset()

    def asking_fully(self, names: Set[str]) -> QuarantinePlan:
        """Return the plan where those of these packages that are in quarantine are asked for in all ways."""
        ask = {**self.ask, **dict.fromkeys(names & self.quarantine.keys())}
        return replace(self, ask=ask, hold=self.hold - names)

    def without(self, names: Set[str], before: Mapping[str, QuarantineEntry]) -> QuarantinePlan:
        """Return the plan if the changes to these packages can't be saved: they are treated like any other package."""
        ask = {name: ways for name, ways in self.ask.items() if name not in names}
        return QuarantinePlan(dict(before), ask=ask, hold=self.hold - names)


def is_due_for(incident: Incident, now: int, quarantine_after: int, last_run: int = 0, warn_after: int = HOUR) -> bool:
    """Return whether an incident has lasted long enough for its package to go into quarantine. Ages are in seconds.

    It must have been seen in the run that ended at `last_run`.
    """
    is_package = incident.subject not in OF_ALL and incident.seen >= last_run
    return is_package and is_old_enough(incident, now, quarantine_after, warn_after)


def is_old_enough(incident: Incident, now: int, quarantine_after: int, warn_after: int = HOUR) -> bool:
    """Return whether three runs have seen an incident that has lasted for `quarantine_after`. Ages are in seconds."""
    # A `quarantine_after` of less than an hour is the operator's wish, and goes for the runs too.
    if not are_three_runs(incident.runs, incident.since, incident.seen, min(warn_after, quarantine_after)):
        return False
    # The time starts again when a package is released by hand.
    return now - max(incident.since, incident.released) >= quarantine_after


def concerned(
    quarantine: Mapping[str, QuarantineEntry],
    incidents: Mapping[str, Incident],
    now: int,
    quarantine_after: int | None,
    last_run: int,
    warn_after: int,
) -> dict[str, int | None]:
    """Return the packages to plan for: those in quarantine with their required serials, those due for it with None."""
    due: dict[str, int | None] = {}
    if quarantine_after is not None:
        for name, one in incidents.items():
            if name not in quarantine and is_due_for(one, now, quarantine_after, last_run, warn_after):
                due[name] = None
    due.update((name, entry.required_serial) for name, entry in quarantine.items())
    return due


def plan(
    quarantine: Mapping[str, QuarantineEntry],
    incidents: Mapping[str, Incident],
    announced: Mapping[str, int],
    others: int,
    now: int,
    quarantine_after: int,
    last_run: int = 0,
    warn_after: int = HOUR,
    most: int | None = None,
    *,
    drains: bool = False,
    lost: Collection[str] = (),
    untold: Collection[str] = (),
) -> QuarantinePlan:
    """Return the plan for a run, in which no serial above `most` counts; if it `drains`, all are asked for.

    So are packages that the run has just found `lost`, and `untold` ones, whose announced serials can't be true: these
    wait in quarantine for a list that tells, and are asked for in each run until then.
    `announced` has the serials of the packages with incidents and of all those already in
    quarantine. Packages that the mirror's own filters dropped are not in it, and leave quarantine. For a package that
    waits for its master's list, the serial is 0 if the list lacks it, and ANY_SERIAL if there is no list to go by; it
    is then asked for as often as the others, and waits on.
    `others` is how many other packages the run requests.
    """
    after: dict[str, QuarantineEntry] = {}
    ask: dict[str, int | None] = {}
    for name, serial in announced.items():
        entry = quarantine.get(name)
        if name in untold:
            entry = entry or QuarantineEntry(ANY_SERIAL, now, now)
            after[name], ask[name] = replace(entry, required_serial=ANY_SERIAL, waiting=True), None
            continue
        if entry is None:
            continue
        if entry.waiting and serial <= ANY_SERIAL:
            after[name] = entry
            continue
        if entry.waiting or serial > entry.required_serial or (most is not None and entry.required_serial > most):
            entry = replace(entry, required_serial=serial, waiting=False, is_accepted=False)
            ask[name] = None
        after[name] = entry
    new = [
        name
        for name in announced
        if name not in after
        and name in incidents
        and is_due_for(incidents[name], now, quarantine_after, last_run, warn_after)
    ]
    if EDGE not in incidents or is_overdue(incidents[EDGE]):
        for name in new:
            after[name] = QuarantineEntry(announced[name], now, now)
            ask[name] = None
    changed = frozenset(ask)
    ask |= dict.fromkeys(name for name in lost if name in after)
    due = sorted(
        (entry.last_asked, name)
        for name, entry in after.items()
        if name not in ask
        and (not entry.waiting or entry.is_untold or announced[name] == ANY_SERIAL)
        and (drains or entry.is_due(now))
    )
    budget = len(due) if drains else max(1, _of_many(len(after)), int(others * REQUEST_SHARE / (1 - REQUEST_SHARE)))
    ask.update({name: budget // min(budget, len(due)) for _, name in due[:budget]})
    return QuarantinePlan(after, changed, ask, frozenset(name for name in after if name not in ask))


def with_lost(
    quarantine: Mapping[str, QuarantineEntry], lost: Mapping[str, int], now: int
) -> dict[str, QuarantineEntry]:
    """Return the quarantine with what an audit found lost, with the serials that it needs; due at once."""
    new = {name: QuarantineEntry(serial, now, now) for name, serial in lost.items() if name not in quarantine}
    return {**quarantine, **new}


def is_over(rechecked: Set[str], left: Set[str], held: int) -> bool:
    """Return whether the trouble seems to be over, as most of the packages that a run asked for again have `left`.

    They must be as many as a run asks for of the number that it `held`.
    """
    return are_most_back(rechecked, left, _of_many(held))


def _of_many(held: int) -> int:
    """Return how many a run asks for again of so many in quarantine, however little else it does; 0 of a few."""
    return min(ENOUGH_TO_TELL, int(held * QUARANTINE_SHARE))


def after_run(
    quarantine: Mapping[str, QuarantineEntry],
    rechecked: Set[str],
    gone: Set[str],
    synced: Mapping[str, int],
    now: int,
) -> dict[str, QuarantineEntry]:
    """Return what is still in quarantine after a run; `synced` are the serials at which it synced packages."""
    after = {}
    for name, entry in quarantine.items():
        serial = synced.get(name)
        is_right = not entry.waiting and serial is not None and serial >= entry.required_serial
        if is_right or (name in gone and (entry.is_untold or not entry.waiting)):
            continue
        if name in rechecked:
            entry = replace(entry, since=min(entry.since, now), last_asked=now, asks=entry.asks + 1)
        if serial is not None and serial != entry.synced and not entry.waiting:
            entry = replace(entry, synced=serial, is_accepted=False)
        after[name] = entry
    return after
