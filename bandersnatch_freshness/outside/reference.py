"""The reference: what the mirror itself has, as far as the answers tell, and since when. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from ..core.incidents import Thresholds
from ..reporting.published import Published
from .answers import Answer, Kind

HOUR = 60 * 60
DAY = 24 * HOUR

# Of a mirror that says nothing of itself: how long copies may be old.
USUAL = Thresholds(HOUR, DAY)


class Wanted(Struct, frozen=True):
    """The serial that a copy should have, and since when the mirror has it, in seconds since 1970, None if unknown."""

    serial: int
    since: int | None


class Reference:
    """What the mirror itself has: by its own facts, and by the newest copies."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        """`answers` are those of a whole fleet, which is to have the same."""
        self._answers = list(answers)
        known = (one.published for one in self._answers if one.published)
        self.published: Published | None = max(known, key=lambda one: (one.serial or 0, one.written), default=None)
        self.modified = max((one.modified for one in self._answers if one.modified), default=None)
        one = self.published
        self.thresholds = Thresholds(one.warn_after, one.critical_after) if one else USUAL
        self._index = max((0, *self.serials(""), (one.index_serial or 0) if one else 0))
        self._newest = one.newest if one else {}

    @property
    def has_dates(self) -> bool:
        """Whether anything tells when the mirror was complete."""
        return self.published is not None or self.modified is not None

    def wanted(self, answer: Answer) -> Wanted:
        """Return what the copy in an answer should be; a serial of 0 if nothing is known of it."""
        name = answer.question.project
        if answer.question.kind is Kind.INDEX:
            return Wanted(self._index, self.since_index(answer.serial or 0))
        serial = max((0, *self.serials(name), self._newest.get(name, 0)))
        return Wanted(serial, self._since(serial - 1, 0))

    def since_index(self, serial: int) -> int | None:
        """Return since when at least the mirror's own index has had a higher serial.

        Bandersnatch writes it before its own serial moves: it has that of the run before (mirror.py, `finalize_sync`).
        """
        return self._since(serial, 1)

    def since_facts(self, serial: int) -> int | None:
        """Return since when at least the mirror's serial has been higher."""
        return self._since(serial, 0)

    def _since(self, serial: int, later: int) -> int | None:
        if self.published is None:
            return None
        higher: Sequence[int] = [one.at for one in self.published.advances if one.serial > serial]
        return higher[later] if len(higher) > later else self.published.written

    def serials(self, project: str) -> Iterator[int]:
        """Yield the serials of all copies of a project's page, or of the index ("")."""
        kind = Kind.PAGE if project else Kind.INDEX
        for one in self._answers:
            if one.serial is not None and one.question.kind is kind and one.question.project == project:
                yield one.serial
