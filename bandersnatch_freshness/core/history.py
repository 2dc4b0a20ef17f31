"""The history: the last runs, and how far the mirror was behind in the last days, hour by hour. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from .incidents import Incident, Level

HOUR = 60 * 60
HOURS_KEPT = 7 * 24


class PastRun(NamedTuple):
    """One finished run: when (seconds since 1970), and what it came to.

    `outcome` is "fresh", "errors", "failed" (before any package was asked for, say) or
    "interrupted"; `target` is the highest serial that was announced; `cured` counts pages by the variant
    that got them.
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

    @property
    def is_whole(self) -> bool:
        """Whether it got through to its end."""
        return self.outcome in ("fresh", "errors")


class Batch(NamedTuple):
    """How many packages there were to sync, on the way from one serial of the mirror to `target`."""

    target: int
    size: int


class Hour(NamedTuple):
    """The worst that the runs of one hour ended with; `at` is when it began, in seconds since 1970.

    `lag` is in serials; the others count the open incidents of each level.
    """

    at: int
    lag: int = 0
    stale: int = 0
    warning: int = 0
    critical: int = 0


def after_run(history: Sequence[Hour], now: int, lag: int, incidents: Mapping[str, Incident]) -> list[Hour]:
    """Return the history after a run that ended now, so far behind, with these incidents."""
    at = now - now % HOUR
    by_level = Counter(one.level for one in incidents.values())
    counts = [by_level[level] for level in Level]
    # What a clock that was ahead has left is not to stay for ever.
    kept = [hour for hour in history if at - HOURS_KEPT * HOUR < hour.at <= at]
    before = kept.pop() if kept and kept[-1].at == at else Hour(at)
    worst = map(max, (before.lag, before.stale, before.warning, before.critical), (lag, *counts))
    return [*kept, Hour(at, *worst)]
