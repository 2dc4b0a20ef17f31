"""The history: how far the mirror was behind in the last days, hour by hour. No I/O and no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .incidents import Incident, Level

HOUR = 60 * 60
HOURS_KEPT = 7 * 24


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
