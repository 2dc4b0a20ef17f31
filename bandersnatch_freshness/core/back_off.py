"""The back-off: how rarely a run climbs for what is known to be stale. No I/O, no clock.

Each run asks for such a page once, as bare Bandersnatch would: it may be fresh by now. Whether another way gets it is
looked at ever more rarely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .climb import RecheckBudget
from .incidents import EDGE, INDEX, Incident
from .observations import HIGHEST_SERIAL
from .quarantine import ASK_SHARE, ASK_WITHIN, ENOUGH_TO_TELL
from .variants import LADDER

# Extra requests of one run for all that is known to be stale: of what is due, what was not climbed for the longest.
EXTRA_REQUESTS = 72


def is_due(incident: Incident, now: int) -> bool:
    """Return whether to climb again, which is also true if the clock has jumped back.

    It is after a tenth of the time from the first sight to the last climb, as in quarantine.
    """
    pause = int(min(ASK_WITHIN, (incident.climbed - incident.since) * ASK_SHARE))
    return not incident.climbed <= now < incident.climbed + pause


class BackOff:
    """Which of the pages that are known to be stale one run climbs for."""

    def __init__(
        self, known: Mapping[str, Incident], is_known: Callable[[Incident], bool], now: int, ways: int = len(LADDER)
    ) -> None:
        """`known` are the open incidents; `is_known` tells those that many runs have met.

        `now` is when the run began, in seconds since 1970; `ways` is how many variants a climb takes.
        """
        self._known = known
        self._is_known = is_known
        most, edge = EXTRA_REQUESTS // max(1, ways - 1), known.get(EDGE)
        # How many packages without an incident of their own are still climbed for, while the whole edge is stale.
        self._sample = ENOUGH_TO_TELL if edge and is_due(edge, now) else 0
        # What is in quarantine is asked for by a plan of its own.
        due = sorted(
            (one.climbed, name)
            for name, one in known.items()
            if name not in (EDGE, INDEX) and not one.in_quarantine and is_known(one) and is_due(one, now)
        )
        self._due = {name for _, name in due[: max(1, most - self._sample)]}
        self._climbing: set[str] = set()

    def budget(self, project: str) -> RecheckBudget | None:
        """Return how to ask for a project, None for a climb."""
        own, edge = self._known.get(project), self._known.get(EDGE)
        incident = own or edge
        if incident is None or not self._is_known(incident) or project in self._due:
            return None
        if own is None and len(self._climbing) < self._sample:
            self._climbing.add(project)
            return None
        # Of a package without an incident of its own, it is not known which serials it had.
        return RecheckBudget(1, None, own.newest if own else HIGHEST_SERIAL)

    def ended(self, project: str, *, in_vain: bool) -> None:
        """Record that a project was asked for; whatever a climb cures makes room for another one."""
        if project in self._climbing:
            self._climbing.discard(project)
            self._sample -= in_vain
