"""The comparison: what the mirror's own copies of a project are, against what the index announces. No I/O, no clock."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType

from msgspec import Struct, field

from ..core.history import PastRun
from ..core.index import ANY_SERIAL, MOST_A_DAY
from ..core.missing import Missing

# The serials of the mirror's own copies of a project, place by place: None where there is none, 0 where it can't be
# read, as it is cut off.
Copies = tuple[int | None, ...]

# Runs that synced fewer say little of how fast this mirror is.
ENOUGH_TO_MEASURE = 20


class Kind(enum.Enum):
    """What a project is found to be."""

    UNANNOUNCED = "not announced any more"
    MISSING = "missing"
    OLDER = "older"
    UNREADABLE = "unreadable"
    DISAGREEING = "places disagree"
    NEWER = "newer than announced"
    QUARANTINED = "in quarantine"
    GONE = "gone"
    FILTERED = "unknown by filter"
    TO_SYNC = "to be synced"
    CURRENT = "current"

    @property
    def is_lost(self) -> bool:
        """Whether the mirror lacks something, and nothing but a repair would bring it."""
        return self in _LOST

    @property
    def is_finding(self) -> bool:
        """Whether the mirror is not as the index says, and nothing that is on record explains it."""
        return self in _LOST or self in (Kind.UNANNOUNCED, Kind.NEWER)

    @property
    def is_named(self) -> bool:
        """Whether each such project is named; of the others there may be hundreds of thousands."""
        return self.is_finding or self is Kind.QUARANTINED


_LOST = (Kind.MISSING, Kind.OLDER, Kind.UNREADABLE, Kind.DISAGREEING)


class Finding(Struct, frozen=True):
    """What a project was found to be: announced with a serial (None: not at all), and with these copies."""

    project: str
    kind: Kind
    announced: int | None
    copies: Copies

    @property
    def own(self) -> int | None:
        """The oldest serial among its copies; None if none has one."""
        return min((serial for serial in self.copies if serial), default=None)


class Terms(Struct, frozen=True):
    """By what a mirror is compared: an index of this serial, and copies of which the first so many are simple `pages`.

    The one after these is a JSON document. `is_filtered`: the mirror has filters that may keep a page from being
    written by what it says.
    """

    index_serial: int
    pages: int
    is_filtered: bool = False


class Known(Struct, frozen=True):
    """What a mirror knows at one moment of what it has not synced yet.

    `serial` is its own, None if it has none; `target` the one that its todo list leads to, None where there is no list.
    """

    serial: int | None = None
    target: int | None = None
    todo: Container[str] = frozenset()
    quarantine: Container[str] = frozenset()
    missing: Mapping[str, Missing] = MappingProxyType({})

    def will_sync(self, project: str, announced: int) -> bool:
        """Return whether the run under way, or the next one, syncs a project by itself.

        A run begins with what its todo list has, if there is one, and goes on from where that leads to.
        """
        reached = self.serial if self.target is None else max(self.target, self.serial or 0)
        return reached is None or announced > reached or project in self.todo


def is_current(announced: int, copies: Copies) -> bool:
    """Return whether all copies are at the announced serial, which nearly all are: the rest takes a closer look."""
    return copies.count(announced) == len(copies)


def compare(project: str, announced: int | None, copies: Copies, known: Known, terms: Terms) -> Finding:
    """Return what a project is found to be that the index announces with a serial, or not at all (None)."""
    believed = _believed(copies, known, terms)
    if announced is None:
        return Finding(project, _unannounced(believed, terms), None, copies)
    kind = _seen(announced, believed, terms)
    if kind.is_lost:
        kind = _explained(project, announced, copies, kind, known, terms)
    return Finding(project, kind, announced, copies)


def _unannounced(copies: Copies, terms: Terms) -> Kind:
    there = [serial for serial in copies[: terms.pages] if serial is not None]
    # A page that is newer than the index is of a project that this copy of the index does not know yet.
    return Kind.UNANNOUNCED if there and max(there) <= terms.index_serial else Kind.CURRENT


def _believed(copies: Copies, known: Known, terms: Terms) -> Copies:
    """Return the copies; one with a serial that can't be true, as of a broken page, counts as cut off."""
    most = max(terms.index_serial, known.serial or 0) + MOST_A_DAY
    return tuple(0 if serial is not None and serial > most else serial for serial in copies)


def _seen(announced: int, copies: Copies, terms: Terms) -> Kind:
    there = {serial for serial in copies if serial is not None}
    if copies[: terms.pages].count(None) == terms.pages:
        return Kind.MISSING
    if 0 in there:
        return Kind.UNREADABLE
    if max(there) < announced:
        return Kind.OLDER
    if len(there) > 1 or None in copies:
        return Kind.DISAGREEING
    # A page that is newer than the index was synced since: copies of the index are kept by caches.
    return Kind.NEWER if announced and announced < max(there) <= terms.index_serial else Kind.CURRENT


def _explained(project: str, announced: int, copies: Copies, kind: Kind, known: Known, terms: Terms) -> Kind:
    """Return what it is in the light of what is on record."""
    if project in known.quarantine:
        return Kind.QUARANTINED
    missing = known.missing.get(project)
    if missing and missing.serial == announced and missing.is_gone:
        return Kind.GONE
    if terms.is_filtered and copies.count(None) == len(copies):  # else it was synced before
        return Kind.FILTERED
    return Kind.TO_SYNC if known.will_sync(project, announced) else kind


class Tally(Struct):
    """What an audit has found so far."""

    counts: Counter[Kind] = field(default_factory=Counter)
    named: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Count a finding, and name it where that is worth it."""
        self.counts[finding.kind] += 1
        if finding.kind.is_named:
            self.named.append(finding)

    @property
    def is_complete(self) -> bool:
        """Whether the mirror has all that was announced, but for what is on record."""
        return not any(kind.is_finding for kind in self.counts)

    def lost(self, missing: Mapping[str, Missing]) -> dict[str, int]:
        """Return the projects that a repair is to bring, with their serials; runs ask for `missing` ones anyway."""
        lost = {one.project: one.announced or ANY_SERIAL for one in self.named if one.kind.is_lost}
        return {name: serial for name, serial in lost.items() if name not in missing or missing[name].serial < serial}


def seconds_to_sync(packages: int, runs: Iterable[PastRun]) -> int | None:
    """Return how long runs will take for so many packages, by what past ones took; None if none tells."""
    measured = [run for run in runs if run.is_whole and run.fresh >= ENOUGH_TO_MEASURE]
    synced, took = sum(run.fresh for run in measured), sum(run.finished - run.started for run in measured)
    return max(1, packages * took // synced) if measured else None
