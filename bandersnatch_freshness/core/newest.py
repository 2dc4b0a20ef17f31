"""The newest pages: which packages changed last, for whoever checks a mirror from outside. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping

KEPT = 10

# What fails after its page was fetched is on record as well, so that a run looks at some more.
_SEEN = 4 * KEPT


class Newest:
    """The packages with the highest serials among those that one run got the pages of."""

    def __init__(self) -> None:
        """Have seen none."""
        self._serials: dict[str, int] = {}
        self._least = 0

    def saw(self, project: str, serial: int) -> None:
        """Note a page of this serial; a run does so for each, and keeps few."""
        if serial < self._least:
            return
        self._serials[project] = serial
        if len(self._serials) > _SEEN:
            del self._serials[min(self._serials, key=self._serials.__getitem__)]
            self._least = min(self._serials.values())

    def after(self, before: Mapping[str, int], most: int | None) -> dict[str, int]:
        """Return the newest after a run, the highest serial first; those `before` it count if not above `most`."""
        known = {name: serial for name, serial in before.items() if most is None or serial <= most}
        ranked = sorted((known | self._serials).items(), key=lambda item: (-item[1], item[0]))
        return dict(ranked[:KEPT])
