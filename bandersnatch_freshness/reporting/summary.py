"""The summary: what is known of a mirror, from the state and the mirror's own files, for all that report it."""

from __future__ import annotations

import heapq
from collections import Counter

from msgspec import Struct, field

from ..core.incidents import MIRROR, Incident, Level, Thresholds
from ..core.quarantine import QuarantineEntry
from ..state.document import State


class Summary(Struct, frozen=True):
    """How fresh a mirror is. `problem` says why the state can't be used, empty if it can.

    The quarantine is known even then, from its second copy. `obstacle` says why the state can't be
    written, so that what runs see is not remembered, empty if it can. A run that has not told its end `begun` then, and
    Bandersnatch's todo list was last `touched` then, in seconds since 1970; 0 if there is none.
    """

    directory: str
    master: str
    serial: int | None
    waiting: int
    now: int
    thresholds: Thresholds
    state: State = field(default_factory=lambda: State(""))
    problem: str = ""
    obstacle: str = ""
    begun: int = 0
    touched: int = 0
    # In how many seconds runs are to compare all that is listed with the mirror; None if they don't.
    audit_every: int | None = None

    @property
    def speaking(self) -> list[Incident]:
        """The open incidents of which there is something to say; what others explain, they say."""
        found = self.state.incidents.values()
        return [one for one in found if not one.is_explained] or list(found)

    def worst(self, count: int) -> list[Incident]:
        """Return at most `count` of those, the worst first, and of these the mirror's own and the oldest."""
        return heapq.nsmallest(count, self.speaking, key=_badness)

    @property
    def is_first_sync(self) -> bool:
        """Whether the mirror has never been complete."""
        return not self.state.complete_at and not self.serial

    @property
    def complete_at(self) -> int | None:
        """When the index was asked for of which the mirror has all, in seconds since 1970; None before the first run.

        A first sync that gets on counts as complete now. Where no complete run is remembered, it is the first run.
        """
        if self.state.complete_at:
            return self.state.complete_at
        mirror = self.state.incidents.get(MIRROR)
        if self.is_first_sync and mirror is None:
            return self.now
        first = self.state.runs[0].started if self.state.runs else None
        return mirror.since if mirror else first

    @property
    def serial_lag(self) -> int | None:
        """How many serials the mirror is behind what the index announced last, None if that is unknown."""
        announced = self.state.announced()
        return None if announced is None else max(0, announced - (self.serial or 0))

    @property
    def quarantine(self) -> dict[str, QuarantineEntry]:
        """What is in quarantine, but for what was accepted by hand, of which nobody is told."""
        return {name: one for name, one in self.state.quarantine.items() if not one.is_accepted}

    def counts(self) -> Counter[Level]:
        """Return how many incidents are at each level; what others explain is not counted twice."""
        return Counter(incident.level for incident in self.speaking)

    def oldest(self) -> int:
        """Return how long the oldest incident has been open, in seconds; 0 if there is none."""
        return max((incident.age(self.now) for incident in self.state.incidents.values()), default=0)


def _badness(incident: Incident) -> tuple[int, bool, int, str]:
    return -incident.level, incident.subject != MIRROR, incident.since, incident.subject
