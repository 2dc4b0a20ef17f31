"""The newest pages: which packages changed last, for whoever checks a mirror from outside. No I/O, no clock."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

KEPT = 10

# What fails after its page was fetched is on record as well, so that a run looks at some more.
_SEEN = 4 * KEPT


class Newest:
    """The packages with the highest serials among those that one run got the pages of."""

    def __init__(self) -> None:
        """No page has been seen yet."""
        self._heap: list[tuple[int, str]] = []

    def saw(self, project: str, serial: int) -> None:
        """Note a page of this serial; a run does so for each, and keeps few."""
        if len(self._heap) < _SEEN:
            heapq.heappush(self._heap, (serial, project))
        else:
            heapq.heappushpop(self._heap, (serial, project))

    def after(self, before: Mapping[str, int], most: int | None) -> dict[str, int]:
        """Return the newest after a run, the highest serial first; those `before` it count if not above `most`."""
        known = {name: serial for name, serial in before.items() if most is None or serial <= most}
        seen = {project: serial for serial, project in sorted(self._heap)}
        ranked = sorted((known | seen).items(), key=lambda item: (-item[1], item[0]))
        return dict(ranked[:KEPT])
