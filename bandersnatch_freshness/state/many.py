"""The parts of the document of which there may be 100,000, there and back, field by field. No I/O.

The way of all other parts, by the names of their fields, takes twice as long.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from ..core.incidents import Incident
from ..core.quarantine import QuarantineEntry
from . import parts
from .values import LEVEL_NAME, LEVELS, bounded, time_text

# Evidence is for people to read, so it is kept only for as many incidents as anyone would read.
EVIDENCE_KEPT = 1000


def write_incident(one: Incident, number: int) -> parts.Incident:
    """Return the part for the `number`th incident."""
    evidence: Any = one.evidence if number < EVIDENCE_KEPT else ()
    return parts.Incident(
        LEVEL_NAME(one.level),
        one.verdict,
        time_text(one.since),
        time_text(one.seen),
        one.runs,
        bounded(one.required_serial),
        bounded(one.got),
        bounded(one.newest),
        one.count,
        one.examples,
        time_text(one.released) if one.released else UNSET,
        time_text(one.climbed) if one.climbed else UNSET,
        one.cause,
        one.is_explained,
        evidence,
    )


def read_incident(name: str, part: parts.Incident, *, is_apart: bool) -> Incident:
    """Return an incident, which may be of a package that is in quarantine."""
    evidence: Any = part.evidence and tuple(map(msgspec.to_builtins, part.evidence))
    return Incident(
        name,
        part.since,
        part.seen,
        part.runs,
        part.required_serial,
        part.got,
        part.verdict,
        LEVELS[part.level],
        part.newest,
        part.count,
        part.examples,
        evidence,
        is_apart,
        0 if part.released is UNSET else part.released,
        0 if part.climbed is UNSET else part.climbed,
        part.cause,
        part.is_explained,
    )


def write_quarantined(one: QuarantineEntry) -> parts.Quarantined:
    """Return the part for a package in quarantine."""
    return parts.Quarantined(
        bounded(one.required_serial),
        bounded(one.synced),
        time_text(one.since),
        time_text(one.last_asked),
        bounded(one.asks),
        one.waiting,
        one.is_accepted,
    )


def read_quarantined(part: parts.Quarantined) -> QuarantineEntry:
    """Return a package in quarantine."""
    return QuarantineEntry(
        part.required_serial,
        part.since,
        part.last_asked,
        part.asks,
        part.synced,
        part.waiting or not part.required_serial,  # a release before this one wrote 0 for what waits
        part.is_accepted,
    )
