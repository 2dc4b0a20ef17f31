"""The age of an index: whether it is older than a cache may keep it, and when to look for a newer one.

PyPI never purges its index: each of two tiers keeps it for 30 minutes, so two copies of it almost never agree, and that
is healthy (pypi/warehouse, `cache/origin`; pypi/infra, `vcl/main.vcl`; docs/lab.md has it in full). No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

# How long an index may be kept, in seconds: 30 minutes at each of two tiers, and 5 while it is fetched anew.
LIFETIME = 65 * 60

# Serials are remembered at most this densely.
APART = 10 * 60


class Mark(Struct, frozen=True):
    """A serial that the index is known to have had at a time, in seconds since 1970."""

    serial: int
    at: int


class Look(Struct, frozen=True):
    """When a newer index was last looked for, in seconds since 1970, and how often since one was found."""

    at: int = 0
    times: int = 0


class IndexAge:
    """What is remembered of the serials of an index, and the looks at its copies, as a run begins."""

    def __init__(
        self, marks: Sequence[Mark], moved: int, look: Look, now: int, longest: int = LIFETIME, serial: int = 0
    ) -> None:
        """`marks` are in order; the index has been at `serial`, the highest, since `moved`.

        `longest` is the longest pause between two looks. Times are in seconds, since 1970 where they are points.
        """
        self.has_looked = False
        self._marks = [mark for mark in marks if mark.at <= now]
        self._serial = serial
        self._moved = min(moved, now)
        self._look = look
        self._now = now
        self._longest = max(longest, LIFETIME)

    def is_old(self, serial: int, lifetime: int = LIFETIME) -> bool:
        """Return whether an index of this serial is older than one that was known so long ago."""
        known = max((mark.serial for mark in self._marks if mark.at <= self._now - lifetime), default=0)
        return serial < known

    def is_doubtful(self, serial: int, lifetime: int = LIFETIME) -> bool:
        """Return whether there may be a newer index than one of this serial: it is old, or has long not moved."""
        has_moved = serial > self._serial or self._moved > self._now - lifetime
        return self.is_old(serial, lifetime) or not has_moved

    @property
    def is_minded(self) -> bool:
        """Whether an old index is no news: a look has found a newer one of late, and the next is not due yet."""
        return self._look.times == 0 and not self._is_due(LIFETIME)

    def wants_look(self, serial: int | None, max_age: int = 0) -> bool:
        """Return whether to look for a newer index than one with this serial in its header, and note that.

        `max_age` is how long a cache may keep it by its own account, in seconds.
        """
        lifetime = max(LIFETIME, max_age)
        is_doubtful = serial is not None and self.is_doubtful(serial, lifetime)
        self.has_looked = self.has_looked or (is_doubtful and self._is_due(lifetime))
        return is_doubtful and self.has_looked

    def _is_due(self, lifetime: int) -> bool:
        pause = max(lifetime, min(self._longest, lifetime << min(self._look.times, 16)))
        return not self._look.at <= self._now < self._look.at + pause  # also true if the clock has jumped back

    def look_after(self, *, found: bool, moved: bool) -> Look:
        """Return what to remember of looks: this run `found` a newer index by one, or the index `moved` by itself."""
        if self.has_looked:
            return Look(self._now, 0 if found else self._look.times + 1)
        return Look(self._look.at, 0) if moved else self._look


def remember(marks: Sequence[Mark], serial: int, now: int) -> tuple[Mark, ...]:
    """Return the marks with another one: all of the last 65 minutes, and the one before."""
    kept = [mark for mark in marks if mark.at <= now and mark.serial <= serial]
    if not kept or (serial > kept[-1].serial and now - kept[-1].at >= APART):
        kept.append(Mark(serial, now))
    before = [mark for mark in kept if mark.at <= now - LIFETIME][:-1]
    return tuple(kept[len(before) :])
