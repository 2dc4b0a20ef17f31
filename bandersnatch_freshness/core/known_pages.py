"""What earlier runs have left to know of pages: the serials that are required of them. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Set

from .incidents import Incident
from .quarantine import QuarantineEntry


class KnownPages:
    """What is known of pages from earlier runs."""

    def __init__(
        self,
        incidents: Mapping[str, Incident],
        quarantine: Mapping[str, QuarantineEntry],
        *,
        gone: Set[str] = frozenset(),
        another_master: bool = False,
        most: int | None = None,
    ) -> None:
        """`gone` are the packages that are believed to be gone.

        `another_master`: the mirror's own serials may be those of another one, and mean nothing. `most` is the highest
        serial that counts.
        """
        self.gone = gone
        self._incidents = incidents
        self._quarantine = quarantine
        self._another_master = another_master
        self.most = most
        self._believes_index = False

    def begin_anew(self) -> None:
        """Believe the index alone, as bare Bandersnatch does: the mirror's own pages may be newer than is right."""
        self._believes_index = True

    def floor(self, project: str, own_serial: int) -> int:
        """Return the least serial of a page that may replace the mirror's own: its serial, or any ever seen."""
        if self._believes_index:
            return 0
        # A run does this for every package.
        floor = 0 if self._another_master or (self.most is not None and own_serial > self.most) else own_serial
        incident = self._incidents.get(project)
        newest = incident.newest if incident else None
        return floor if newest is None or (self.most is not None and newest > self.most) else max(floor, newest)

    def announced(self, project: str) -> int:
        """Return the serial that was announced of a page, 0 where only an index knows."""
        incident, entry = self._incidents.get(project), self._quarantine.get(project)
        held = entry.required_serial if entry and not entry.waiting else 0
        announced = (incident.required_serial if incident else 0, held)
        return max(serial for serial in (0, *announced) if self.most is None or serial <= self.most)
