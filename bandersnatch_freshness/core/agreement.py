"""Three runs: how often, and over how long, runs must see the same before it outranks what is remembered.

No I/O, no clock.
"""

from __future__ import annotations

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
