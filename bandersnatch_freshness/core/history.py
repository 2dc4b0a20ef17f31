"""The history: the last runs, and how far behind the mirror was in the last days, hour by hour. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from msgspec import Struct

from .incidents import Incident, Level

HOUR = 60 * 60
HOURS_KEPT = 7 * 24


class PastRun(Struct, frozen=True):
    """One finished run: its times (seconds since 1970) and its results.

    `outcome` is "fresh", "errors", "failed" (for example before any package was requested),
    "interrupted", or "overlapping": it ran to completion while another one was under way.
    `target` is the highest serial announced. `failing` counts packages that failed otherwise than by being stale,
    `cured` pages by the variant that got them.
    """

    started: int
    finished: int
    outcome: str
    serial: int
    target: int = 0
    fresh: int = 0
    stale: int = 0
    gone: int = 0
    extra_requests: int = 0
    cured: Mapping[str, int] = MappingProxyType({})
    failing: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it ran to completion, with the mirror to itself."""
        return self.outcome in ("fresh", "errors")


class Batch(Struct, frozen=True):
    """How many packages there were to sync to bring the mirror from its serial to `target`.

    The index that says so was asked for `at` that time, in seconds since 1970; 0 if that is unknown. When a run last
    looked, so many of them were `left`.
    """

    target: int
    size: int
    at: int = 0
    left: int = 0


def begin_batch(known: Batch | None, target: int, size: int, started: int, *, resumed: bool, announced: int) -> Batch:
    """Return the batch of a run that `started` then, in seconds since 1970, and is to sync so many to reach `target`.

    A run that continues an earlier run's todo list (`resumed`) takes over the number that the earlier one started with.
    If that is unknown, it takes `announced`, the number of serials announced since the mirror's: there are no more
    packages than serials; 0 for a mirror that has none, of which that tells nothing.
    """
    if not resumed:
        return Batch(target, size, started)
    if known is not None and known.target == target:
        return Batch(target, max(size, known.size), known.at)
    return Batch(target, max(size, announced))


class Hour(Struct, frozen=True):
    """The worst that the runs of one hour ended in.

    `at` is when the hour began, in seconds since 1970. `lag` is in serials; the others count the incidents of each
    level that were open when most were.
    """

    at: int
    lag: int = 0
    stale: int = 0
    warning: int = 0
    critical: int = 0


def after_run(history: Sequence[Hour], now: int, lag: int, incidents: Mapping[str, Incident]) -> list[Hour]:
    """Return the history after a run that ended `now`, `lag` serials behind, with these incidents open."""
    at = now - now % HOUR
    by_level = Counter(one.level for one in incidents.values() if not one.is_explained)
    counts = [by_level[level] for level in Level]
    # Hours recorded by a clock that was ahead must not stay forever.
    kept = [hour for hour in history if at - HOURS_KEPT * HOUR < hour.at <= at]
    before = kept.pop() if kept and kept[-1].at == at else Hour(at)
    counted = [before.stale, before.warning, before.critical]
    most = counts if sum(counts) >= sum(counted) else counted
    return [*kept, Hour(at, max(before.lag, lag), *most)]
