"""The copies of the simple index: which to look at, and which to take. No I/O, no clock, no log."""

from __future__ import annotations

from collections.abc import Collection

from .observations import Observation
from .variants import LADDER, PLAIN, AcceptEncoding, Variant

# Those that an edge keeps apart, and what comes past it.
INDEX_COPIES = (PLAIN, Variant(AcceptEncoding.ABSENT), Variant(AcceptEncoding.DEFLATE), LADDER[-1])
MOST_COMPARED = 3


class IndexComparison:
    """A comparison of the copies by what their headers show, beginning with the one that was asked for."""

    def __init__(self, first: Observation, rungs: Collection[Variant]) -> None:
        """`first` is what the answer shows that is there; `rungs` are the variants that may be asked in."""
        self.observations = [first]
        self._first = first
        self._waiting = [one for one in INDEX_COPIES if one in rungs and one != first.variant][:MOST_COMPARED]
        self._method = "HEAD"

    def next_copy(self) -> tuple[str, Variant] | None:
        """Return the method and the variant to look at next, None when nothing more is to be learned."""
        return (self._method, self._waiting[0]) if self._waiting else None

    def saw(self, seen: Observation) -> None:
        """Record what looking at the next copy showed."""
        self.observations.append(seen)
        self._waiting.pop(0)
        if seen.status is None:
            self._waiting.clear()  # after a broken connection or a time-out other copies fare no better
        elif seen.serial is None:
            self._method = "GET"  # this server does not answer HEAD as it should

    @property
    def is_blind(self) -> bool:
        """Whether no copy of several has a serial in its header, so that none can be told to be newer."""
        return len(self.observations) > 1 and all(one.serial is None for one in self.observations)

    def newer(self) -> list[Observation]:
        """Return the copies that were seen to be newer than the first one, the newest first."""
        found = [one for one in self.observations if self.is_newer(one)]
        return sorted(found, key=lambda one: one.serial or -1, reverse=True)

    def is_newer(self, seen: Observation) -> bool:
        """Return whether an answer is newer than the first one."""
        return (seen.serial or -1) > (self._first.serial or -1)
