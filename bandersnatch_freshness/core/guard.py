"""The guard of the index: rejects one that is broken, or older than the mirror. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from .incidents import Sighting
from .observations import Observation, parse_serial
from .verdicts import Verdict, judge

# An index that lists fewer than this share of the projects that it listed before is broken.
LEAST_SHARE = 0.5


class IndexRefusedError(Exception):
    """The index must not be acted on; says why."""


class Index(NamedTuple):
    """The newest index that was seen of a master, and when its serial moved: seconds since 1970.

    `projects` is how many it listed, 0 where that is not known.
    """

    serial: int
    moved: int
    projects: int = 0


class IndexGuard:
    """Which index may be acted on in one run."""

    def __init__(self, known: Index | None, *, another_master: bool = False) -> None:
        """`known` is what was seen of the master's index before.

        `another_master`: the mirror's own serial may be that of another one, and means nothing.
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

    def expect(self, synced: int, count_own: Callable[[], int]) -> None:
        """Set the least serial of the index, for a mirror that is at this one.

        A mirror that begins anew has been at what the index said before. Where that is not
        remembered, `count_own` tells how many projects the mirror has.
        """
        self._synced = synced
        self._count_own = count_own
        own = 0 if self._another_master else synced
        self.least = own or (self._known.serial if self._known else 0)

    @property
    def stands_still(self) -> bool:
        """Whether nothing is synced because the mirror's serial is that of another master, and higher."""
        return self._another_master and self._serial is not None and self._serial < self._synced

    def admit_index(self, index: Any) -> None:
        """Let in a simple index in JSON.

        Raises:
            IndexRefusedError: where it is broken, or older than the mirror.
        """
        try:
            self._admit(*measure(index))
        except ValueError as error:
            self.refuse(str(error))

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
        """Let in what XML-RPC answered: serials by project, of all (None), or what changed since a serial.

        Where nothing did, `last` is what it says its last serial is. What the simple index said
        was judged already.

        Raises:
            IndexRefusedError: where it is older than the mirror.
        """
        if self.is_judged:
            return
        newest = max(map(int, changes.values()), default=parse_serial(str(last)))
        if since is None:
            self._admit(newest, len(changes))
        elif newest is not None:
            self._admit(newest, None)
        else:  # it has not moved, as far as is known
            self._serial = self.least or None

    def refuse(self, reason: str) -> NoReturn:
        """Raise, and note why.

        Raises:
            IndexRefusedError: always.
        """
        self.refusal = reason
        self.is_judged = True
        raise IndexRefusedError(reason)

    def after(self, now: int, max_age: int) -> tuple[Index | None, Sighting | None, bool]:
        """Return what to remember of the index, what is wrong with it, and whether it was seen to be right.

        Nothing is known of it where the run didn't ask for it.
        """
        known = self._known
        if self.refusal:
            return known, self._sighting(self.least), False
        if self._serial is None:
            return known, None, False
        # A newer one was seen, and was not to be had; or nothing is synced from this one.
        seen = max((one.serial for one in self.observations if one.serial is not None), default=0)
        missed = max(seen, self._synced if self.stands_still else 0)
        wrong = self._sighting(missed) if missed > self._serial else None
        if known is None or self._serial > known.serial or known.moved > now:
            return Index(self._serial, now, self._projects), wrong, wrong is None
        known = Index(known.serial, known.moved, self._projects)
        if wrong is None and now - known.moved >= max_age:
            wrong = self._sighting(known.serial + 1)
        return known, wrong, wrong is None

    def _sighting(self, required_serial: int) -> Sighting:
        got = max((one.serial for one in self.observations if one.serial is not None), default=self._serial)
        got = self._serial if self._serial is not None else got
        verdict = judge(self.observations, required_serial)
        if verdict is Verdict.FRESH:  # by a serial: it is broken otherwise, or was not to be had
            verdict = Verdict.UNKNOWN if self.refusal else Verdict.EDGE_STALE
        evidence = {one.variant: one.evidence() for one in self.observations}
        return Sighting(required_serial, got, verdict, tuple(evidence.values()))


def measure(index: Any) -> tuple[int | None, int]:
    """Return the serial and the number of projects of a simple index in JSON.

    Source: PEP 691, PEP 700; `_last-serial` is PyPI's own, of the whole and of each project.
    Bandersnatch goes by the projects' alone, so an index whose projects have none has none.

    Raises:
        ValueError: where it is none.
    """
    try:
        projects = index["projects"]
        serials = [_serial(index.get("meta", {})), max(map(_serial, projects), default=0)]
        has = serials[1] or (serials[0] and not projects)
        return (max(serials) if has else None), len(projects)
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError("it is no simple index in JSON") from error


def _serial(entry: Any) -> int:
    found = entry.get("_last-serial")
    return found if type(found) is int else parse_serial(str(found)) or 0
