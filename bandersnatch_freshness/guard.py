"""The guard: what is too old to be let in. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from .incidents import Sighting
from .observations import Observation
from .serials import parse_serial
from .verdicts import Verdict, judge

# An index that lists fewer than this share of the projects that it listed before is broken.
LEAST_SHARE = 0.5


class IndexRefusedError(Exception):
    """The index must not be acted on; says why."""


@dataclass(frozen=True, slots=True)
class Index:
    """The newest index that was seen of a master, and when its serial moved: seconds since 1970.

    `projects` is how many it listed, 0 where that is not known.
    """

    serial: int
    moved: int
    projects: int = 0


class Guard:
    """What one run lets in of the index."""

    def __init__(self, known: Index | None, *, another_master: bool = False) -> None:
        """`another_master`: the mirror's own serials may be those of another one."""
        self.least = 0
        self.refusal = ""
        self.observations: Sequence[Observation] = ()
        self._known = known
        self._another_master = another_master
        self._count_own: Callable[[], int] = lambda: 0
        self._serial: int | None = None
        self._projects = 0
        self._is_judged = False

    def trusted(self, serial: int) -> int:
        """Return a serial of the mirror's own, or 0 where it means nothing: it may be another master's."""
        newest = self._known.serial if self._known else 0
        return 0 if self._another_master and serial > newest else serial

    def expect(self, synced: int, count_own: Callable[[], int]) -> None:
        """Set the least serial of the index, for a mirror that is at this one.

        A mirror that begins anew has been at what the index said before. Where that is not
        remembered, `count_own` tells how many projects the mirror has.
        """
        self._count_own = count_own
        self.least = self.trusted(synced) or (self._known.serial if self._known else 0)

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
        self._is_judged = True
        before = self._known.projects if self._known else 0
        if projects is not None:
            had = before or self._count_own()
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

    def admit_changes(self, changes: Mapping[str, int], since: int | None) -> None:
        """Let in what XML-RPC answered: serials by project, of all (None), or what changed since a serial.

        What the simple index said was judged already.

        Raises:
            IndexRefusedError: where it is older than the mirror.
        """
        if self._is_judged:
            return
        newest = max(map(int, changes.values()), default=None)
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
        self._is_judged = True
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
        if known is None or self._serial > known.serial or known.moved > now:
            return Index(self._serial, now, self._projects), None, True
        known = Index(known.serial, known.moved, self._projects)
        if now - known.moved >= max_age:
            return known, self._sighting(known.serial + 1), False
        return known, None, True

    def _sighting(self, required: int) -> Sighting:
        got = max((one.serial for one in self.observations if one.serial is not None), default=self._serial)
        verdict = judge(self.observations, required)
        if verdict is Verdict.FRESH:  # by its serial: it is broken otherwise
            verdict = Verdict.UNKNOWN
        evidence = {one.variant: one.evidence() for one in self.observations}
        return Sighting(required, got, verdict, tuple(evidence.values()))


def measure(index: Any) -> tuple[int | None, int]:
    """Return the serial and the number of projects of a simple index in JSON.

    Source: PEP 691, PEP 700; `_last-serial` is PyPI's own. Where the whole has none, that of
    its newest project stands for it.

    Raises:
        ValueError: where it is none.
    """
    try:
        projects = index["projects"]
        serial = parse_serial(str(index.get("meta", {}).get("_last-serial")))
        if serial is None:
            serials = (parse_serial(str(project.get("_last-serial"))) for project in projects)
            serial = max((one for one in serials if one is not None), default=None)
        return serial, len(projects)
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError("it is no simple index in JSON") from error
