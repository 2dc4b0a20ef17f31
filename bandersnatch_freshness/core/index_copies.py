"""The copies of the simple index: which to compare, and which to take. No I/O, no clock, no log."""

from __future__ import annotations

from collections.abc import Collection

from .observations import Observation
from .variants import LADDER, PLAIN, AcceptEncoding, Variant

# The copies that an edge stores separately, and one that gets past the edge.
INDEX_COPIES = (PLAIN, Variant(AcceptEncoding.ABSENT), Variant(AcceptEncoding.DEFLATE), LADDER[-1])
MOST_COMPARED = 3


class IndexComparison:
    """A comparison of the copies by their headers, starting with the one that Bandersnatch requested."""

    def __init__(self, first: Observation, rungs: Collection[Variant]) -> None:
        """`first` is what the answer already received shows; `rungs` are the variants that may be used."""
        self.observations = [first]
        self._first = first
        self._waiting = [one for one in INDEX_COPIES if one in rungs and one != first.variant][:MOST_COMPARED]
        self._method = "HEAD"

    def next_copy(self) -> tuple[str, Variant] | None:
        """Return the method and variant of the next request, None when the comparison is over."""
        return (self._method, self._waiting[0]) if self._waiting else None

    def saw(self, seen: Observation) -> None:
        """Record what the request for the next copy showed."""
        self.observations.append(seen)
        self._waiting.pop(0)
        if seen.status is None or seen.is_refusal:
            self._waiting.clear()  # after a broken connection or a timeout, other copies do no better
        elif seen.serial is None:
            self._method = "GET"  # this server does not answer HEAD properly

    @property
    def is_blind(self) -> bool:
        """Whether none of several copies has a serial in its header, so that no copy can be recognized as newer."""
        return len(self.observations) > 1 and all(one.serial is None for one in self.observations)

    def newer(self) -> list[Observation]:
        """Return the copies that are newer than the first one, newest first."""
        found = [one for one in self.observations if self.is_newer(one)]
        return sorted(found, key=lambda one: one.serial or -1, reverse=True)

    def is_newer(self, seen: Observation) -> bool:
        """Return whether an answer is newer than the first one."""
        return (seen.serial or -1) > (self._first.serial or -1)
