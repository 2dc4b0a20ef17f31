"""Incidents: what is not as it should be, since when, and how bad it has become.

No I/O and no clock: the incidents so far, what one run saw and the time go in; the new
incidents and the changes come out.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from .agreement import are_three_runs
from .observations import Evidence
from .verdicts import Verdict

# If this share of the packages to sync is stale, or fails with one cause, and at least this many of them, the whole
# edge is to blame: that is reported once instead of for each package.
SYSTEMIC_SHARE = 0.5
SYSTEMIC_PACKAGES = 10
EXAMPLES = 5

# The subjects of incidents of the whole edge, of the index and of the mirror itself. No project can have these names.
EDGE = "*"
INDEX = "/simple/"
MIRROR = "/"
OF_ALL = (EDGE, INDEX, MIRROR)


class Level(enum.IntEnum):
    """How bad an incident is."""

    STALE = 1
    WARNING = 2
    CRITICAL = 3

    def __str__(self) -> str:
        """Return the level's name in lower case."""
        return self.name.lower()


class Sighting(Struct, frozen=True):
    """What one run saw of a subject; `got` is the highest serial that any variant got.

    Where the verdict is `failing`, `cause` says what failed, in words.
    """

    required_serial: int
    got: int | None
    verdict: Verdict
    evidence: tuple[Evidence, ...] = ()
    cause: str = ""


class Incident(Struct, frozen=True, gc=False):  # there may be 100,000, none of them in a cycle
    """One subject that is not as it should be: a package, the index, the whole edge or the mirror itself.

    Times are seconds since 1970. `newest` is the highest serial that any of its answers ever
    carried. For the whole edge and the mirror, `count` is how many packages it is about, `examples` some of
    them. For a package, `released` is when it was last taken out of quarantine by hand (0: never).
    `climbed` is when a run last asked for it in all ways, in vain (0: never). `cause` says in words why it fails, empty
    for what is stale. `is_explained`: what there is to say of it is said of another incident.
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
    count: int = 1
    examples: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    in_quarantine: bool = False
    released: int = 0
    climbed: int = 0
    cause: str = ""
    is_explained: bool = False

    def age(self, now: int) -> int:
        """Return how long it has been known, in seconds."""
        return max(0, now - self.since)


class Shortfall(Struct, frozen=True):
    """Why a run did not end complete: the `cause` in words, and the `subjects` of the incidents that explain it."""

    cause: str
    subjects: tuple[str, ...] = ()


class RunReport(Struct):
    """What one run saw of the packages that it requested: those that are stale or failing, fresh or gone.

    `index` is what is wrong with the simple index; `index_is_right` is whether it proved to be right. No serial above
    `most` counts. The packages in `quarantined`, and those that are `missing` without proof, don't hold back the
    mirror's serial. Of those in quarantine, `synced` were synced at the serial given, as none newer is to be had, and
    `accepted` are no incidents. `climbed` are those that it asked for in all ways, in vain. `batch` is how many
    packages there are to sync in this run and in the earlier ones that it continues. `reached` is the mirror's serial
    after the run: up to there, nothing is left to sync but those; `target` is where it was to get. `is_whole` is false
    for a run that ended early. `overlaps`: another run was under way when it began; what both see is seen once. What is
    fresh `by_origin` came past all caches, and says nothing of the edge. `shortfall` is why the run did not end
    complete, None if it did; with `has_progress` that may be because there was so much to do.
    """

    stale: dict[str, Sighting] = field(default_factory=dict)
    failing: dict[str, Sighting] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    by_origin: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    quarantined: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    synced: dict[str, int] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    climbed: set[str] = field(default_factory=set)
    batch: int = 0
    reached: int = 0
    target: int = 0
    index: Sighting | None = None
    index_is_right: bool = False
    most: int | None = None
    is_whole: bool = True
    overlaps: bool = False
    shortfall: Shortfall | None = None
    has_progress: bool = False

    @property
    def sightings(self) -> dict[str, Sighting]:
        """The packages that are stale or failing, but for what is accepted."""
        found = self.stale | self.failing
        return {name: seen for name, seen in found.items() if name not in self.accepted} if self.accepted else found

    def systemic(self) -> dict[str, Sighting]:
        """Return the packages that are stale, or fail with one cause, if they are so many that it is the whole edge.

        What is in quarantine doesn't count.
        """
        by_cause: dict[str, dict[str, Sighting]] = {}
        for name, seen in self.sightings.items():
            if name not in self.quarantined:
                by_cause.setdefault(seen.cause, {})[name] = seen
        asked = sum(map(len, by_cause.values())) + len(self.fresh_at_edge) + len(self.gone)
        found = max(by_cause.values(), key=len, default={})
        is_most = len(found) >= max(SYSTEMIC_PACKAGES, SYSTEMIC_SHARE * max(asked, self.batch))
        return found if is_most else {}

    @property
    def fresh_at_edge(self) -> set[str]:
        """The packages whose pages were fresh in a way that a cache answers."""
        return self.fresh - self.by_origin


class Thresholds(Struct, frozen=True):
    """The ages, in seconds, at which an incident becomes a warning and critical."""

    warn_after: int
    critical_after: int


class Ending(enum.Enum):
    """Why an incident ended."""

    FRESH = "it is fresh again"
    GONE = "it is gone from PyPI"
    SETTLED = "the mirror has passed the serial that was wanted"
    NONSENSE = "the serial that was wanted has never been given out"
    EDGE = "the edge serves fresh pages again"
    COMPLETE = "it has everything that was announced, but for what is in quarantine"


class Change(Struct, frozen=True):
    """An incident that has worsened or ended."""

    incident: Incident
    ending: Ending | None = None


def advance(
    incidents: Mapping[str, Incident], report: RunReport, now: int, thresholds: Thresholds
) -> tuple[dict[str, Incident], list[Change]]:
    """Return the incidents after a run, and which of them have worsened or ended."""
    sightings = report.sightings
    edge, of_edge, most = incidents.get(EDGE), None, report.systemic()
    if most:
        if edge and is_overdue(edge):  # each of its packages, as old as that, goes into quarantine by itself
            of_edge = replace(edge, newest=None, released=0, level=Level.STALE)
        else:
            sightings = {name: seen for name, seen in sightings.items() if name in incidents}
        sightings[EDGE] = _edge(most)
    if report.index:
        sightings[INDEX] = report.index
    after: dict[str, Incident] = {}
    changes = []
    for subject, known in incidents.items():  # there may be 100,000
        if subject in sightings or subject == MIRROR or subject in report.accepted:
            continue
        ending = None if subject == EDGE and _is_held(known, incidents, report) else _ending(known, report)
        if ending:
            if not known.is_explained:
                changes.append(Change(known, ending))
            continue
        incident = known
        if subject in report.quarantined:  # not every run requests it
            if not incident.in_quarantine:
                incident = replace(incident, in_quarantine=True)
            if not report.overlaps and EDGE not in incidents:
                incident = _graded(incident, now, thresholds, report)
        if subject == EDGE and not report.overlaps:  # it lasts, though less than half of what this run saw is stale
            incident = _graded(incident, now, thresholds, report)
        if incident.level is not known.level:
            changes.append(Change(incident))
        after[subject] = incident
    for subject, sighting in sightings.items():
        before = incidents.get(subject)
        incident = _seen(subject, before or (of_edge if subject != INDEX else None), sighting, report, now)
        # Where most is stale, that is said of the whole edge.
        if not report.overlaps and (subject in (EDGE, INDEX) or EDGE not in sightings.keys() | incidents.keys()):
            incident = _graded(incident, now, thresholds, report)
        if subject == EDGE:
            incident = replace(incident, count=len(most), examples=tuple(sorted(most)[:EXAMPLES]))
        if incident.level > (before.level if before else Level.STALE):
            changes.append(Change(incident))
        after[subject] = incident
    return mirror_after(after, incidents.get(MIRROR), report, now, thresholds, changes), changes


def mirror_after(
    incidents: dict[str, Incident],
    before: Incident | None,
    report: RunReport,
    now: int,
    thresholds: Thresholds,
    changes: list[Change],
) -> dict[str, Incident]:
    """Return the incidents with that of the mirror itself, and append to the changes what of it is to be said.

    What is explained by another incident is not said of both.
    """
    short, index = report.shortfall, incidents.get(INDEX)
    if report.overlaps or (short and report.has_progress):
        return incidents | ({MIRROR: before} if before else {})
    if short is None:
        if before and not before.is_explained:
            changes.append(Change(before, Ending.COMPLETE))
        return incidents | ({INDEX: replace(index, is_explained=False)} if index else {})
    sighting = Sighting(max(report.target, report.reached), report.reached, Verdict.FAILING, cause=short.cause)
    mirror = _graded(_seen(MIRROR, before, sighting, report, now), now, thresholds, report)
    mirror = replace(mirror, count=max(1, len(short.subjects)), examples=short.subjects[:EXAMPLES])
    explaining = [incidents[name] for name in (EDGE, *short.subjects) if name in incidents]
    if index and INDEX in short.subjects and index.level <= mirror.level:
        # It is the mirror's incident that has been there for longer.
        explaining, index = [], replace(index, is_explained=True)
        changes[:] = [change for change in changes if change.incident.subject != INDEX]
    elif index:
        index = replace(index, is_explained=False)
    mirror = replace(mirror, is_explained=any(one.level >= mirror.level for one in explaining))
    if mirror.level > (before.level if before else Level.STALE) and not mirror.is_explained:
        changes.append(Change(mirror))
    return incidents | ({INDEX: index} if index else {}) | {MIRROR: mirror}


def is_overdue(edge: Incident) -> bool:
    """Return whether the whole edge has been stale for so long that its packages go into quarantine all the same."""
    return edge.level is Level.CRITICAL


def _is_held(edge: Incident, incidents: Mapping[str, Incident], report: RunReport) -> bool:
    """Return whether an incident of the whole edge lasts, as much of it is in quarantine and no longer asked for."""
    held = sum(name in incidents and incidents[name].since >= edge.since for name in report.quarantined)
    return held >= max(SYSTEMIC_PACKAGES, SYSTEMIC_SHARE * edge.count)


def _seen(subject: str, before: Incident | None, sighting: Sighting, report: RunReport, now: int) -> Incident:
    # A clock that was ahead must not keep an incident young forever. What only an overlapping run saw is as new.
    since = min(before.since, now) if before and before.runs else now
    serials = [serial for serial in (before.newest if before else None, sighting.got) if serial is not None]
    return Incident(
        subject=subject,
        since=since,
        seen=before.seen if before and report.overlaps else now,
        runs=(before.runs if before else 0) + (not report.overlaps),
        required_serial=sighting.required_serial,
        got=sighting.got,
        verdict=sighting.verdict,
        evidence=sighting.evidence,
        cause=sighting.cause,
        newest=max(serials, default=None),
        level=before.level if before else Level.STALE,
        in_quarantine=subject in report.quarantined,
        released=before.released if before else 0,
        climbed=now if subject in report.climbed else before.climbed if before else 0,
        is_explained=before is not None and before.is_explained,
    )


def _graded(incident: Incident, now: int, thresholds: Thresholds, report: RunReport) -> Incident:
    if incident.level is Level.CRITICAL:
        return incident
    level = Level.STALE
    # Of a package that the mirror has at the serial of the origin, nobody can do anything.
    synced = report.synced.get(incident.subject)
    is_as_new = incident.verdict is Verdict.ORIGIN_STALE and synced is not None and synced >= (incident.got or 0)
    if are_three_runs(incident.runs, incident.since, incident.seen, thresholds.warn_after):
        if incident.age(now) >= thresholds.critical_after and not is_as_new:
            level = Level.CRITICAL
        elif incident.age(now) >= thresholds.warn_after:
            level = Level.WARNING
    # A level never drops until the incident ends, whatever the clock does.
    return replace(incident, level=level) if level > incident.level else incident


def _ending(incident: Incident, report: RunReport) -> Ending | None:
    """Return why an incident that this run did not see has ended, None if it is still open."""
    if incident.subject == EDGE:
        stale = len(report.sightings.keys() - report.quarantined)
        mostly = report.is_whole and not report.overlaps and len(report.fresh_at_edge) + len(report.gone) > stale
        if report.reached >= incident.required_serial and not mostly and report.by_origin:
            return Ending.SETTLED
        return Ending.EDGE if mostly or report.reached >= incident.required_serial else None
    if incident.subject == INDEX:
        return Ending.FRESH if report.index_is_right else None
    if incident.subject in report.fresh:
        return Ending.FRESH
    if incident.subject in report.gone:
        return Ending.GONE
    if report.most is not None and incident.required_serial > report.most:
        return Ending.NONSENSE
    is_apart = incident.subject in report.quarantined or incident.subject in report.missing
    if report.reached >= incident.required_serial and not is_apart:
        return Ending.SETTLED
    return None


def _edge(sightings: Mapping[str, Sighting]) -> Sighting:
    worst = max(sightings.values(), key=lambda seen: seen.required_serial)
    verdicts = {seen.verdict for seen in sightings.values()}
    verdict = verdicts.pop() if len(verdicts) == 1 else Verdict.UNKNOWN
    return Sighting(worst.required_serial, worst.got, verdict, worst.evidence, worst.cause)
