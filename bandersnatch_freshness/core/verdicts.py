"""Verdicts: what the answers to one page say about where it is stale, or that it fails otherwise."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from .observations import BROKEN_BODIES, Observation


class Verdict(enum.StrEnum):
    """Who holds the old page; `failing` is what is no matter of serials."""

    FRESH = "fresh"
    EDGE_STALE = "edge-stale"
    ORIGIN_STALE = "origin-stale"
    FAILING = "failing"
    UNKNOWN = "unknown"


def judge(observations: Sequence[Observation], required_serial: int, newest_seen: int | None = None) -> Verdict:
    """Return the verdict on a page, from everything observed of it in one run.

    `newest_seen` is the highest serial that an answer for this page ever carried.

    The origin is blamed only on proof: different variants agree on one serial, nothing newer
    was ever seen, and the caches themselves report that at least one of the answers came past
    them. Copies that agree but all come from caches prove nothing: when purging is broken,
    they are equally old (pypi/warehouse#11949).
    """
    with_serial = [seen for seen in observations if seen.serial is not None]
    serials = {seen.serial for seen in with_serial if seen.serial is not None}
    if not serials:
        # One body is read at most where no answer has a serial: it speaks for all.
        is_broken = any(seen.problem in BROKEN_BODIES for seen in observations)
        return Verdict.FAILING if is_broken else Verdict.UNKNOWN
    if max(serials) >= required_serial:
        return Verdict.FRESH
    if len(serials) > 1 or (newest_seen or 0) > max(serials):
        return Verdict.EDGE_STALE
    independent = {seen.variant for seen in with_serial}
    if len(independent) > 1 and any(seen.came_past_caches for seen in with_serial):
        return Verdict.ORIGIN_STALE
    return Verdict.UNKNOWN
