"""The index guard: rejects an index that is broken or older than the mirror. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from .incidents import Sighting
from .observations import Observation, parse_serial
from .verdicts import Verdict, judge

# An index that lists fewer than this share of the projects it listed before is broken.
LEAST_SHARE = 0.5


class IndexRefusedError(Exception):
    """The index must not be used; the text says why."""


class Index(NamedTuple):
    """The newest index seen from a master, and when its serial moved, in seconds since 1970.

    `projects` is how many it listed, and `highest` the highest serial of these; 0 if unknown.
    """

    serial: int
    moved: int
    projects: int = 0
    highest: int = 0


class Doubt(NamedTuple):
    """What runs in a row saw of an index that differs from what is remembered of it; not believed yet.

    `kind` says how it differs, `serial` and `projects` what the last of the runs saw. The first of them began at
    `first` and the last at `last`, in seconds since 1970.
    """

    kind: str
    serial: int
    projects: int
    first: int
    last: int
    runs: int = 1


class Ceiling(NamedTuple):
    """The highest serial that the master had given out by its own account, when it was asked `at`.

    In seconds since 1970. A `serial` of 0: it gave no account.
    """

    serial: int
    at: int


class IndexGuard:
    """Decides whether one run may use the index."""

    def __init__(self, known: Index | None, *, another_master: bool = False) -> None:
        """`known` is what earlier runs saw of the master's index.

        `another_master`: the mirror's own serial may come from another master, and then means nothing.
        """
        self.least = 0
        self.refusal = ""
        self.is_judged = False
        self.observations: Sequence[Observation] = ()
        self._known = known
        self._another_master = another_master
        self._synced = 0
        self._count_own: Callable[[], int] = lambda: 0
        self._serial: int | None = None
        self._projects = 0
        self._highest = 0

    def expect(self, synced: int, count_own: Callable[[], int]) -> None:
        """Set the lowest acceptable serial of the index; `synced` is the mirror's own serial.

        A mirror that starts over (`synced` is 0) is held to the serial the index had before.
        `count_own` returns how many projects the mirror has, for when the size of the earlier
        index is not remembered.
        """
        self._synced = synced
        self._count_own = count_own
        own = 0 if self._another_master else synced
        self.least = own or (self._known.serial if self._known else 0)

    @property
    def stands_still(self) -> bool:
        """Whether nothing is synced because the mirror's serial comes from another master and is higher."""
        return self._another_master and self._serial is not None and self._serial < self._synced

    def admit_index(self, index: Any) -> None:
        """Accept or reject a simple index in JSON.

        Raises:
            IndexRefusedError: if it is broken or older than the mirror.
        """
        try:
            serial, projects, self._highest = measure(index)
        except ValueError as error:
            self.refuse(str(error))
        self._admit(serial, projects)

    def _admit(self, serial: int | None, projects: int | None) -> None:
        self.is_judged = True
        before = self._known.projects if self._known else 0
        if projects is not None:
            had = before or (0 if self._another_master else self._count_own())
            if projects == 0 and (had or self.least):
                self.refuse("it lists no project")
            if projects < had * LEAST_SHARE:
                reference = f"and listed {had} before" if before else f"the mirror has {had}"
                self.refuse(f"it lists {projects} projects, {reference}")
        if serial is None:
            self.refuse("it carries no serial")
        if serial < self.least:
            self.refuse(f"its serial {serial} is older than the mirror's own, {self.least}")
        self._serial, self._projects = serial, projects or before

    def admit_changes(self, changes: Mapping[str, int], since: int | None, last: Any = None) -> None:
        """Accept or reject what XML-RPC answered, unless the simple index was judged already.

        `changes` are serials by project: of all projects if `since` is None, otherwise of those
        that changed since that serial. `last` is the last serial that XML-RPC reported, used when
        there are no changes.

        Raises:
            IndexRefusedError: if it is older than the mirror.
        """
        if self.is_judged:
            return
        self._highest = max(map(int, changes.values()), default=0)
        newest = self._highest if changes else parse_serial(str(last))
        if since is None:
            self._admit(newest, len(changes))
        elif newest is not None:
            self._admit(newest, None)
        else:  # as far as we know, it has not moved
            self._serial = self.least or None

    def reconsider(self) -> None:
        """Judge another copy of an index that was refused."""
        self.refusal = ""
        self.is_judged = False

    def refuse(self, reason: str) -> NoReturn:
        """Record the reason and raise.

        Raises:
            IndexRefusedError: always.
        """
        self.refusal = reason
        self.is_judged = True
        raise IndexRefusedError(reason)

    def after(self, now: int, max_age: int) -> tuple[Index | None, Sighting | None, bool]:
        """Return what to remember of the index, what is wrong with it, and whether it proved to be right.

        If the run did not request the index, it proved neither right nor wrong.
        """
        known = self._known
        if self.refusal:
            return known, self._sighting(self.least), False
        if self._serial is None:
            return known, None, False
        # A newer one was seen but could not be fetched, or nothing is synced from this one.
        seen = max((one.serial for one in self.observations if one.serial is not None), default=0)
        missed = max(seen, self._synced if self.stands_still else 0)
        wrong = self._sighting(missed) if missed > self._serial else None
        highest = self._highest or (known.highest if known else 0)
        if known is None or self._serial > known.serial or known.moved > now:
            return Index(self._serial, now, self._projects, highest), wrong, wrong is None
        known = Index(known.serial, known.moved, self._projects, highest)
        if wrong is None and now - known.moved >= max_age:
            wrong = self._sighting(known.serial + 1)
        return known, wrong, wrong is None

    def _sighting(self, required_serial: int) -> Sighting:
        got = max((one.serial for one in self.observations if one.serial is not None), default=self._serial)
        got = self._serial if self._serial is not None else got
        verdict = judge(self.observations, required_serial)
        if verdict is Verdict.FRESH:  # by its serial alone: it is broken otherwise, or could not be fetched
            verdict = Verdict.UNKNOWN if self.refusal else Verdict.EDGE_STALE
        evidence = {one.variant: one.evidence() for one in self.observations}
        return Sighting(required_serial, got, verdict, tuple(evidence.values()))


def measure(index: Any) -> tuple[int | None, int, int]:
    """Return the serial of a simple index in JSON, the number of its projects, and the highest serial of these.

    The last event may be a removal: then the index's own serial is above every project's.

    Source: PEP 691, PEP 700; `_last-serial` is PyPI's own, of the whole and of each project.
    Bandersnatch uses only the projects' serials, so an index whose projects have none has no serial.

    Raises:
        ValueError: if it is not such an index.
    """
    try:
        projects = index["projects"]
        own, highest = _serial(index.get("meta", {})), max(map(_serial, projects), default=0)
        has = highest or (own and not projects)
        return (max(own, highest) if has else None), len(projects), highest
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError("it is not a simple index in JSON") from error


def _serial(entry: Any) -> int:
    found = entry.get("_last-serial")
    return found if type(found) is int and 0 <= found < 10**18 else parse_serial(str(found)) or 0
