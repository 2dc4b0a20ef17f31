"""Incidents: what is stale from first to last sight, and how bad it has become.

No I/O and no clock: the incidents so far, what one run saw and the time go in, the
incidents from now on and what changed come out.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .observations import Evidence
from .verdicts import Verdict

# An incident worsens by age, but not before it was seen in so many runs.
RUNS_BEFORE_WARNING = 3

# Half of the packages that there are to sync are stale, and these are at least so many:
# the trouble is one of the whole edge, and is said once instead of for each package.
SYSTEMIC_SHARE = 0.5
SYSTEMIC_PACKAGES = 10
EXAMPLES = 5

# The subjects of the incidents of the whole edge and of the index; no project can have
# these names.
EDGE = "*"
INDEX = "/simple/"


class Level(enum.IntEnum):
    """How bad an incident is."""

    STALE = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        """Return the word for it."""
        return self.name.lower()


class Sighting(NamedTuple):
    """One stale page in one run; `got` is the best serial that any way of asking got."""

    required_serial: int
    got: int | None
    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()


class Incident(NamedTuple):  # there may be 100,000 of them: a data class takes several times as long to make
    """One package, or the whole edge, that is stale.

    Times are seconds since 1970. `newest` is the highest serial that any of its answers
    ever carried. Of the whole edge, `count` packages are stale, among them `examples`. Of
    a package, `released` is when it was last taken out of the quarantine by hand (0: never).
    """

    subject: str
    since: int
    seen: int
    runs: int
    required_serial: int
    got: int | None
    verdict: Verdict
    level: Level = Level.STALE
    newest: int | None = None
    count: int = 1  # type: ignore[assignment] # a tuple has one of its own, of no use here
    examples: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    in_quarantine: bool = False
    released: int = 0

    def age(self, now: int) -> int:
        """Return for how many seconds it is known."""
        return max(0, now - self.since)


@dataclass
class RunReport:
    """What one run saw of the packages that it asked for.

    `index` is what is wrong with the simple index, and `index_is_right` whether it was seen
    to be right. `quarantined` are those that don't keep the mirror's serial back. `batch` is how many
    packages there are to sync in this run and those before it that it goes on from.
    `reached` is the serial of the mirror after the run: below it, nothing is left to sync
    but what is in quarantine. One that broke off is not `is_whole`.
    """

    stale: dict[str, Sighting] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)
    batch: int = 0
    reached: int = 0
    index: Sighting | None = None
    index_is_right: bool = False
    is_whole: bool = True

    @property
    def systemic(self) -> bool:
        """Whether much of what there is to sync is stale; what is known to be, and in quarantine, doesn't count."""
        stale = len(self.stale.keys() - self.quarantined)
        asked = stale + len(self.fresh) + len(self.gone)
        return stale >= SYSTEMIC_PACKAGES and stale >= SYSTEMIC_SHARE * max(asked, self.batch)


class Thresholds(NamedTuple):
    """When an incident becomes a warning, and when critical: seconds."""

    warn_after: int
    critical_after: int


class Ending(enum.Enum):
    """Why an incident is over."""

    FRESH = "it is fresh again"
    GONE = "it is gone from PyPI"
    SETTLED = "the mirror has passed the serial that was wanted"
    EDGE = "the edge answers freshly again"


class Change(NamedTuple):
    """An incident that has worsened, or has ended."""

    incident: Incident
    ending: Ending | None = None


def advance(
    incidents: Mapping[str, Incident], report: RunReport, now: int, thresholds: Thresholds
) -> tuple[dict[str, Incident], list[Change]]:
    """Return the incidents after a run, and the changes of level and the endings among them."""
    sightings = dict(report.stale)
    if report.systemic:
        sightings = {name: seen for name, seen in sightings.items() if name in incidents}
        sightings[EDGE] = _edge(report)
    if report.index:
        sightings[INDEX] = report.index
    after: dict[str, Incident] = {}
    changes = []
    for subject, incident in incidents.items():
        if subject in sightings:
            continue
        ending = _ending(incident, report)
        if ending:
            changes.append(Change(incident, ending))
            continue
        if subject in report.quarantined:  # it is not asked for in every run
            incident = _graded(incident._replace(in_quarantine=True), now, thresholds)
            if incident.level > incidents[subject].level:
                changes.append(Change(incident))
        after[subject] = incident
    for subject, sighting in sightings.items():
        before = incidents.get(subject)
        incident = _seen(subject, before, sighting, now, thresholds, in_quarantine=subject in report.quarantined)
        if subject == EDGE:
            examples = tuple(sorted(report.stale)[:EXAMPLES])
            incident = incident._replace(count=len(report.stale), examples=examples)
        if incident.level > (before.level if before else Level.STALE):
            changes.append(Change(incident))
        after[subject] = incident
    return after, changes


def _seen(
    subject: str, before: Incident | None, sighting: Sighting, now: int, thresholds: Thresholds, *, in_quarantine: bool
) -> Incident:
    # A clock that was ahead must not keep an incident young for ever.
    since = min(before.since, now) if before else now
    serials = [serial for serial in (before.newest if before else None, sighting.got) if serial is not None]
    incident = Incident(
        subject=subject,
        since=since,
        seen=now,
        runs=(before.runs if before else 0) + 1,
        required_serial=sighting.required_serial,
        got=sighting.got,
        verdict=sighting.verdict,
        evidence=sighting.evidence,
        newest=max(serials, default=None),
        level=before.level if before else Level.STALE,
        in_quarantine=in_quarantine,
        released=before.released if before else 0,
    )
    return _graded(incident, now, thresholds)


def _graded(incident: Incident, now: int, thresholds: Thresholds) -> Incident:
    level = Level.STALE
    if incident.runs >= RUNS_BEFORE_WARNING:
        if incident.age(now) >= thresholds.critical_after:
            level = Level.CRITICAL
        elif incident.age(now) >= thresholds.warn_after:
            level = Level.WARNING
    # Once said to be bad, it stays so until it is over, whatever the clock does.
    return incident._replace(level=level) if level > incident.level else incident


def _ending(incident: Incident, report: RunReport) -> Ending | None:
    """Say why an incident that this run saw nothing stale of is over; None where it is not."""
    if incident.subject == EDGE:
        stale = len(report.stale.keys() - report.quarantined)
        mostly = report.is_whole and len(report.fresh) + len(report.gone) > stale
        return Ending.EDGE if mostly or report.reached >= incident.required_serial else None
    if incident.subject == INDEX:
        return Ending.FRESH if report.index_is_right else None
    if incident.subject in report.fresh:
        return Ending.FRESH
    if incident.subject in report.gone:
        return Ending.GONE
    if report.reached >= incident.required_serial and incident.subject not in report.quarantined:
        return Ending.SETTLED
    return None


def _edge(report: RunReport) -> Sighting:
    worst = max(report.stale.values(), key=lambda seen: seen.required_serial)
    verdicts = {seen.verdict for seen in report.stale.values()}
    verdict = verdicts.pop() if len(verdicts) == 1 else Verdict.UNKNOWN
    return Sighting(worst.required_serial, worst.got, verdict, worst.evidence)
