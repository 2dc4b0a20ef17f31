"""Completeness: whether a run has brought the mirror all that was announced, why not, and since when it has it.

No I/O, no clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from msgspec import Struct

from .history import Batch, PastRun
from .incidents import EDGE, INDEX, Incident, RunReport, Shortfall, Sighting

# With more than this share of the listing in quarantine, and at least so many, a mirror is not complete, but for what
# was accepted by hand.
QUARANTINED_SHARE = 0.01
QUARANTINED_PACKAGES = 10

NAMED = 3

# So many times the usual interval without a run means that cron has stopped; that is learned from so many intervals.
INTERVALS = 3
LEARNED_FROM, LEAST_RUNS = 20, 3


class Todo(Struct, frozen=True):
    """Bandersnatch's todo list: the serial it leads to, and how many packages are left on it."""

    target: int
    left: int

    def is_progress(self, before: Todo | Batch | None) -> bool:
        """Return whether it is a new list, or shorter than `before`."""
        return before is None or before.target != self.target or self.left < before.left


def shortfall(report: RunReport, outcome: str, problem: str = "", *, is_of_index: bool = False) -> Shortfall | None:
    """Return why a run with this outcome did not end complete, None if it did.

    `problem` says why it ended early, or has no index; empty if neither.
    """
    apart = report.quarantined | report.missing
    held = {name: seen for name, seen in sorted(report.sightings.items()) if name not in apart}
    if problem:
        said = f"{problem}: {_named(held)}" if held and not is_of_index else problem
        return Shortfall(said, (INDEX,) if is_of_index else tuple(held))
    if outcome == "fresh":
        return None
    return Shortfall(_named(held) or "Bandersnatch reports an error that is no package's", tuple(held))


def _named(held: Mapping[str, Sighting]) -> str:
    said = [f"{name} ({seen.cause or 'its page is stale'})" for name, seen in list(held.items())[:NAMED]]
    return ", ".join(said) + (f" and {len(held) - NAMED} more" if len(held) > NAMED else "")


def complete_at(
    before: int, report: RunReport, batch: Batch | None, incidents: Mapping[str, Incident], listed: int
) -> int:
    """Return when the index was asked for up to which the mirror has all, in seconds since 1970; `before` if unchanged.

    `incidents` are those after the run, `listed` is how many projects the index lists, 0 if that is unknown.
    """
    if report.shortfall or report.overlaps or report.index or EDGE in incidents or batch is None:
        return before
    many = len(report.quarantined - report.accepted)
    if listed and many >= QUARANTINED_PACKAGES and many > QUARANTINED_SHARE * listed:
        return before
    return max(before, batch.at)


def usual_interval(runs: Sequence[PastRun]) -> int | None:
    """Return the usual time from the start of a run to that of the next, in seconds; None if that is unknown."""
    starts = sorted(run.started for run in runs[-LEARNED_FROM - 1 :])
    # Their median; the module `statistics` takes longer to import than all else that a run does by it.
    intervals = sorted(later - earlier for earlier, later in itertools.pairwise(starts) if later > earlier)
    return intervals[len(intervals) // 2] if intervals else None


def longest_silence(runs: Sequence[PastRun], critical_after: int) -> int:
    """Return how long no run may begin until that is critical, in seconds: three times the usual interval.

    It is at least `critical_after`, which stands too where the interval is unknown: one alone may be any.
    """
    usual = usual_interval(runs) if len(runs) >= LEAST_RUNS else None
    return max(critical_after, INTERVALS * (usual or 0))
