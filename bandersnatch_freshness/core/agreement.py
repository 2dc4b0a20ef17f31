"""Agreement: how often, and over how long, runs must see the same before it outranks what is remembered.

No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Set

HOUR = 60 * 60

RUNS = 3
# Runs that are this far apart, such as a daily job's, need not be as many.
FAR_APART = 6 * HOUR
FEWER_RUNS = 2


def are_three_runs(runs: int, first: int, last: int, warn_after: int = HOUR) -> bool:
    """Return whether so many runs, from the `first` to the `last`, are enough to agree on something.

    Times are in seconds since 1970. They must span an hour, or `warn_after` where that is shorter, so that no copy
    that a cache keeps for half an hour is taken for several; two runs that are more than six hours apart will do.
    """
    if runs >= RUNS:
        return last - first >= min(HOUR, warn_after)
    return runs >= FEWER_RUNS and last - first > FAR_APART


def are_most_back(asked: Set[str], back: Set[str], enough: int) -> bool:
    """Return whether the trouble seems to be over, as most of the packages that a run asked for again are `back`.

    So many that it asked for are `enough` to tell.
    """
    return len(asked) >= max(1, enough) and len(asked & back) * 2 > len(asked)
