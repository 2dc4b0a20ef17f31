"""The quarantine: packages kept off the todo list so that the mirror's serial can advance. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from types import MappingProxyType
from typing import NamedTuple

from .incidents import EDGE, INDEX, RUNS_BEFORE_WARNING, Incident
from .observations import parse_serial

# A package that is in quarantine is asked for again within a tenth of the time for which it
# has been, and once a day at least.
ASK_SHARE = 0.1
ASK_WITHIN = 24 * 60 * 60

# Of a run's requests, so many at most go to what is in quarantine; but one in each run may.
REQUEST_SHARE = 0.05

# Where more than these would go into quarantine, none does: that is no matter of single packages.
MOST = 1000


class QuarantineEntry(NamedTuple):
    """A package that is in quarantine since `since`, and was asked for last at `last_asked`, `asks` times.

    Times are seconds since 1970. `required` is the highest serial that was announced of
    it. Where the mirror has meanwhile taken an older page, as the newest that the origin
    has, `synced` is the serial of that.
    """

    required_serial: int
    since: int
    last_asked: int
    asks: int = 0
    synced: int | None = None

    def next_ask(self) -> int:
        """Return when it is to be asked for again."""
        return self.last_asked + int(min(ASK_WITHIN, (self.last_asked - self.since) * ASK_SHARE))

    def is_due(self, now: int) -> bool:
        """Tell whether it is to be asked for again; it is when the clock has jumped back."""
        return not self.last_asked <= now < self.next_ask()


class QuarantinePlan(NamedTuple):
    """What a run does about the packages that are in quarantine.

    `quarantine` are all of them from now on, and `changed` those of them that are new or
    have a newer release: the serial must not advance before these are remembered. `ask`
    has the packages to ask for, with the number of ways to do so at most (None: as for
    any package); the others in `hold` are not to be asked for.
    """

    quarantine: dict[str, QuarantineEntry]
    changed: frozenset[str] = frozenset()
    ask: Mapping[str, int | None] = MappingProxyType({})
    hold: frozenset[str] = frozenset()

    def without(self, names: Set[str], before: Mapping[str, QuarantineEntry]) -> QuarantinePlan:
        """Return the plan for when the changes of these can't be remembered: they are packages like any other."""
        ask = {name: ways for name, ways in self.ask.items() if name not in names}
        return QuarantinePlan(dict(before), ask=ask, hold=self.hold - names)


def is_due_for(incident: Incident, now: int, quarantine_after: int, last_run: int = 0) -> bool:
    """Tell whether an incident has lasted long enough for its package to go into quarantine.

    It must have been seen in the run that ended at `last_run`: what fails otherwise by now
    is no matter of stale serials any more.
    """
    if incident.subject in (EDGE, INDEX) or incident.runs < RUNS_BEFORE_WARNING or incident.seen < last_run:
        return False
    # From when it was last released by hand, if it was.
    return now - max(incident.since, incident.released) >= quarantine_after


def plan(
    quarantine: Mapping[str, QuarantineEntry],
    incidents: Mapping[str, Incident],
    announced: Mapping[str, int],
    others: int,
    now: int,
    quarantine_after: int,
    last_run: int = 0,
) -> QuarantinePlan:
    """Return what to do in a run that is to sync `announced`: serials by package.

    These are packages with incidents, and all that are in quarantine already, but for those
    that the mirror's own filters dropped: these leave the quarantine. `others` is how many
    packages the run asks for beside them.
    """
    after: dict[str, QuarantineEntry] = {}
    ask: dict[str, int | None] = {}
    for name, serial in announced.items():
        entry = quarantine.get(name)
        if entry is None:
            continue
        if serial > entry.required_serial:
            entry = entry._replace(required_serial=serial)
            ask[name] = None
        after[name] = entry
    new = [
        name
        for name in announced
        if name not in quarantine and name in incidents and is_due_for(incidents[name], now, quarantine_after, last_run)
    ]
    if EDGE not in incidents and len(after) + len(new) <= MOST:
        for name in new:
            after[name] = QuarantineEntry(announced[name], now, now)
            ask[name] = None
    changed = frozenset(ask)
    due = sorted((entry.last_asked, name) for name, entry in after.items() if name not in ask and entry.is_due(now))
    budget = max(1, int(others * REQUEST_SHARE / (1 - REQUEST_SHARE)))
    ask.update({name: budget // min(budget, len(due)) for _, name in due[:budget]})
    return QuarantinePlan(after, changed, ask, frozenset(after) - set(ask))


def after_run(
    quarantine: Mapping[str, QuarantineEntry], rechecked: Set[str], gone: Set[str], synced: Mapping[str, int], now: int
) -> dict[str, QuarantineEntry]:
    """Return what is still in quarantine after a run that synced packages at these serials."""
    after = {}
    for name, entry in quarantine.items():
        serial = synced.get(name)
        if name in gone or (serial is not None and serial >= entry.required_serial):
            continue
        if name in rechecked:
            entry = entry._replace(since=min(entry.since, now), last_asked=now, asks=entry.asks + 1)
        after[name] = entry if serial is None else entry._replace(synced=serial)
    return after


def dump(quarantine: Mapping[str, QuarantineEntry]) -> Iterator[str]:
    """Return the text of the second copy: a package and its required serial a line."""
    return (f"{name} {quarantine[name].required_serial}\n" for name in sorted(quarantine))


def recovered(quarantine: Mapping[str, QuarantineEntry], copy: str, now: int) -> dict[str, QuarantineEntry]:
    """Return what is in quarantine, with what only the second copy knows; a line that is none is passed over."""
    after = dict(quarantine)
    for line in copy.splitlines():
        name, _, text = line.partition(" ")
        serial = parse_serial(text)
        if not name or serial is None:
            continue
        entry = after.get(name)
        if entry is None:
            after[name] = QuarantineEntry(serial, now, now)
        elif serial > entry.required_serial:
            after[name] = entry._replace(required_serial=serial)
    return after
